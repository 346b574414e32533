package io.experimentetl.mapping;

import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceTable;

/**
 * Texts and numbers of the source as values of our types, in PostgreSQL's SQL. What is no value of
 * the type is NULL, and no error of the query.
 */
final class ValueSql {
  /** Of 1900 to 2299 all times, and of the others enough to know that they are outside. */
  private static final long FIRST_MICROS = -62_135_596_800_000_000L;

  private static final long LAST_MICROS = 253_402_300_799_000_000L;

  private ValueSql() {}

  static String zone(ColumnBinding bound) {
    return SqlNames.literal(bound.zone() == null ? "UTC" : bound.zone());
  }

  static String whole(String number) {
    return "CASE WHEN %1$s = trunc(%1$s) AND %1$s BETWEEN %2$d AND %3$d THEN %1$s::bigint END"
        .formatted(number, Long.MIN_VALUE, Long.MAX_VALUE);
  }

  /**
   * Parts of a microsecond are cut off towards the past. With a zone the number counts its clocks.
   */
  static String time(String number, ColumnBinding bound) {
    String instant =
        "(TIMESTAMPTZ 'epoch' + floor(least(greatest(%s * %d, %d), %d))::bigint * INTERVAL '1 microsecond')"
            .formatted(number, bound.unit().micros(), FIRST_MICROS, LAST_MICROS);
    return bound.zone() == null
        ? instant
        : "((%s AT TIME ZONE 'UTC') AT TIME ZONE %s)".formatted(instant, zone(bound));
  }

  static String ofText(ColumnBinding bound, String text, ColumnType type) {
    return switch (type) {
      case EVENT_ID, TEXT, LABEL, JSON -> "(" + text + ")";
      case BIGINT, INT ->
          "CASE WHEN %1$s ~ '^-?[0-9]{1,30}$' THEN %2$s END"
              .formatted(text, whole("(" + text + ")::numeric"));
      case NUMBER ->
          "CASE WHEN %1$s ~ '^[+-]?([0-9]{1,100}\\.?[0-9]{0,100}|\\.[0-9]{1,100})([eE][+-]?[0-9]{1,3})?$' THEN (%1$s)::numeric END"
              .formatted(text);
      case BOOL ->
          "CASE WHEN lower(%1$s) IN ('true', 't', 'yes', 'y', 'on', '1') THEN true WHEN lower(%1$s) IN ('false', 'f', 'no', 'n', 'off', '0') THEN false END"
              .formatted(text);
      case TIMESTAMP ->
          bound.unit() == null
              ? isoTime(text, zone(bound))
              : "CASE WHEN %1$s ~ '^-?[0-9]{1,30}(\\.[0-9]{1,30})?$' THEN %2$s END"
                  .formatted(text, time("(" + text + ")::numeric", bound));
    };
  }

  /**
   * A date, a time of the clocks in the zone, or one with an offset, as ISO 8601 and PostgreSQL
   * write them. What looks like it and is no date must not end the query.
   */
  static String isoTime(String text, String zone) {
    return ("CASE WHEN %1$s IN ('infinity', '-infinity') THEN (%1$s)::timestamptz WHEN %1$s ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,9})?)?(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)?)?$'"
            + " THEN CASE WHEN left(%1$s, 4) = '0000' OR substr(%1$s, 9, 2)::int"
            + " > extract(day FROM make_date(left(%1$s, 4)::int, substr(%1$s, 6, 2)::int, 1) + INTERVAL '1 month -1 day') THEN NULL"
            + " WHEN %1$s ~ ':.*[Z+-]' THEN %2$s::timestamptz ELSE %2$s::timestamp AT TIME ZONE %3$s END END")
        .formatted(
            "(" + text + ")", "regexp_replace((" + text + "), '(\\.[0-9]{6})[0-9]+', '\\1')", zone);
  }

  /** {@link EntityNumber} of a text. */
  static String number(SourceTable entity, String text) {
    return ("CASE WHEN %1$s THEN (%2$s)::bigint ELSE ('x' || left(encode(sha256(convert_to('%3$s:' || (%2$s), 'UTF8')), 'hex'), 16))::bit(64)::bigint"
            + " & 9223372036854775807 END")
        .formatted(isInteger(text), text, entity.tableName());
  }

  static String isInteger(String text) {
    return ("CASE WHEN (%1$s) ~ '^(0|-?[1-9][0-9]{0,18})$' THEN (%1$s)::numeric BETWEEN "
            + Long.MIN_VALUE
            + " AND "
            + Long.MAX_VALUE
            + " ELSE false END")
        .formatted(text);
  }
}
