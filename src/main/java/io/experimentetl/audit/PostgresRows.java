package io.experimentetl.audit;

import io.experimentetl.cdc.DayRange;
import io.experimentetl.warehouse.WarehouseRange;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** The statements that read one table's rows from PostgreSQL. */
final class PostgresRows {
  private final AuditedTable table;
  private final ComparedColumns columns;
  private final boolean utf8;

  /**
   * The statements for one table.
   *
   * @param utf8 whether the database's encoding is UTF-8, ClickHouse's. Texts of another one are
   *     converted before they are hashed: a hash is one of bytes
   */
  PostgresRows(AuditedTable table, ComparedColumns columns, boolean utf8) {
    this.table = table;
    this.columns = columns;
    this.utf8 = utf8;
  }

  /** The statements for one table of a snapshot. */
  static PostgresRows of(AuditSettings settings, AuditedTable table, SourceSnapshot source) {
    return new PostgresRows(table, source.columnsOf(settings, table), source.isUtf8());
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
            columns.postgresTexts(utf8),
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
      case EVENTS -> "left(md5(%s), 2)".formatted(bytes("id::text", utf8));
      case USERS -> "left(md5(%s), 2)".formatted(bytes("user_id::text", utf8));
      default -> "(id % 256)::text";
    };
  }

  private String hash() {
    String row =
        columns.all().stream()
            .map(column -> column.postgresText(utf8))
            .collect(Collectors.joining(" || chr(31) || "));
    return "('x' || left(md5(%s), 12))::bit(48)::bigint".formatted(bytes(row, utf8));
  }

  /** A text's bytes in UTF-8. */
  static String bytes(String text, boolean utf8) {
    return utf8 ? text : "convert_to(" + text + ", 'UTF8')";
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
