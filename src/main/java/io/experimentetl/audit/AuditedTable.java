package io.experimentetl.audit;

import io.experimentetl.model.SubjectKind;
import java.util.List;

/**
 * The tables that are compared row by row, and the columns that ClickHouse copies from PostgreSQL.
 *
 * <p>Both servers turn a row into the same text and hash it ({@link PostgresRows}, {@link
 * ClickHouseRows}). The text is the row's columns in order, separated by the unit separator; see
 * {@link AuditedColumn} for the text of a column. The hash is the first 48 bits of the text's MD5.
 * Hashes are summed: the order of rows does not matter, and a duplicate row changes the sum.
 */
enum AuditedTable {
  EXPERIMENTS(
      "experiments",
      "experiments",
      SubjectKind.EXPERIMENT,
      List.of("id"),
      null,
      List.of(
          AuditedColumn.number("id"),
          AuditedColumn.text("key"),
          AuditedColumn.text("name"),
          AuditedColumn.text("description"),
          AuditedColumn.text("status"),
          AuditedColumn.text("seed"),
          AuditedColumn.number("version"),
          AuditedColumn.json("config"),
          AuditedColumn.time("starts_at"),
          AuditedColumn.time("ends_at"),
          AuditedColumn.time("created_at"),
          AuditedColumn.time("updated_at"))),
  VARIANTS(
      "variants",
      "variants",
      SubjectKind.VARIANT,
      List.of("id"),
      null,
      List.of(
          AuditedColumn.number("id"),
          AuditedColumn.number("experiment_id"),
          AuditedColumn.text("key"),
          AuditedColumn.text("name"),
          AuditedColumn.text("description"),
          AuditedColumn.number("allocation_pct"),
          AuditedColumn.bool("is_control"),
          AuditedColumn.json("config"),
          AuditedColumn.time("created_at"),
          AuditedColumn.time("updated_at"))),
  USERS(
      "users",
      "users",
      SubjectKind.USER,
      List.of("user_id"),
      null,
      List.of(
          AuditedColumn.text("user_id"),
          AuditedColumn.text("email"),
          AuditedColumn.text("name"),
          AuditedColumn.json("properties"),
          AuditedColumn.bool("is_active"),
          AuditedColumn.time("created_at"),
          AuditedColumn.time("updated_at"))),
  ASSIGNMENTS(
      "assignments",
      "assignments_processed",
      SubjectKind.ASSIGNMENT,
      List.of("experiment_id", "user_id", "id"),
      "assigned_at",
      List.of(
          AuditedColumn.number("id"),
          AuditedColumn.number("experiment_id"),
          AuditedColumn.text("user_id"),
          AuditedColumn.number("variant_id"),
          AuditedColumn.number("version"),
          AuditedColumn.text("source"),
          AuditedColumn.json("context"),
          AuditedColumn.time("assigned_at"),
          AuditedColumn.time("enrolled_at"),
          AuditedColumn.time("created_at"),
          AuditedColumn.time("updated_at"))),
  EVENTS(
      "events",
      "events_processed",
      SubjectKind.EVENT,
      List.of("experiment_id", "user_id", "timestamp", "event_id"),
      "timestamp",
      List.of(
          new AuditedColumn("id", "event_id", AuditedColumn.Kind.EVENT_ID),
          AuditedColumn.time("timestamp"),
          AuditedColumn.number("experiment_id"),
          AuditedColumn.text("user_id"),
          AuditedColumn.number("variant_id"),
          AuditedColumn.text("event_type"),
          AuditedColumn.time("assignment_at"),
          AuditedColumn.json("properties"),
          AuditedColumn.text("session_id"),
          AuditedColumn.text("request_id")));

  /** The day of rows without a time, and of dimensions. */
  static final int NO_DAY = Integer.MIN_VALUE;

  private final String sourceTable;
  private final String warehouseTable;
  private final SubjectKind subjectKind;
  private final List<String> sortingKey;
  private final String timeColumn;
  private final List<AuditedColumn> columns;

  AuditedTable(
      String sourceTable,
      String warehouseTable,
      SubjectKind subjectKind,
      List<String> sortingKey,
      String timeColumn,
      List<AuditedColumn> columns) {
    this.sourceTable = sourceTable;
    this.warehouseTable = warehouseTable;
    this.subjectKind = subjectKind;
    this.sortingKey = sortingKey;
    this.timeColumn = timeColumn;
    this.columns = columns;
  }

  String sourceTable() {
    return sourceTable;
  }

  String warehouseTable() {
    return warehouseTable;
  }

  /** What a finding about one of its rows is about. */
  SubjectKind subjectKind() {
    return subjectKind;
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
    return columns;
  }

  /** The id part of a row's key: an event's key is {@code id@micros}. */
  String idOf(String key) {
    return this == EVENTS ? key.substring(0, key.lastIndexOf('@')) : key;
  }
}
