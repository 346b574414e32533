package io.experimentetl.postgres.pgoutput;

import java.time.DateTimeException;
import java.time.LocalDate;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.format.ResolverStyle;
import java.time.format.SignStyle;
import java.time.temporal.ChronoField;
import java.time.temporal.TemporalAccessor;
import java.util.Locale;
import java.util.UUID;

/** Values as PostgreSQL prints them, with DateStyle ISO and TimeZone UTC. */
final class TextValue {
  private static final DateTimeFormatter TIMESTAMP =
      new DateTimeFormatterBuilder()
          .appendValue(ChronoField.YEAR_OF_ERA, 4, 6, SignStyle.NEVER)
          .appendPattern("-MM-dd HH:mm:ss")
          .appendFraction(ChronoField.MICRO_OF_SECOND, 0, 6, true)
          .optionalStart()
          .appendOffset("+HH:mm:ss", "Z")
          .optionalEnd()
          .toFormatter(Locale.ROOT)
          // Leaves year, month and day apart: the year's era is behind them.
          .withResolverStyle(ResolverStyle.STRICT);

  private static final String BEFORE_CHRIST = " BC";

  private TextValue() {}

  /**
   * The value in the form that the format gives.
   *
   * @throws IllegalArgumentException the text is none of a value of this format
   */
  static Object read(ValueFormat format, String text) {
    return switch (format) {
      case BOOL -> bool(text);
      case INTEGER -> Long.valueOf(text);
      case FLOAT -> Double.valueOf(text);
      case NUMERIC, TEXT, JSON, JSONB, DATE, TEXT_ONLY, OTHER -> text;
      case PADDED_TEXT -> withoutPadding(text);
      case UUID -> UUID.fromString(text);
      case TIMESTAMPTZ, TIMESTAMP -> new ValueFormat.Micros(micros(text));
    };
  }

  /** PostgreSQL pads by blanks only; other white space is part of the value. */
  static String withoutPadding(String text) {
    int end = text.length();
    while (end > 0 && text.charAt(end - 1) == ' ') {
      end--;
    }
    return text.substring(0, end);
  }

  private static Boolean bool(String text) {
    return switch (text) {
      case "t" -> true;
      case "f" -> false;
      default -> throw new IllegalArgumentException("A boolean is neither t nor f.");
    };
  }

  private static long micros(String text) {
    if (text.equals("infinity")) {
      return Long.MAX_VALUE;
    }
    if (text.equals("-infinity")) {
      return Long.MIN_VALUE;
    }
    boolean beforeChrist = text.endsWith(BEFORE_CHRIST);
    TemporalAccessor time;
    LocalDate date;
    try {
      time =
          TIMESTAMP.parse(
              beforeChrist ? text.substring(0, text.length() - BEFORE_CHRIST.length()) : text);
      int year = time.get(ChronoField.YEAR_OF_ERA);
      date =
          LocalDate.of(
              beforeChrist ? 1 - year : year,
              time.get(ChronoField.MONTH_OF_YEAR),
              time.get(ChronoField.DAY_OF_MONTH));
    } catch (DateTimeException e) {
      throw new IllegalArgumentException("A timestamp can't be read.", e);
    }
    long offset =
        time.isSupported(ChronoField.OFFSET_SECONDS) ? time.get(ChronoField.OFFSET_SECONDS) : 0;
    long seconds = date.toEpochDay() * 86_400L + time.get(ChronoField.SECOND_OF_DAY) - offset;
    try {
      return Math.addExact(
          Math.multiplyExact(seconds, 1_000_000L), time.getLong(ChronoField.MICRO_OF_SECOND));
    } catch (ArithmeticException e) {
      return seconds > 0 ? Long.MAX_VALUE : Long.MIN_VALUE;
    }
  }
}
