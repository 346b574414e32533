package io.experimentetl.mapping;

import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceTable;
import java.math.BigInteger;

/**
 * Texts and numbers of the source as values of our types, in PostgreSQL's SQL. What is no value of
 * the type is NULL, and no error of the query.
 */
public final class ValueSql {
  /** Of 1900 to 2299 all times, and of the others enough to know that they are outside. */
  public static final long FIRST_MICROS = -62_135_596_800_000_000L;

  public static final long LAST_MICROS = 253_402_300_799_000_000L;

  /** A double holds no number from here on. */
  private static final BigInteger TOO_LARGE =
      BigInteger.ONE.shiftLeft(1024).subtract(BigInteger.ONE.shiftLeft(970));

  private ValueSql() {}

  static String zone(ColumnBinding bound) {
    return SqlNames.literal(bound.zone() == null ? "UTC" : bound.zone());
  }

  /** The beginning of a CASE whose value is NULL for what is no number and for infinity. */
  static String finite(String number) {
    return "CASE WHEN %1$s::text NOT IN ('NaN', 'Infinity', '-Infinity') THEN %1$s"
        .formatted(number);
  }

  /**
   * A time as a text.
   *
   * @param local the time of the clocks that are printed
   * @param zone what is printed behind it
   */
  static String timeText(String column, String local, String zone) {
    return "CASE WHEN isfinite(%1$s) THEN to_char(%2$s, 'YYYY-MM-DD\"T\"HH24:MI:SS.US') || '%3$s'%4$s ELSE %1$s::text END"
        .formatted(
            column,
            local,
            zone,
            " || CASE WHEN %s < '0001-01-01' THEN ' BC' ELSE '' END".formatted(local));
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
        // The least of NULL and a number is the number.
        "(TIMESTAMPTZ 'epoch' + CASE WHEN %1$s IS NOT NULL THEN floor(least(greatest(%1$s * %2$d, %3$d), %4$d))::bigint END * INTERVAL '1 microsecond')"
            .formatted(number, bound.unit().micros(), FIRST_MICROS, LAST_MICROS);
    return bound.zone() == null
        ? instant
        : "((%s AT TIME ZONE 'UTC') AT TIME ZONE %s)".formatted(instant, zone(bound));
  }

  static String ofText(ColumnBinding bound, String text, ColumnType type) {
    return switch (type) {
      case EVENT_ID, TEXT, LABEL, JSON -> "(" + text + ")";
      case BIGINT, INT ->
          "CASE WHEN %s THEN %s END".formatted(isNumber(text), whole("(" + text + ")::numeric"));
      case NUMBER ->
          "CASE WHEN %1$s THEN CASE WHEN abs((%2$s)::numeric) < %3$s THEN (%2$s)::numeric END END"
              .formatted(isNumber(text), text, TOO_LARGE);
      case BOOL ->
          "CASE WHEN lower(%1$s) IN ('true', 't', 'yes', 'y', 'on', '1') THEN true WHEN lower(%1$s) IN ('false', 'f', 'no', 'n', 'off', '0') THEN false END"
              .formatted(text);
      case TIMESTAMP ->
          bound.unit() == null
              ? isoTime(text, zone(bound))
              : "CASE WHEN %s THEN %s END"
                  .formatted(isNumber(text), time("(" + text + ")::numeric", bound));
    };
  }

  private static String isNumber(String text) {
    return "length(%1$s) <= 1000 AND %1$s ~ '^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]{1,3})?$'"
        .formatted(text);
  }

  /** The midnight of a date. Dates that are no timestamps count as the nearest one here. */
  static String midnight(String date, String zone) {
    return "(CASE WHEN isfinite(%1$s) THEN least(greatest(%1$s, '0001-01-01'), '9999-12-31')::timestamp ELSE %1$s::timestamp END AT TIME ZONE %2$s)"
        .formatted(date, zone);
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
