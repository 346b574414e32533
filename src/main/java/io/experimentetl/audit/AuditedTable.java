package io.experimentetl.audit;

import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The tables that are compared row by row: the columns that ClickHouse has from PostgreSQL, and how
 * both sides turn a row into the same text and its hash.
 *
 * <p>The text: columns in order, parted by the unit separator; a time as microseconds since 1970, a
 * boolean as 0 or 1, a number and JSON as PostgreSQL prints them, any other text behind its length
 * in bytes, NULL as a hyphen. The hash: the first 48 bits of the text's MD5. Hashes are summed, so
 * the order of rows doesn't matter, and a doubled row does.
 */
enum AuditedTable {
  EXPERIMENTS(
      "experiments",
      "experiments",
      "experiment",
      List.of("id"),
      null,
      List.of(
          number("id"),
          text("key"),
          text("name"),
          text("description"),
          text("status"),
          text("seed"),
          number("version"),
          json("config"),
          time("starts_at"),
          time("ends_at"),
          time("created_at"),
          time("updated_at"))),
  VARIANTS(
      "variants",
      "variants",
      "variant",
      List.of("id"),
      null,
      List.of(
          number("id"),
          number("experiment_id"),
          text("key"),
          text("name"),
          text("description"),
          number("allocation_pct"),
          bool("is_control"),
          json("config"),
          time("created_at"),
          time("updated_at"))),
  USERS(
      "users",
      "users",
      "user",
      List.of("user_id"),
      null,
      List.of(
          text("user_id"),
          text("email"),
          text("name"),
          json("properties"),
          bool("is_active"),
          time("created_at"),
          time("updated_at"))),
  ASSIGNMENTS(
      "assignments",
      "assignments_processed",
      "assignment",
      List.of("experiment_id", "user_id", "id"),
      "assigned_at",
      List.of(
          number("id"),
          number("experiment_id"),
          text("user_id"),
          number("variant_id"),
          number("version"),
          text("source"),
          json("context"),
          time("assigned_at"),
          time("enrolled_at"),
          time("created_at"),
          time("updated_at"))),
  EVENTS(
      "events",
      "events_processed",
      "event",
      List.of("experiment_id", "user_id", "timestamp", "event_id"),
      "timestamp",
      List.of(
          new Column("id", "event_id", Kind.TEXT),
          time("timestamp"),
          number("experiment_id"),
          text("user_id"),
          number("variant_id"),
          text("event_type"),
          time("assignment_at"),
          json("properties"),
          text("session_id"),
          text("request_id")));

  /** The day of rows without a time, and of dimensions. */
  static final int NO_DAY = Integer.MIN_VALUE;

  /** Beyond all hashes. */
  static final long NO_ROW = 1L << 48;

  private enum Kind {
    NUMBER,
    TEXT,
    JSON,
    TIME,
    BOOL
  }

  private record Column(String source, String warehouse, Kind kind) {
    String sourceText() {
      String name = '"' + source + '"';
      return switch (kind) {
        case NUMBER, JSON -> "coalesce(" + name + "::text, '-')";
        case TEXT -> "coalesce(octet_length(" + name + "::text) || ':' || " + name + "::text, '-')";
        case BOOL -> "coalesce(" + name + "::int::text, '-')";
        case TIME ->
            "coalesce(CASE WHEN isfinite("
                + name
                + ") THEN "
                + sourceMicros(name)
                + "::text ELSE "
                + name
                + "::text END, '-')";
      };
    }

    String warehouseText() {
      return switch (kind) {
        case NUMBER -> "ifNull(toString(" + warehouse + "), '-')";
        case JSON -> "ifNull(" + warehouse + ", '-')";
        case TEXT ->
            "ifNull(concat(toString(length(" + warehouse + ")), ':', " + warehouse + "), '-')";
        case BOOL -> "toString(toUInt8(" + warehouse + "))";
        case TIME -> "ifNull(toString(toUnixTimestamp64Micro(" + warehouse + ")), '-')";
      };
    }
  }

  private final String sourceTable;
  private final String warehouseTable;
  private final String noun;
  private final List<String> sortingKey;
  private final String timeColumn;
  private final List<Column> columns;

  AuditedTable(
      String sourceTable,
      String warehouseTable,
      String noun,
      List<String> sortingKey,
      String timeColumn,
      List<Column> columns) {
    this.sourceTable = sourceTable;
    this.warehouseTable = warehouseTable;
    this.noun = noun;
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

  /** One row of it, in words; findings name their subjects by it too: {@code noun:key}. */
  String noun() {
    return noun;
  }

  /** Whether rows have a time, after which they are told apart by day and leave by retention. */
  boolean hasTime() {
    return timeColumn != null;
  }

  /** Count and hash per day and bucket: {@code day, bucket, count, sum}. */
  String sourceSegments() {
    return "SELECT "
        + sourceDay()
        + " AS day, "
        + sourceBucket()
        + " AS bucket, count(*), sum("
        + sourceHash()
        + ")::text FROM "
        + sourceTable
        + " GROUP BY 1, 2";
  }

  /**
   * The same of what ClickHouse had as of an LSN, told by the LSN of a row's own change: a
   * correction of what was added to a row gives it a later version. Versions that were replaced
   * since are found until they are merged away; a row of which none is left makes its segment
   * differ, and is then looked at by itself.
   */
  String warehouseSegments(long lsn) {
    String key = String.join(", ", sortingKey);
    return "SELECT "
        + warehouseDay()
        + " AS day_, "
        + warehouseBucket()
        + " AS bucket_, count(), toString(sum(toUInt128("
        + warehouseHash()
        + "))) FROM (SELECT * FROM "
        + warehouseTable
        + " WHERE _lsn <= "
        + lsn
        + " ORDER BY "
        + key
        + ", _version DESC LIMIT 1 BY "
        + key
        + ") WHERE _deleted = 0 GROUP BY day_, bucket_";
  }

  /** The rows of some segments: {@code key, micros, hash, writing transaction}. */
  String sourceRows(List<Segment> segments) {
    return "SELECT "
        + sourceKey()
        + ", "
        + (hasTime()
            ? "CASE WHEN isfinite("
                + quoted(timeColumn)
                + ") THEN "
                + sourceMicros(quoted(timeColumn))
                + " END"
            : "NULL::bigint")
        + ", "
        + sourceHash()
        + ", xmin::text FROM "
        + sourceTable
        + " WHERE ("
        + sourceDay()
        + ", "
        + sourceBucket()
        + ") IN (VALUES "
        + segments.stream()
            .map(segment -> "(" + segment.day() + ", '" + segment.bucket() + "')")
            .collect(Collectors.joining(", "))
        + ")"
        + sourceTimeRange(segments);
  }

  /**
   * The newest version of the rows of some segments, tombstones included: {@code key,
   * experiment_id, micros, hash, lsn, version, deleted, bucket}, 0 for what the table doesn't have,
   * and the hash of what the row was as of an LSN: {@link #NO_ROW} where it was deleted, NULL where
   * that is not known any more. One key comes more than once where ClickHouse keeps it under
   * several sorting keys. Rows of other days come too where a row can move from day to day.
   */
  String warehouseRows(List<Segment> segments, long lsn) {
    // A row's day is part of an event's sorting key only: elsewhere the newest version of a row may
    // lie on another day than the version that is looked for.
    String where =
        this == EVENTS
            ? "(" + warehouseDay() + ", " + warehouseBucket() + ") IN (" + tuples(segments) + ")"
            : warehouseBucket()
                + " IN ("
                + segments.stream()
                    .map(segment -> "'" + segment.bucket() + "'")
                    .distinct()
                    .collect(Collectors.joining(", "))
                + ")";
    return "SELECT key, newest.1, newest.2, newest.3, newest.4, newest_version, newest.5, bucket, was FROM (SELECT "
        + warehouseKey()
        + " AS key, argMax(("
        + (hasTime() ? "experiment_id" : "0")
        + ", "
        + (hasTime() ? "toUnixTimestamp64Micro(" + timeColumn + ")" : "0")
        + ", "
        + warehouseHash()
        + ", _lsn, _deleted), _version) AS newest, max(_version) AS newest_version, any("
        + warehouseBucket()
        + ") AS bucket, argMaxOrNullIf(if(_deleted = 1, toUInt64("
        + NO_ROW
        + "), "
        + warehouseHash()
        + "), _version, _lsn <= "
        + lsn
        + ") AS was FROM "
        + warehouseTable
        + " WHERE "
        + where
        + " GROUP BY "
        + String.join(", ", sortingKey)
        + ")";
  }

  /**
   * Row versions that physically stand more than once: {@code key, version, times, day}. A copy
   * that was written through before its checkpoint, as its {@code _batch_id} says, may: it isn't
   * counted.
   */
  String doubles(int limit) {
    return "SELECT "
        + warehouseKey()
        + ", _version, countIf(NOT endsWith(_batch_id, '-through')) AS times, any("
        + warehouseDay()
        + ") FROM "
        + warehouseTable
        + " GROUP BY "
        + String.join(", ", sortingKey)
        + ", _version HAVING times > 1 ORDER BY 1, 2 LIMIT "
        + limit;
  }

  /** The columns that are compared, by their names in ClickHouse. */
  List<String> columnNames() {
    return columns.stream().map(Column::warehouse).toList();
  }

  /** Key and compared columns of some rows in PostgreSQL, as the texts that are hashed. */
  String sourceValues(Collection<String> keys) {
    return "SELECT "
        + sourceKey()
        + ", "
        + columns.stream().map(Column::sourceText).collect(Collectors.joining(", "))
        + " FROM "
        + sourceTable
        + " WHERE "
        + switch (this) {
          case EVENTS -> "id::text";
          case USERS -> "user_id";
          default -> "id::text";
        }
        + " IN ("
        + keys.stream()
            .map(this::idOf)
            .map(StatisticsSql::postgresText)
            .collect(Collectors.joining(", "))
        + ")";
  }

  /** The same of the rows as they stand in ClickHouse. */
  String warehouseValues(Collection<String> keys) {
    return "SELECT "
        + warehouseKey()
        + ", "
        + columns.stream().map(Column::warehouseText).collect(Collectors.joining(", "))
        + " FROM "
        + warehouseTable
        + " FINAL WHERE "
        + switch (this) {
          case EVENTS -> "event_id";
          case USERS -> "user_id";
          default -> "toString(id)";
        }
        + " IN ("
        + keys.stream()
            .map(this::idOf)
            .map(StatisticsSql::clickhouseText)
            .collect(Collectors.joining(", "))
        + ")";
  }

  private String idOf(String key) {
    return this == EVENTS ? key.substring(0, key.indexOf('@')) : key;
  }

  /**
   * Rows that stand in versions of one content that follow each other, and are not corrections,
   * which keep the place of the change: {@code key, micros, day, versions, how many rows}. An event
   * that was changed back says C-UPDATE-IMMUTABLE.
   */
  String repetitions(int limit) {
    String key = String.join(", ", sortingKey);
    return "SELECT key_, 0, day_, arrayMap(v -> toString(v.1), repeated), count() OVER () FROM (SELECT key_, day_, arrayFilter("
        + "(now, before) -> now.1 != before.1 AND now.2 = before.2 AND now.3 = 0 AND before.3 = 0 AND NOT now.6"
        + " AND (now.4, now.5) != (before.4, before.5), arrayPopFront(found), arrayPopBack(found)) AS repeated FROM (SELECT any("
        + warehouseKey()
        + ") AS key_, any("
        + warehouseDay()
        + ") AS day_, arraySort(groupArray((_version, "
        + warehouseHash()
        + ", _deleted, _lsn, _committed_at, has(inconsistencies, 'C-UPDATE-IMMUTABLE')))) AS found FROM "
        + warehouseTable
        + " WHERE ("
        + key
        + ") IN (SELECT "
        + key
        + " FROM "
        + warehouseTable
        + " GROUP BY "
        + key
        + " HAVING count() > 1) GROUP BY "
        + key
        + ")) WHERE notEmpty(repeated) ORDER BY key_ LIMIT "
        + limit;
  }

  /** Experiments that ClickHouse has rows of on some days. */
  String experimentsOnDays(List<Integer> days) {
    return "SELECT DISTINCT experiment_id FROM "
        + warehouseTable
        + " FINAL WHERE "
        + warehouseDay()
        + " IN ("
        + days.stream().map(String::valueOf).collect(Collectors.joining(", "))
        + ")";
  }

  private static String tuples(List<Segment> segments) {
    return segments.stream()
        .map(segment -> "(" + segment.day() + ", '" + segment.bucket() + "')")
        .collect(Collectors.joining(", "));
  }

  private String sourceKey() {
    return switch (this) {
      case EVENTS ->
          "id || '@' || CASE WHEN isfinite(\"timestamp\") THEN "
              + sourceMicros("\"timestamp\"")
              + "::text WHEN \"timestamp\" > now() THEN '9223372036854775807' ELSE '-9223372036854775808' END";
      case USERS -> "user_id";
      default -> "id::text";
    };
  }

  private String warehouseKey() {
    return switch (this) {
      case EVENTS -> "concat(event_id, '@', toString(toUnixTimestamp64Micro(timestamp)))";
      case USERS -> "user_id";
      default -> "toString(id)";
    };
  }

  private String sourceDay() {
    if (!hasTime()) {
      return Integer.toString(NO_DAY);
    }
    String column = quoted(timeColumn);
    return "CASE WHEN isfinite("
        + column
        + ") THEN ("
        + column
        + " AT TIME ZONE 'UTC')::date - DATE '1970-01-01' ELSE "
        + NO_DAY
        + " END";
  }

  private String warehouseDay() {
    return hasTime() ? "toInt32(toDate32(" + timeColumn + ", 'UTC'))" : "toInt32(" + NO_DAY + ")";
  }

  /** 256 buckets. The last digits of a UUID are random in every version that clients make. */
  private String sourceBucket() {
    return switch (this) {
      case EVENTS -> "right(id::text, 2)";
      case USERS -> "left(md5(user_id), 2)";
      default -> "(id % 256)::text";
    };
  }

  private String warehouseBucket() {
    return switch (this) {
      case EVENTS -> "right(event_id, 2)";
      case USERS -> "lower(hex(substring(MD5(user_id), 1, 1)))";
      default -> "toString(id % 256)";
    };
  }

  private String sourceHash() {
    return columns.stream()
        .map(Column::sourceText)
        .collect(
            Collectors.joining(" || chr(31) || ", "('x' || left(md5(", "), 12))::bit(48)::bigint"));
  }

  private String warehouseHash() {
    return columns.stream()
        .map(Column::warehouseText)
        .collect(
            Collectors.joining(
                ", char(31), ",
                "reinterpretAsUInt64(reverse(substring(MD5(concat(",
                ")), 1, 6)))"));
  }

  private String sourceTimeRange(List<Segment> segments) {
    if (!hasTime() || segments.stream().anyMatch(segment -> segment.day() == NO_DAY)) {
      return "";
    }
    long first = segments.stream().mapToLong(Segment::day).min().orElseThrow();
    long last = segments.stream().mapToLong(Segment::day).max().orElseThrow();
    return " AND "
        + quoted(timeColumn)
        + " >= to_timestamp("
        + first * 86_400
        + ") AND "
        + quoted(timeColumn)
        + " < to_timestamp("
        + (last + 1) * 86_400
        + ")";
  }

  private static String sourceMicros(String column) {
    return "(extract(epoch FROM " + column + ") * 1000000)::bigint";
  }

  private static String quoted(String column) {
    return '"' + column + '"';
  }

  private static Column number(String name) {
    return new Column(name, name, Kind.NUMBER);
  }

  private static Column text(String name) {
    return new Column(name, name, Kind.TEXT);
  }

  private static Column json(String name) {
    return new Column(name, name, Kind.JSON);
  }

  private static Column time(String name) {
    return new Column(name, name, Kind.TIME);
  }

  private static Column bool(String name) {
    return new Column(name, name, Kind.BOOL);
  }
}
