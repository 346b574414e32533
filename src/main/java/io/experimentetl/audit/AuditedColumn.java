package io.experimentetl.audit;

import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.warehouse.SourceColumns;

/**
 * A compared column, and the text that both servers make of its value: a time as microseconds since
 * 1970 that is the nearest in ClickHouse's range, a boolean as 0 or 1, an integer and JSON as
 * PostgreSQL prints them, any other number in whole millionths, any other text prefixed with its
 * length in bytes, NULL as a hyphen.
 *
 * @param source its name in PostgreSQL
 * @param shownAs the source's columns that it is read from, for people
 * @param warehouse its name in ClickHouse
 * @param presence what PostgreSQL's table has of it
 */
record AuditedColumn(
    String source,
    String shownAs,
    String warehouse,
    ColumnType type,
    boolean isKey,
    Presence presence) {

  /** How PostgreSQL's table has the column. */
  enum Presence {
    USUAL,
    /** As {@code numeric}: the number of decimals that is printed belongs to no value. */
    NUMERIC,
    /** Not at all: every value counts as NULL. */
    ABSENT
  }

  /** A number's text up to its last digit that is not a 0 behind the point. */
  private static final String SIGNIFICANT = "^(-?[0-9]+)(?:(\\\\.[0-9]*[1-9])0*|\\\\.0+)$";

  static AuditedColumn of(SourceColumn<?> column) {
    return of(column, false, column.name());
  }

  static AuditedColumn of(SourceColumn<?> column, boolean numeric, String shownAs) {
    return of(column, numeric ? Presence.NUMERIC : Presence.USUAL, shownAs);
  }

  static AuditedColumn absent(SourceColumn<?> column) {
    return of(column, Presence.ABSENT, column.name());
  }

  private static AuditedColumn of(SourceColumn<?> column, Presence presence, String shownAs) {
    return new AuditedColumn(
        column.name(),
        shownAs,
        SourceColumns.nameOf(column),
        column.type(),
        column.isKey(),
        presence);
  }

  /**
   * The column's text as an expression of PostgreSQL.
   *
   * @param utf8 whether the database's encoding is ClickHouse's
   */
  String postgresText(boolean utf8) {
    if (presence == Presence.ABSENT) {
      return "'-'";
    }
    String name =
        presence == Presence.NUMERIC
            ? "trim_scale(" + PostgresRows.quoted(source) + "::numeric)"
            : PostgresRows.quoted(source);
    return switch (type) {
      case BIGINT, INT, JSON -> "coalesce(%s::text, '-')".formatted(name);
      case NUMBER -> "coalesce(round(%s::numeric * 1000000)::text, '-')".formatted(name);
      case EVENT_ID, TEXT, LABEL ->
          "coalesce(octet_length(%2$s) || ':' || %1$s::text, '-')"
              .formatted(name, PostgresRows.bytes(name + "::text", utf8));
      case BOOL -> "coalesce(%s::int::text, '-')".formatted(name);
      case TIMESTAMP ->
          "coalesce(%s::text, '-')"
              .formatted(
                  isKey
                      ? PostgresRows.keyMicros(name)
                      : PostgresRows.micros(PostgresRows.nearest(name)));
    };
  }

  /** The column's text as an expression of ClickHouse. */
  String clickhouseText() {
    return switch (type) {
      case BIGINT, INT -> "ifNull(toString(%s), '-')".formatted(warehouse);
      case NUMBER -> "ifNull(toString(toInt64(round(%s * 1000000))), '-')".formatted(warehouse);
      case JSON -> "ifNull(%s, '-')".formatted(warehouse);
      case EVENT_ID ->
          "concat(toString(length(%1$s)), ':', %1$s)".formatted(ClickHouseRows.EVENT_ID);
      case TEXT, LABEL ->
          "ifNull(concat(toString(length(%1$s)), ':', %1$s), '-')"
              .formatted(
                  presence == Presence.NUMERIC
                      ? "replaceRegexpOne(%s, '%s', '\\\\1\\\\2')".formatted(warehouse, SIGNIFICANT)
                      : warehouse);
      case BOOL -> "toString(toUInt8(%s))".formatted(warehouse);
      case TIMESTAMP -> "ifNull(toString(toUnixTimestamp64Micro(%s)), '-')".formatted(warehouse);
    };
  }
}
