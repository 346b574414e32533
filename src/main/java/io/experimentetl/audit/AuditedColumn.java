package io.experimentetl.audit;

/**
 * A column that is compared, and the text that both servers make of its value: a time as
 * microseconds since 1970, a boolean as 0 or 1, a number and JSON as PostgreSQL prints them, any
 * other text prefixed with its length in bytes, NULL as a hyphen.
 *
 * @param source its name in PostgreSQL
 * @param warehouse its name in ClickHouse
 */
record AuditedColumn(String source, String warehouse, Kind kind) {

  enum Kind {
    NUMBER,
    EVENT_ID,
    TEXT,
    JSON,
    TIME,
    BOOL
  }

  static AuditedColumn number(String name) {
    return new AuditedColumn(name, name, Kind.NUMBER);
  }

  static AuditedColumn text(String name) {
    return new AuditedColumn(name, name, Kind.TEXT);
  }

  static AuditedColumn json(String name) {
    return new AuditedColumn(name, name, Kind.JSON);
  }

  static AuditedColumn time(String name) {
    return new AuditedColumn(name, name, Kind.TIME);
  }

  static AuditedColumn bool(String name) {
    return new AuditedColumn(name, name, Kind.BOOL);
  }

  /** The column's text as an expression of PostgreSQL. */
  String postgresText() {
    String name = PostgresRows.quoted(source);
    return switch (kind) {
      case NUMBER, JSON -> "coalesce(%s::text, '-')".formatted(name);
      case EVENT_ID, TEXT ->
          "coalesce(octet_length(%1$s::text) || ':' || %1$s::text, '-')".formatted(name);
      case BOOL -> "coalesce(%s::int::text, '-')".formatted(name);
      case TIME ->
          "coalesce(CASE WHEN isfinite(%1$s) THEN %2$s::text ELSE %1$s::text END, '-')"
              .formatted(name, PostgresRows.micros(name));
    };
  }

  /** The column's text as an expression of ClickHouse. */
  String clickhouseText() {
    return switch (kind) {
      case NUMBER -> "ifNull(toString(%s), '-')".formatted(warehouse);
      case JSON -> "ifNull(%s, '-')".formatted(warehouse);
      case EVENT_ID ->
          "concat(toString(length(%1$s)), ':', %1$s)".formatted(ClickHouseRows.EVENT_ID);
      case TEXT -> "ifNull(concat(toString(length(%1$s)), ':', %1$s), '-')".formatted(warehouse);
      case BOOL -> "toString(toUInt8(%s))".formatted(warehouse);
      case TIME -> "ifNull(toString(toUnixTimestamp64Micro(%s)), '-')".formatted(warehouse);
    };
  }
}
