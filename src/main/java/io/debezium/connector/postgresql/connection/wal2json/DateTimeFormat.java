package io.debezium.connector.postgresql.connection.wal2json;

import io.debezium.connector.postgresql.PostgresValueConverter;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.format.DateTimeParseException;
import java.time.format.SignStyle;
import java.time.format.TextStyle;
import java.time.temporal.ChronoField;
import java.util.Locale;
import org.apache.kafka.connect.errors.ConnectException;

/**
 * Replaces Debezium's class of this name. The original parses timestamps with general formatters,
 * which takes a quarter of the reader's time; this class reads the usual form of a timestamp with
 * time zone digit by digit. Unlike the original it does not log values that it cannot parse.
 */
public interface DateTimeFormat {

  Instant timestampToInstant(String text);

  OffsetDateTime timestampWithTimeZoneToOffsetDateTime(String text);

  Instant systemTimestampToInstant(String text);

  LocalDate date(String text);

  LocalTime time(String text);

  OffsetTime timeWithTimeZone(String text);

  static DateTimeFormat get() {
    return ISODateTimeFormat.INSTANCE;
  }

  /** The forms of PostgreSQL's {@code DateStyle = ISO}. */
  class ISODateTimeFormat implements DateTimeFormat {

    private static final ISODateTimeFormat INSTANCE = new ISODateTimeFormat();

    private static final DateTimeFormatter DATE = formatter(null);
    private static final DateTimeFormatter TIMESTAMP = formatter("");
    private static final DateTimeFormatter TIMESTAMP_TZ = formatter("+HH:mm");
    private static final DateTimeFormatter TIMESTAMP_TZ_WITH_SECONDS = formatter("+HH:MM:SS");
    private static final DateTimeFormatter TIME_TZ =
        new DateTimeFormatterBuilder()
            .append(DateTimeFormatter.ISO_LOCAL_TIME)
            .appendOffset("+HH:mm", "")
            .toFormatter(Locale.ROOT);

    /**
     * Year of era, month, day, and the era unless it is the current one.
     *
     * @param offset null: no time of day; empty: no offset; otherwise the offset's pattern
     */
    private static DateTimeFormatter formatter(String offset) {
      DateTimeFormatterBuilder builder =
          new DateTimeFormatterBuilder()
              .appendValue(ChronoField.YEAR_OF_ERA, 4, 10, SignStyle.NEVER)
              .appendLiteral('-')
              .appendValue(ChronoField.MONTH_OF_YEAR, 2)
              .appendLiteral('-')
              .appendValue(ChronoField.DAY_OF_MONTH, 2);
      if (offset != null) {
        builder.appendLiteral(' ').append(DateTimeFormatter.ISO_LOCAL_TIME);
        if (!offset.isEmpty()) {
          builder.appendOffset(offset, "");
        }
      }
      return builder
          .optionalStart()
          .appendLiteral(' ')
          .appendText(ChronoField.ERA, TextStyle.SHORT)
          .optionalEnd()
          .toFormatter(Locale.ENGLISH);
    }

    @Override
    public Instant timestampToInstant(String text) {
      try {
        return LocalDateTime.parse(text, TIMESTAMP).toInstant(ZoneOffset.UTC);
      } catch (DateTimeParseException e) {
        throw unreadable("timestamp", e);
      }
    }

    @Override
    public OffsetDateTime timestampWithTimeZoneToOffsetDateTime(String text) {
      OffsetDateTime usual = usual(text);
      if (usual != null) {
        return usual;
      }
      try {
        return OffsetDateTime.parse(text, TIMESTAMP_TZ);
      } catch (DateTimeParseException e) {
        return withSecondsInTheOffset(text);
      }
    }

    private static OffsetDateTime withSecondsInTheOffset(String text) {
      try {
        return OffsetDateTime.parse(text, TIMESTAMP_TZ_WITH_SECONDS);
      } catch (DateTimeParseException e) {
        throw unreadable("timestamp with time zone", e);
      }
    }

    @Override
    public Instant systemTimestampToInstant(String text) {
      return timestampWithTimeZoneToOffsetDateTime(
              text.endsWith("Z") ? text.substring(0, text.length() - 1) + "+00" : text)
          .toInstant();
    }

    @Override
    public LocalDate date(String text) {
      if (text.equals("infinity")) {
        return PostgresValueConverter.POSITIVE_INFINITY_LOCAL_DATE;
      }
      if (text.equals("-infinity")) {
        return PostgresValueConverter.NEGATIVE_INFINITY_LOCAL_DATE;
      }
      try {
        return LocalDate.parse(text, DATE);
      } catch (DateTimeParseException e) {
        throw unreadable("date", e);
      }
    }

    @Override
    public LocalTime time(String text) {
      try {
        return LocalTime.parse(text);
      } catch (DateTimeParseException e) {
        throw unreadable("time", e);
      }
    }

    @Override
    public OffsetTime timeWithTimeZone(String text) {
      try {
        return OffsetTime.parse(text, TIME_TZ).withOffsetSameInstant(ZoneOffset.UTC);
      } catch (DateTimeParseException e) {
        throw unreadable("time with time zone", e);
      }
    }

    /** {@code 2026-11-20 19:03:03[.123456]+00}, any whole hour's offset; null: another form. */
    private static OffsetDateTime usual(String text) {
      int length = text.length();
      int offset = length - 3;
      if (length < 22
          || length > 29
          || text.charAt(4) != '-'
          || text.charAt(7) != '-'
          || text.charAt(10) != ' '
          || text.charAt(13) != ':'
          || text.charAt(16) != ':'
          || (text.charAt(offset) != '+' && text.charAt(offset) != '-')
          || (offset > 19 && (text.charAt(19) != '.' || offset == 20))) {
        return null;
      }
      int year = digits(text, 0, 4);
      int month = digits(text, 5, 7);
      int day = digits(text, 8, 10);
      int hour = digits(text, 11, 13);
      int minute = digits(text, 14, 16);
      int second = digits(text, 17, 19);
      int nanos = offset > 19 ? digits(text, 20, offset) : 0;
      int offsetHours = digits(text, offset + 1, length);
      if ((year | month | day | hour | minute | second | nanos | offsetHours) < 0) {
        return null;
      }
      for (int i = offset > 19 ? offset - 20 : 9; i < 9; i++) {
        nanos *= 10;
      }
      try {
        return OffsetDateTime.of(
            year,
            month,
            day,
            hour,
            minute,
            second,
            nanos,
            offsetHours == 0
                ? ZoneOffset.UTC
                : ZoneOffset.ofHours(text.charAt(offset) == '-' ? -offsetHours : offsetHours));
      } catch (DateTimeException e) {
        return null;
      }
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

    private static ConnectException unreadable(String type, DateTimeParseException e) {
      return new ConnectException(
          "The source sent a " + type + " in a form that is not known (DateStyle must be ISO).",
          new DateTimeParseException("at index " + e.getErrorIndex(), "", e.getErrorIndex()));
    }
  }
}
