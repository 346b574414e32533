package io.experimentetl.audit;

import io.experimentetl.cdc.DayRange;
import io.experimentetl.warehouse.WarehouseRange;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** The statements that read one table's rows from PostgreSQL. */
final class PostgresRows {
  private final AuditedTable table;
  private final Set<String> present;

  /**
   * The statements for one table.
   *
   * @param present the columns of PostgreSQL's table; a missing optional column is read as NULL
   */
  PostgresRows(AuditedTable table, Set<String> present) {
    this.table = table;
    this.present = present;
  }

  /** The names of the columns that the table has. */
  static String columnNames(AuditedTable table) {
    return """
        SELECT attname
        FROM pg_attribute
        WHERE attrelid = '%s'::regclass AND attnum > 0 AND NOT attisdropped"""
        .formatted(table.sourceTable());
  }

  /** Those of the events' ids that PostgreSQL has. */
  static String idsAmong(Collection<String> ids) {
    return """
        SELECT DISTINCT id::text
        FROM %s
        WHERE id IN (%s)"""
        .formatted(
            AuditedTable.EVENTS.sourceTable(),
            ids.stream().map(StatisticsSql::postgresText).collect(Collectors.joining(", ")));
  }

  private String text(AuditedColumn column) {
    return present.contains(column.source()) ? column.postgresText() : AuditedColumn.NULL_TEXT;
  }

  /**
   * Row count and sum of hashes per day and bucket: {@code day, bucket, count, sum}.
   *
   * @param days only rows of these days; empty: all rows
   */
  String segments(Optional<DayRange> days) {
    return """
        SELECT %s AS day, %s AS bucket, count(*), sum(%s)::text
        FROM %s
        WHERE true%s
        GROUP BY 1, 2"""
        .formatted(
            day(),
            bucket(),
            hash(),
            table.sourceTable(),
            days.filter(range -> table.hasTime())
                .map(range -> timeRange(range.from(), range.to()))
                .orElse(""));
  }

  /** The rows of these segments: {@code key, micros, hash, writing transaction}. */
  String rows(List<Segment> segments) {
    return """
        SELECT %s, %s, %s, xmin::text
        FROM %s
        WHERE (%s, %s) IN (VALUES %s)%s"""
        .formatted(
            key(),
            table.hasTime()
                ? "CASE WHEN isfinite(%s) THEN %s END".formatted(time(), keyMicros(time()))
                : "NULL::bigint",
            hash(),
            table.sourceTable(),
            day(),
            bucket(),
            segments.stream()
                .map(segment -> "(" + segment.day() + ", '" + segment.bucket() + "')")
                .collect(Collectors.joining(", ")),
            timeRange(segments));
  }

  /** Key and column texts of these rows. */
  String values(Collection<String> keys) {
    return """
        SELECT %s, %s
        FROM %s
        WHERE %s IN (%s)"""
        .formatted(
            key(),
            table.columns().stream().map(this::text).collect(Collectors.joining(", ")),
            table.sourceTable(),
            table == AuditedTable.USERS ? "user_id" : "id::text",
            keys.stream()
                .map(table::idOf)
                .map(StatisticsSql::postgresText)
                .collect(Collectors.joining(", ")));
  }

  private String key() {
    return switch (table) {
      case EVENTS -> "id || '@' || " + keyMicros("\"timestamp\"");
      case USERS -> "user_id";
      default -> "id::text";
    };
  }

  private String day() {
    return table.hasTime()
        ? "CASE WHEN isfinite(%1$s) THEN (%1$s AT TIME ZONE 'UTC')::date - DATE '1970-01-01' ELSE %2$d END"
            .formatted(time(), AuditedTable.NO_DAY)
        : Integer.toString(AuditedTable.NO_DAY);
  }

  /** The time that gives a row its day, as ClickHouse can hold it unless it is of the key. */
  private String time() {
    String column = quoted(table.timeColumn());
    return table == AuditedTable.EVENTS ? column : nearest(column);
  }

  /** 256 buckets. */
  private String bucket() {
    return switch (table) {
      case EVENTS -> "left(md5(id::text), 2)";
      case USERS -> "left(md5(user_id), 2)";
      default -> "(id % 256)::text";
    };
  }

  private String hash() {
    return table.columns().stream()
        .map(this::text)
        .collect(
            Collectors.joining(" || chr(31) || ", "('x' || left(md5(", "), 12))::bit(48)::bigint"));
  }

  /** Lets PostgreSQL skip partitions. */
  private String timeRange(List<Segment> segments) {
    if (!table.hasTime()
        || segments.stream().anyMatch(segment -> segment.day() == AuditedTable.NO_DAY)) {
      return "";
    }
    return timeRange(
        segments.stream().mapToLong(Segment::day).min().orElseThrow(),
        segments.stream().mapToLong(Segment::day).max().orElseThrow());
  }

  private String timeRange(long first, long last) {
    // The first and the last day hold the times before and after them.
    String column = quoted(table.timeColumn());
    return (first <= dayOf(WarehouseRange.FIRST)
            ? ""
            : " AND %s >= to_timestamp(%d)".formatted(column, first * 86_400))
        + (last >= dayOf(WarehouseRange.LAST)
            ? ""
            : " AND %s < to_timestamp(%d)".formatted(column, (last + 1) * 86_400));
  }

  private static long dayOf(long micros) {
    return Math.floorDiv(micros, 86_400_000_000L);
  }

  /** A finite time as microseconds since 1970. */
  static String micros(String time) {
    return "(extract(epoch FROM " + time + ") * 1000000)::bigint";
  }

  /** Any time that is not NULL as microseconds since 1970, within 64 bits. */
  static String keyMicros(String time) {
    return "least(greatest(extract(epoch FROM %s) * 1000000, %d), %d)::bigint"
        .formatted(time, Long.MIN_VALUE, Long.MAX_VALUE);
  }

  /** The nearest time that ClickHouse can hold; NULL remains NULL. */
  static String nearest(String column) {
    return "CASE WHEN %1$s IS NOT NULL THEN least(greatest(%1$s, to_timestamp(%2$d)), to_timestamp(%3$d) + interval '%4$d microseconds') END"
        .formatted(
            column,
            Math.floorDiv(WarehouseRange.FIRST, 1_000_000L),
            Math.floorDiv(WarehouseRange.LAST, 1_000_000L),
            Math.floorMod(WarehouseRange.LAST, 1_000_000L));
  }

  static String quoted(String column) {
    return '"' + column + '"';
  }
}
