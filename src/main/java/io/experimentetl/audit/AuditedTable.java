package io.experimentetl.audit;

import io.experimentetl.cdc.TableComparison;
import io.experimentetl.model.RowColumns;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.SubjectKind;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The tables that are compared row by row: all columns of {@link SourceTable#columns}.
 *
 * <p>Both servers turn a row into the same text and hash it ({@link PostgresRows}, {@link
 * ClickHouseRows}). The text is the row's columns in order, separated by the unit separator; see
 * {@link AuditedColumn} for the text of a column. The hash is the first 48 bits of the text's MD5.
 * Hashes are summed: the order of rows does not matter, and a duplicate row changes the sum.
 */
enum AuditedTable {
  EXPERIMENTS(SourceTable.EXPERIMENTS, "experiments", List.of("id"), null),
  VARIANTS(SourceTable.VARIANTS, "variants", List.of("id"), null),
  USERS(SourceTable.USERS, "users", List.of("user_id"), null),
  ASSIGNMENTS(
      SourceTable.ASSIGNMENTS,
      "assignments_processed",
      List.of("experiment_id", "user_id", "id"),
      "assigned_at"),
  EVENTS(
      SourceTable.EVENTS,
      "events_processed",
      List.of("experiment_id", "user_id", "timestamp", "event_id"),
      "timestamp");

  /** The day of rows without a time, and of dimensions. */
  static final int NO_DAY = Integer.MIN_VALUE;

  private final SourceTable source;
  private final String warehouseTable;
  private final List<String> sortingKey;
  private final String timeColumn;

  AuditedTable(
      SourceTable source, String warehouseTable, List<String> sortingKey, String timeColumn) {
    this.source = source;
    this.warehouseTable = warehouseTable;
    this.sortingKey = sortingKey;
    this.timeColumn = timeColumn;
  }

  /** The table that compares the source's table; empty: ClickHouse does not hold its rows. */
  static Optional<AuditedTable> of(SourceTable source) {
    return Arrays.stream(values()).filter(table -> table.source == source).findAny();
  }

  /** The declaration of the source's columns. */
  RowColumns<? extends SourceRow> rowColumns() {
    return source.columns();
  }

  /** The key of one of its rows, as observations write it. */
  String keyOf(SourceRow row) {
    return TableComparison.keyOf(source, row);
  }

  SourceTable source() {
    return source;
  }

  String sourceTable() {
    return source.tableName();
  }

  String warehouseTable() {
    return warehouseTable;
  }

  /** The subject kind of findings about its rows. */
  SubjectKind subjectKind() {
    return source.subjectKind();
  }

  /** ClickHouse's sorting key. */
  List<String> sortingKey() {
    return sortingKey;
  }

  /** Whether rows have a time: such rows are grouped by day and removed by retention. */
  boolean hasTime() {
    return timeColumn != null;
  }

  /** The column that gives a row its day, or null; the same name on both sides. */
  String timeColumn() {
    return timeColumn;
  }

  List<AuditedColumn> columns() {
    return source.columns().all().stream().map(AuditedColumn::of).toList();
  }

  /** The id part of a row's key: an event's key is {@code id@micros}. */
  String idOf(String key) {
    return this == EVENTS ? key.substring(0, key.lastIndexOf('@')) : key;
  }
}
