package io.experimentetl.cdc;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.TimeUnit;
import io.experimentetl.mapping.ValueSql;
import io.experimentetl.model.ColumnType;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.math.BigDecimal;
import java.math.MathContext;
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
import java.time.format.SignStyle;
import java.time.temporal.ChronoField;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/**
 * Values of a mapped table: as texts, and as values of our columns' types. Text and result are
 * those of the SQL that reads the same rows: see {@link io.experimentetl.mapping.Origin}.
 */
final class MappedValue {
  private static final DateTimeFormatter TIME =
      new DateTimeFormatterBuilder()
          .appendValue(ChronoField.YEAR_OF_ERA, 4, 6, SignStyle.NOT_NEGATIVE)
          .appendPattern("-MM-dd'T'HH:mm:ss.SSSSSS")
          .toFormatter(Locale.ROOT);

  private static final String BEFORE_CHRIST = " BC";

  /** A text that is a number: PostgreSQL's casts accept more, and fail on others. */
  private static final Pattern NUMBER =
      Pattern.compile("[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]{1,3})?");

  private static final int LONGEST_NUMBER = 1000;

  /** A text that is a date or a time. */
  private static final Pattern ISO_TIME =
      Pattern.compile(
          "(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,9})?)?(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)?)?");

  /** The years 1 to 9999: a number or a date outside counts as the nearest of them. */
  private static final BigDecimal FIRST_MICROS = new BigDecimal(ValueSql.FIRST_MICROS);

  private static final BigDecimal LAST_MICROS = new BigDecimal(ValueSql.LAST_MICROS);
  private static final LocalDate FIRST_DATE = LocalDate.of(1, 1, 1);
  private static final LocalDate LAST_DATE = LocalDate.of(9999, 12, 31);

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

  /** Two numbers with so many digits are never the same float8. */
  private static final int SURE_DIGITS = 15;

  private static final String INFINITY = "infinity";

  private MappedValue() {}

  /**
   * The value as a text.
   *
   * @param format of its column; null: not known
   */
  static String text(Object value, ValueFormat format) {
    if (value instanceof ValueFormat.Micros time) {
      return text(time.since1970(), format == ValueFormat.TIMESTAMP ? "" : "Z");
    }
    return value instanceof Double number ? text((double) number) : value.toString();
  }

  private static String text(long micros, String zone) {
    if (micros == Long.MAX_VALUE || micros == Long.MIN_VALUE) {
      return micros > 0 ? INFINITY : "-" + INFINITY;
    }
    LocalDateTime time =
        LocalDateTime.ofEpochSecond(
            Math.floorDiv(micros, 1_000_000L),
            (int) Math.floorMod(micros, 1_000_000L) * 1000,
            ZoneOffset.UTC);
    return TIME.format(time) + zone + (time.getYear() > 0 ? "" : BEFORE_CHRIST);
  }

  /** As PostgreSQL prints a float8. */
  private static String text(double number) {
    if (Double.isNaN(number) || Double.isInfinite(number)) {
      return Double.toString(number);
    }
    if (number == 0) {
      return 1 / number < 0 ? "-0" : "0";
    }
    BigDecimal exact = shortest(number);
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
   * The number with the fewest digits that is nearer to this float8 than to any other, as
   * PostgreSQL prints it; Java 17's own text can be longer.
   */
  private static BigDecimal shortest(double number) {
    BigDecimal printed = new BigDecimal(Double.toString(number)).stripTrailingZeros();
    double magnitude = Math.abs(number);
    if (printed.precision() <= SURE_DIGITS && magnitude >= Double.MIN_NORMAL) {
      // As most numbers are. The search takes several times as long.
      return printed;
    }
    BigDecimal exact = new BigDecimal(magnitude);
    BigDecimal toNext = half(new BigDecimal(Math.ulp(magnitude)));
    BigDecimal from =
        exact.subtract(half(exact.subtract(new BigDecimal(Math.nextDown(magnitude)))));
    BigDecimal to = exact.add(toNext);
    // A float of full precision with fewer digits has the same ones, and zeros behind them.
    int digits = magnitude < Double.MIN_NORMAL ? 1 : SURE_DIGITS;
    while (true) {
      BigDecimal below = exact.round(new MathContext(digits, RoundingMode.DOWN));
      BigDecimal above = exact.round(new MathContext(digits, RoundingMode.UP));
      boolean isBelowNearer =
          exact.subtract(below).abs().compareTo(above.subtract(exact).abs()) <= 0;
      BigDecimal nearer = isBelowNearer ? below : above;
      BigDecimal other = isBelowNearer ? above : below;
      for (BigDecimal candidate : List.of(nearer, other)) {
        if (candidate.compareTo(from) > 0 && candidate.compareTo(to) < 0) {
          BigDecimal shortest = candidate.stripTrailingZeros();
          return number < 0 ? shortest.negate() : shortest;
        }
      }
      digits++;
    }
  }

  private static BigDecimal half(BigDecimal number) {
    return number.multiply(new BigDecimal("0.5"));
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
    String text = text(value, null);
    if (!isNumber(text)) {
      throw new NumberFormatException("A text is no number.");
    }
    return new BigDecimal(text);
  }

  private static boolean isNumber(String text) {
    return text.length() <= LONGEST_NUMBER && NUMBER.matcher(text).matches();
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
    if (unit != null) {
      return inUtc(micros(number(value), unit), zone);
    }
    return value instanceof String text && !isNumber
        ? timeOf(text, format, zone)
        : RowReader.UNREADABLE;
  }

  private static long micros(BigDecimal number, TimeUnit unit) {
    return number
        .multiply(BigDecimal.valueOf(unit.micros()))
        .max(FIRST_MICROS)
        .min(LAST_MICROS)
        .setScale(0, RoundingMode.FLOOR)
        .longValueExact();
  }

  /** A date's midnight, as PostgreSQL prints the date. */
  private static ValueFormat.Micros midnight(String text, ZoneId zone) {
    boolean beforeChrist = text.endsWith(BEFORE_CHRIST);
    String[] parts =
        (beforeChrist ? text.substring(0, text.length() - BEFORE_CHRIST.length()) : text)
            .split("-", -1);
    LocalDate date =
        beforeChrist
            ? FIRST_DATE
            : LocalDate.of(
                Math.min(Integer.parseInt(parts[0]), LAST_DATE.getYear() + 1),
                Integer.parseInt(parts[1]),
                Integer.parseInt(parts[2]));
    LocalDate nearest = date.isAfter(LAST_DATE) ? LAST_DATE : date;
    return inUtc(nearest.toEpochDay() * 86_400_000_000L, zone);
  }

  private static ValueFormat.Micros timeOf(String text, ValueFormat format, ZoneId zone) {
    if (text.equals(INFINITY)) {
      return new ValueFormat.Micros(Long.MAX_VALUE);
    } else if (text.equals("-" + INFINITY)) {
      return new ValueFormat.Micros(Long.MIN_VALUE);
    } else if (format == ValueFormat.DATE) {
      return midnight(text, zone);
    } else if (!ISO_TIME.matcher(text).matches()) {
      throw new DateTimeException("A text is no time.");
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
