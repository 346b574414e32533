package io.experimentetl.model;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** The tables of the platform that are captured, and the heartbeat table of this product. */
public enum SourceTable {
  EXPERIMENTS(SubjectKind.EXPERIMENT),
  VARIANTS(SubjectKind.VARIANT),
  USERS(SubjectKind.USER),
  ASSIGNMENTS(SubjectKind.ASSIGNMENT),
  EVENTS(SubjectKind.EVENT),
  OUTBOX_EVENTS(SubjectKind.OUTBOX_EVENT),
  /** Every table that is copied as it is: its rows name it. */
  REPLICATED(SubjectKind.REPLICATED_ROW),
  /**
   * Written by the source's heartbeat and by {@code ./etl verify}, for the end-to-end lag, for
   * progress when the platform is idle, and for fences.
   */
  ETL_HEARTBEAT(SubjectKind.HEARTBEAT);

  /**
   * The column of experiments, variants and assignments that holds the source's own id where the id
   * is a number made for it. No table of the source needs a column of this name.
   */
  public static final String SOURCE_ID = "source_id";

  /**
   * The column of events that names the table of metric events. The mapping gives its value: no
   * table of the source needs a column of this name.
   */
  public static final String FACT = "fact";

  private static final SourceTable[] ALL = values();

  private final SubjectKind subjectKind;

  SourceTable(SubjectKind subjectKind) {
    this.subjectKind = subjectKind;
  }

  /**
   * The platform's tables that a job reads, without those that are copied as they are.
   *
   * @param outbox whether it relays the outbox: without the relay its table need not exist
   */
  public static List<SourceTable> read(boolean outbox) {
    return Arrays.stream(ALL)
        .filter(table -> table != REPLICATED && (outbox || table != OUTBOX_EVENTS))
        .toList();
  }

  /** The table's name in PostgreSQL. */
  public String tableName() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The subject kind of findings about its rows. */
  public SubjectKind subjectKind() {
    return subjectKind;
  }

  /**
   * The table whose rows are subjects of the kind.
   *
   * @throws IllegalArgumentException no table has this kind
   */
  public static SourceTable ofSubjectKind(SubjectKind kind) {
    for (SourceTable table : ALL) {
      if (table.subjectKind == kind) {
        return table;
      }
    }
    throw new IllegalArgumentException("Subjects of the kind " + kind.text() + " are no rows.");
  }

  /** Whether the mapping alone gives the values of the column: no table of the source has it. */
  public static boolean isMade(String column) {
    return column.equals(SOURCE_ID) || column.equals(FACT);
  }

  /** The declaration of its columns. */
  public RowColumns<? extends SourceRow> columns() {
    return switch (this) {
      case EXPERIMENTS -> ExperimentRow.COLUMNS;
      case VARIANTS -> VariantRow.COLUMNS;
      case USERS -> UserRow.COLUMNS;
      case ASSIGNMENTS -> AssignmentRow.COLUMNS;
      case EVENTS -> EventRow.COLUMNS;
      case OUTBOX_EVENTS -> OutboxRow.COLUMNS;
      case REPLICATED -> ReplicatedRow.COLUMNS;
      case ETL_HEARTBEAT -> HeartbeatRow.COLUMNS;
    };
  }

  /** The table of that name in PostgreSQL, or null if it is not captured. */
  public static SourceTable ofTableName(String tableName) {
    for (SourceTable table : ALL) {
      if (table.tableName().equals(tableName)) {
        return table;
      }
    }
    return null;
  }
}
