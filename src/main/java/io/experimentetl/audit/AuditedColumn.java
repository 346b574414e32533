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
 * @param warehouse its name in ClickHouse
 */
record AuditedColumn(String source, String warehouse, ColumnType type, boolean isKey) {
  /** The text of NULL, as an expression of PostgreSQL. */
  static final String NULL_TEXT = "'-'";

  static AuditedColumn of(SourceColumn<?> column) {
    return new AuditedColumn(
        column.name(), SourceColumns.nameOf(column), column.type(), column.isKey());
  }

  /** The column's text as an expression of PostgreSQL. */
  String postgresText() {
    String name = PostgresRows.quoted(source);
    return switch (type) {
      case BIGINT, INT, JSON -> "coalesce(%s::text, '-')".formatted(name);
      case NUMBER -> "coalesce(round(%s::numeric * 1000000)::text, '-')".formatted(name);
      case EVENT_ID, TEXT, LABEL ->
          "coalesce(octet_length(%1$s::text) || ':' || %1$s::text, '-')".formatted(name);
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
          "ifNull(concat(toString(length(%1$s)), ':', %1$s), '-')".formatted(warehouse);
      case BOOL -> "toString(toUInt8(%s))".formatted(warehouse);
      case TIMESTAMP -> "ifNull(toString(toUnixTimestamp64Micro(%s)), '-')".formatted(warehouse);
    };
  }
}
