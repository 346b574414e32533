package io.experimentetl.cdc;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.TimeUnit;
import io.experimentetl.model.ColumnType;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.format.DateTimeParseException;
import java.time.temporal.ChronoField;
import java.util.Locale;

/**
 * Values of a mapped table: as texts, and as values of our columns' types. Text and result are
 * those of the SQL that reads the same rows: see {@link io.experimentetl.mapping.Origin}.
 */
final class MappedValue {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS", Locale.ROOT);

  /** As PostgreSQL and ISO 8601 write a time without zone. */
  private static final DateTimeFormatter LOCAL_TIME =
      new DateTimeFormatterBuilder()
          .append(DateTimeFormatter.ISO_LOCAL_DATE)
          .appendPattern("['T'][' ']HH:mm[:ss]")
          .appendFraction(ChronoField.NANO_OF_SECOND, 0, 9, true)
          .toFormatter(Locale.ROOT);

  private static final DateTimeFormatter TIME_WITH_OFFSET =
      new DateTimeFormatterBuilder()
          .append(DateTimeFormatter.ISO_LOCAL_DATE)
          .appendPattern("['T'][' ']HH:mm[:ss]")
          .appendFraction(ChronoField.NANO_OF_SECOND, 0, 9, true)
          .appendPattern("[XXX][X]")
          .toFormatter(Locale.ROOT);

  /** PostgreSQL prints a float8 of this or a larger exponent of 10 with an exponent. */
  private static final int LARGEST_PLAIN_EXPONENT = 15;

  private static final int SMALLEST_PLAIN_EXPONENT = -5;

  private MappedValue() {}

  /**
   * The value as a text.
   *
   * @param format of its column; null: not known
   */
  static String text(Object value, ValueFormat format) {
    if (value instanceof ValueFormat.Micros time) {
      return text(time.since1970()) + (format == ValueFormat.TIMESTAMP ? "" : "Z");
    }
    return value instanceof Double number ? text((double) number) : value.toString();
  }

  private static String text(long micros) {
    return TIME.format(
        LocalDateTime.ofEpochSecond(
            Math.floorDiv(micros, 1_000_000L),
            (int) Math.floorMod(micros, 1_000_000L) * 1000,
            ZoneOffset.UTC));
  }

  /** As PostgreSQL prints a float8. */
  private static String text(double number) {
    if (Double.isNaN(number) || Double.isInfinite(number)) {
      return Double.toString(number);
    }
    if (number == 0) {
      return 1 / number < 0 ? "-0" : "0";
    }
    BigDecimal exact = new BigDecimal(Double.toString(number)).stripTrailingZeros();
    int exponent = exact.precision() - exact.scale() - 1;
    if (exponent > SMALLEST_PLAIN_EXPONENT && exponent < LARGEST_PLAIN_EXPONENT) {
      return exact.toPlainString();
    }
    String digits = exact.unscaledValue().abs().toString();
    return (exact.signum() < 0 ? "-" : "")
        + digits.charAt(0)
        + (digits.length() > 1 ? "." + digits.substring(1) : "")
        + (exponent < 0 ? "e-%02d" : "e+%02d").formatted(Math.abs(exponent));
  }

  /**
   * The value in the form that a column of the type has; {@link RowReader#UNREADABLE}: it has none.
   *
   * @param format of the value's column; null: it has none, or it is not known
   */
  static Object converted(
      Object value, ValueFormat format, ColumnType type, TimeUnit unit, ZoneId zone) {
    try {
      return switch (type) {
        case BIGINT, INT -> number(value).longValueExact();
        case NUMBER -> value instanceof Double ? value : number(value).toString();
        case BOOL -> bool(value);
        case TIMESTAMP -> time(value, format, unit, zone);
        case TEXT, LABEL, JSON, EVENT_ID -> {
          String text = text(value, format);
          yield NativeWriter.fitsString(text) ? text : RowReader.UNREADABLE;
        }
      };
    } catch (ArithmeticException | NumberFormatException | DateTimeException e) {
      return RowReader.UNREADABLE;
    }
  }

  private static BigDecimal number(Object value) {
    if (value instanceof Long || value instanceof Integer || value instanceof Short) {
      return BigDecimal.valueOf(((Number) value).longValue());
    }
    return new BigDecimal(text(value, null));
  }

  private static Object bool(Object value) {
    return value instanceof Boolean
        ? value
        : switch (text(value, null).toLowerCase(Locale.ROOT)) {
          case "true", "t", "yes", "y", "on", "1" -> true;
          case "false", "f", "no", "n", "off", "0" -> false;
          default -> RowReader.UNREADABLE;
        };
  }

  private static Object time(Object value, ValueFormat format, TimeUnit unit, ZoneId zone) {
    if (value instanceof ValueFormat.Micros time) {
      return format == ValueFormat.TIMESTAMP ? inUtc(time.since1970(), zone) : time;
    }
    boolean isNumber =
        value instanceof Number || (value instanceof JsonNode node && node.isNumber());
    if (isNumber || (unit != null && isNumeric(value))) {
      return unit == null
          ? RowReader.UNREADABLE
          : inUtc(
              number(value)
                  .multiply(BigDecimal.valueOf(unit.micros()))
                  .setScale(0, RoundingMode.FLOOR)
                  .longValueExact(),
              zone);
    }
    return value instanceof String text ? timeOf(text, zone) : RowReader.UNREADABLE;
  }

  private static boolean isNumeric(Object value) {
    try {
      return value instanceof String text && new BigDecimal(text).signum() < 2;
    } catch (NumberFormatException notANumber) {
      return false;
    }
  }

  private static ValueFormat.Micros timeOf(String text, ZoneId zone) {
    switch (text) {
      case "infinity":
        return new ValueFormat.Micros(Long.MAX_VALUE);
      case "-infinity":
        return new ValueFormat.Micros(Long.MIN_VALUE);
      default:
        break;
    }
    try {
      return new ValueFormat.Micros(
          micros(OffsetDateTime.parse(text, TIME_WITH_OFFSET).toInstant()));
    } catch (DateTimeParseException withoutOffset) {
      LocalDateTime local =
          text.length() <= "2026-01-31".length()
              ? LocalDate.parse(text).atStartOfDay()
              : LocalDateTime.parse(text, LOCAL_TIME);
      return new ValueFormat.Micros(
          micros(later(local, zone == null ? ZoneOffset.UTC : zone).toInstant()));
    }
  }

  private static long micros(Instant time) {
    return Timestamps.micros(time.getEpochSecond(), time.getNano());
  }

  /** Where clocks show a time twice, it is the later one, as in PostgreSQL's AT TIME ZONE. */
  private static ZonedDateTime later(LocalDateTime local, ZoneId zone) {
    return local.atZone(zone).withLaterOffsetAtOverlap();
  }

  /** A time of the clocks in a zone. Infinity is the same everywhere. */
  private static ValueFormat.Micros inUtc(long micros, ZoneId zone) {
    if (zone == null || micros == Long.MAX_VALUE || micros == Long.MIN_VALUE) {
      return new ValueFormat.Micros(micros);
    }
    LocalDateTime local =
        LocalDateTime.ofEpochSecond(Math.floorDiv(micros, 1_000_000L), 0, ZoneOffset.UTC);
    return new ValueFormat.Micros(
        Math.addExact(
            Math.multiplyExact(later(local, zone).toEpochSecond(), 1_000_000L),
            Math.floorMod(micros, 1_000_000L)));
  }

  /** Whether a value of the format is a value of the type as it is sent. */
  static boolean isDirect(ColumnBinding binding, ValueFormat format, ColumnType type) {
    if (!binding.values().isEmpty() || format == null) {
      return false;
    }
    return switch (type) {
      case BIGINT, INT -> format == ValueFormat.INTEGER;
      case NUMBER ->
          format == ValueFormat.INTEGER
              || format == ValueFormat.FLOAT
              || format == ValueFormat.NUMERIC;
      case BOOL -> format == ValueFormat.BOOL;
      case TIMESTAMP ->
          format == ValueFormat.TIMESTAMPTZ
              || (format == ValueFormat.TIMESTAMP && binding.zone() == null);
      case EVENT_ID, TEXT, LABEL, JSON ->
          switch (format) {
            case FLOAT, TIMESTAMP, TIMESTAMPTZ -> false;
            default -> true;
          };
    };
  }
}
