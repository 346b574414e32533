package io.experimentetl.config;

import static io.experimentetl.config.ValueType.CENTURY;
import static io.experimentetl.config.ValueType.duration;

import java.io.Serializable;
import java.time.Duration;

/**
 * How long the job keeps a user's facts in state.
 *
 * @param evictAfter how long after an experiment's end and its allowed lateness, in commit time,
 *     its users' facts are evicted; milliseconds precision; null: never
 */
public record StateConfig(Duration evictAfter) implements Serializable {

  /** The default of every key. */
  public static StateConfig defaults() {
    return read(Section.empty("state"));
  }

  static StateConfig read(Section section) {
    return new StateConfig(section.optional("evict-after", duration(Duration.ZERO, CENTURY)));
  }
}
