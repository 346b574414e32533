package io.experimentetl.model;

import java.util.Locale;

/**
 * The kinds of subjects of findings, and how the key of each is written. {@code
 * data_inconsistencies.subject_kind} holds the name in lower case with hyphens.
 */
public enum SubjectKind {
  EVENT("one event; the time is in microseconds since 1970 in UTC", "ID@MICROSECONDS"),
  EVENT_TYPE("all events of one type", "TYPE"),
  ASSIGNMENT("one assignment", "ID"),
  USER("one user", "USER"),
  EXPERIMENT_USER("one user in one experiment", "EXPERIMENT/USER"),
  EXPERIMENT("one experiment", "EXPERIMENT"),
  EXPERIMENT_DAY("one day of one experiment, in the experiment's zone", "EXPERIMENT/DAY"),
  EXPERIMENT_METRIC("one metric of one experiment", "EXPERIMENT/METRIC"),
  EXPERIMENT_VARIANT("one variant of one experiment", "EXPERIMENT/VARIANT"),
  EXPERIMENT_CHANGE(
      "rows of one experiment that one transaction corrected, or several between two checkpoints; the LSN is that of the first change",
      "EXPERIMENT/LSN"),
  VARIANT("one variant, whatever its experiment", "VARIANT"),
  METRIC("one metric in all experiments", "METRIC"),
  OUTBOX_EVENT("one row of outbox_events", "ID"),
  REPLICATED_ROW(
      "one row of a replicated table, by the table's name in ClickHouse and its sorting key",
      "TABLE:KEY"),
  HEARTBEAT("one row of etl_heartbeat", "WRITER"),
  KAFKA_RECORD("one record of a source topic that cannot be read", "TOPIC/PARTITION@OFFSET"),
  TABLE("one table of ClickHouse", "TABLE"),
  SOURCE_TABLE("one captured table of PostgreSQL", "TABLE"),
  TABLE_DAY("the rows of one source table with a time on one day in UTC", "TABLE/DAY"),
  COLUMN("one column of a source table", "TABLE.COLUMN"),
  TRANSACTION("one transaction of PostgreSQL", "TRANSACTION"),
  PIPELINE("the job as a whole", "");

  private static final SubjectKind[] ALL = values();

  private final String text = name().toLowerCase(Locale.ROOT).replace('_', '-');
  private final String meaning;
  private final String keyForm;

  SubjectKind(String meaning, String keyForm) {
    this.meaning = meaning;
    this.keyForm = keyForm;
  }

  /** The kind as it is written to the tables. */
  public String text() {
    return text;
  }

  /** The meaning of the kind, for readers. */
  public String meaning() {
    return meaning;
  }

  /** The form of the kind's keys, for readers. */
  public String keyForm() {
    return keyForm;
  }

  /**
   * The kind with this text.
   *
   * @throws IllegalArgumentException no kind has it
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
