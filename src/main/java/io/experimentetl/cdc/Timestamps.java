package io.experimentetl.cdc;

import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;

/** Reads Debezium's ISO timestamps, in their usual form without building date objects. */
final class Timestamps {

  private static final long MICROS_PER_SECOND = 1_000_000L;

  private Timestamps() {}

  /**
   * Microseconds since 1970 in UTC of {@code 2026-11-20T19:03:03.123456Z}, or of anything else that
   * ISO 8601 allows with an offset; parts of a microsecond are truncated. {@code infinity}, {@code
   * -infinity} and times outside 64 bits are {@link Long#MAX_VALUE} or {@link Long#MIN_VALUE}.
   *
   * @throws DateTimeParseException the text is not a timestamp
   */
  static long microsOfIso(String text) {
    int length = text.length();
    if (length < 20
        || length > 30
        || text.charAt(4) != '-'
        || text.charAt(7) != '-'
        || text.charAt(10) != 'T'
        || text.charAt(13) != ':'
        || text.charAt(16) != ':'
        || text.charAt(length - 1) != 'Z') {
      return slowly(text);
    }
    int year = digits(text, 0, 4);
    int month = digits(text, 5, 7);
    int day = digits(text, 8, 10);
    int hour = digits(text, 11, 13);
    int minute = digits(text, 14, 16);
    int second = digits(text, 17, 19);
    if ((year | month | day | hour | minute | second) < 0
        || month < 1
        || month > 12
        || day < 1
        || (day > 28 && day > lengthOfMonth(year, month))
        || hour > 23
        || minute > 59
        || second > 59) {
      return slowly(text);
    }
    int micros = 0;
    if (length > 20) {
      int end = Math.min(length - 1, 26);
      micros = text.charAt(19) == '.' && end > 20 ? digits(text, 20, end) : -1;
      if (micros < 0) {
        return slowly(text);
      }
      for (int i = end; i < 26; i++) {
        micros *= 10;
      }
    }
    long seconds = epochDay(year, month, day) * 86_400L + hour * 3600L + minute * 60L + second;
    return seconds * MICROS_PER_SECOND + micros;
  }

  private static long slowly(String text) {
    if (text.equals("infinity")) {
      return Long.MAX_VALUE;
    }
    if (text.equals("-infinity")) {
      return Long.MIN_VALUE;
    }
    OffsetDateTime time = OffsetDateTime.parse(text);
    return micros(time.toEpochSecond(), time.getNano());
  }

  /**
   * Microseconds since 1970 in UTC; a time outside 64 bits is {@link Long#MAX_VALUE} or {@link
   * Long#MIN_VALUE}.
   */
  static long micros(long seconds, int nanos) {
    if (seconds >= Long.MAX_VALUE / MICROS_PER_SECOND) {
      return Long.MAX_VALUE;
    }
    if (seconds <= Long.MIN_VALUE / MICROS_PER_SECOND) {
      return Long.MIN_VALUE;
    }
    return seconds * MICROS_PER_SECOND + nanos / 1000;
  }

  /** The number in text[from, to), or -1. */
  private static int digits(String text, int from, int to) {
    int value = 0;
    for (int i = from; i < to; i++) {
      int digit = text.charAt(i) - '0';
      if (digit < 0 || digit > 9) {
        return -1;
      }
      value = value * 10 + digit;
    }
    return value;
  }

  private static int lengthOfMonth(int year, int month) {
    return switch (month) {
      case 2 -> year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
      case 4, 6, 9, 11 -> 30;
      default -> 31;
    };
  }

  /** Days since 1970-01-01 in the proleptic Gregorian calendar, for years 0 to 9999. */
  private static long epochDay(int year, int month, int day) {
    int y = month <= 2 ? year - 1 : year;
    int era = Math.floorDiv(y, 400);
    int yearOfEra = y - era * 400;
    int dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
    return era * 146_097L + dayOfEra - 719_468L;
  }
}
