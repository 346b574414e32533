package io.experimentetl.archive;

import java.time.YearMonth;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;

/**
 * A table that is archived.
 *
 * <p>A month is one in UTC. A row belongs to that of the time from which its age is counted.
 */
public enum ArchivedTable {
  EVENTS(
      "events_processed",
      "events_archive",
      "timestamp",
      "experiment_id, user_id, timestamp, event_id"),
  ASSIGNMENTS(
      "assignments_processed",
      "assignments_archive",
      "if(assigned_at > '1900-01-02 00:00:00', assigned_at, _committed_at)",
      "experiment_id, user_id, id");

  /**
   * A constraint that every row fulfils. While a table has it, sql/clickhouse/900_retention.sql
   * gives the table no TTL.
   */
  public static final String GUARD = "only_archive_removes_rows";

  private static final DateTimeFormatter FIRST_OF_MONTH =
      DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss").withZone(ZoneOffset.UTC);

  private final String warehouseTable;
  private final String restoredTable;
  private final String age;
  private final String key;

  ArchivedTable(String warehouseTable, String restoredTable, String age, String key) {
    this.warehouseTable = warehouseTable;
    this.restoredTable = restoredTable;
    this.age = age;
    this.key = key;
  }

  /** The table in ClickHouse that the rows leave. */
  public String warehouseTable() {
    return warehouseTable;
  }

  /** A statement: no TTL comes back. */
  public String guard() {
    return "ALTER TABLE %s ADD CONSTRAINT IF NOT EXISTS %s CHECK true"
        .formatted(warehouseTable, GUARD);
  }

  /** The table in ClickHouse that restored rows fill. */
  public String restoredTable() {
    return restoredTable;
  }

  /** An expression: the time from which a row's age is counted, as 900_retention.sql counts it. */
  String age() {
    return age;
  }

  /** The columns of the sorting key. */
  String key() {
    return key;
  }

  /** A condition. */
  String isIn(YearMonth month) {
    return "%s >= %s AND %s".formatted(age, begin(month), isBefore(month.plusMonths(1)));
  }

  /** A condition. */
  String isBefore(YearMonth month) {
    return "%s < %s".formatted(age, begin(month));
  }

  private static String begin(YearMonth month) {
    return "toDateTime64('%s', 6, 'UTC')"
        .formatted(FIRST_OF_MONTH.format(month.atDay(1).atStartOfDay()));
  }

  /**
   * The part of a month in which all of a user's rows are: an expression in ClickHouse's SQL.
   *
   * @param buckets their number
   */
  static String bucketOf(String user, int buckets) {
    return "CRC32(%s) %% %d".formatted(user, buckets);
  }
}
