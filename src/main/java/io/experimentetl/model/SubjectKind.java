package io.experimentetl.model;

import java.util.Locale;

/**
 * The kinds of things that findings are about, and how the key of each is written. {@code
 * data_inconsistencies.subject_kind} holds the name in lower case with hyphens.
 */
public enum SubjectKind {
  /** One event: {@code ID@MICROS}, with the time in microseconds since 1970 in UTC. */
  EVENT,
  /** All events of one type: {@code TYPE}. */
  EVENT_TYPE,
  /** One assignment: {@code ID}. */
  ASSIGNMENT,
  /** One user: {@code USER}. */
  USER,
  /** One user in one experiment: {@code EXPERIMENT/USER}. */
  EXPERIMENT_USER,
  /** One experiment: {@code ID}. */
  EXPERIMENT,
  /** One day of one experiment, in the experiment's zone: {@code EXPERIMENT/DAY}. */
  EXPERIMENT_DAY,
  /** One metric in one experiment: {@code EXPERIMENT/METRIC}. */
  EXPERIMENT_METRIC,
  /** One variant of one experiment: {@code EXPERIMENT/VARIANT}. */
  EXPERIMENT_VARIANT,
  /** One variant that rows name, whatever its experiment: {@code ID}. */
  VARIANT,
  /** One metric in all experiments: {@code METRIC}. */
  METRIC,
  /** One row of the outbox: {@code ID}. */
  OUTBOX_EVENT,
  /** One row of the heartbeat table: {@code WRITER}. */
  HEARTBEAT,
  /** One table of ClickHouse: {@code TABLE}. */
  TABLE,
  /** The rows of one source table that lie on one day in UTC: {@code TABLE/DAY}. */
  TABLE_DAY,
  /** One column of a source table: {@code TABLE.COLUMN}. */
  COLUMN,
  /** One transaction of the source: {@code TRANSACTION_ID}. */
  TRANSACTION,
  /** The pipeline as a whole; the key is empty. */
  PIPELINE;

  private static final SubjectKind[] ALL = values();

  private final String text = name().toLowerCase(Locale.ROOT).replace('_', '-');

  /** The kind as it is written to the tables. */
  public String text() {
    return text;
  }

  /**
   * The kind that is written so.
   *
   * @throws IllegalArgumentException no kind is written so
   */
  public static SubjectKind ofText(String text) {
    for (SubjectKind kind : ALL) {
      if (kind.text.equals(text)) {
        return kind;
      }
    }
    throw new IllegalArgumentException("No subject of a finding has the kind '" + text + "'.");
  }
}
