package io.experimentetl.mapping;

import java.io.Serializable;
import java.time.Duration;

/**
 * What an entry of {@code source.tables.facts} declares beside its columns.
 *
 * @param name the value of our column {@code fact}
 * @param mutable whether its rows may change: then an update or a delete is no finding
 * @param retention the age at which the source deletes rows; null: {@code
 *     retention.postgres.events}; {@link #FOR_EVER}: it deletes none for their age
 */
public record FactTable(String name, boolean mutable, Duration retention) implements Serializable {

  /** Longer than the time since any event; its microseconds are a long. */
  public static final Duration FOR_EVER = Duration.ofDays(365_250);
}
