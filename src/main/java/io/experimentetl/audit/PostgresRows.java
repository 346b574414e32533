package io.experimentetl.audit;

import io.experimentetl.cdc.DayRange;
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
                ? "CASE WHEN isfinite(%s) THEN %s END"
                    .formatted(quoted(table.timeColumn()), micros(quoted(table.timeColumn())))
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
      case EVENTS ->
          "id || '@' || CASE WHEN isfinite(\"timestamp\") THEN "
              + micros("\"timestamp\"")
              + "::text WHEN \"timestamp\" > now() THEN '9223372036854775807'"
              + " ELSE '-9223372036854775808' END";
      case USERS -> "user_id";
      default -> "id::text";
    };
  }

  private String day() {
    return table.hasTime()
        ? "CASE WHEN isfinite(%1$s) THEN (%1$s AT TIME ZONE 'UTC')::date - DATE '1970-01-01' ELSE %2$d END"
            .formatted(quoted(table.timeColumn()), AuditedTable.NO_DAY)
        : Integer.toString(AuditedTable.NO_DAY);
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
    return " AND %1$s >= to_timestamp(%2$d) AND %1$s < to_timestamp(%3$d)"
        .formatted(quoted(table.timeColumn()), first * 86_400, (last + 1) * 86_400);
  }

  /** A time as microseconds since 1970. */
  static String micros(String column) {
    return "(extract(epoch FROM " + column + ") * 1000000)::bigint";
  }

  static String quoted(String column) {
    return '"' + column + '"';
  }
}
