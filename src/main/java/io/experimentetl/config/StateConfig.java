package io.experimentetl.config;

import java.io.Serializable;
import java.time.Duration;

/**
 * What the job keeps of its users.
 *
 * @param evictAfter how long after an experiment's end and its allowed lateness, by the source's
 *     clock, its users' facts leave the state; milliseconds precision; null: never
 */
public record StateConfig(Duration evictAfter) implements Serializable {

  /** What holds where the file says nothing. */
  public static StateConfig defaults() {
    return new StateConfig(null);
  }
}
