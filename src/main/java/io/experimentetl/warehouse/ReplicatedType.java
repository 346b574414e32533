package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.NativeWriter;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How ClickHouse holds the values of a replicated table's column. A value comes as the text that
 * PostgreSQL prints; a time is in ISO 8601, and in UTC if its type has a zone.
 */
public enum ReplicatedType {
  INT16("Int16"),
  INT32("Int32"),
  INT64("Int64"),
  FLOAT("Float64"),
  DECIMAL("Decimal"),
  BOOL("Bool"),
  ID("UUID"),
  DAY("Date32"),
  TIME("DateTime64(6, 'UTC')"),
  LABEL("LowCardinality(String)"),
  TEXT("String");

  private static final Pattern NUMERIC = Pattern.compile("numeric\\((\\d+),(-?\\d+)\\)");
  private static final Pattern DECIMAL_TYPE = Pattern.compile("Decimal\\((\\d+), (\\d+)\\)");
  private static final Pattern LARGE_YEAR = Pattern.compile("\\d{5,}-");
  private static final int MOST_DIGITS = 76;
  private static final int FEWER_DIGITS = 38;
  private static final int MOST_DIGITS_OF_64_BITS = 18;

  private final String name;

  ReplicatedType(String name) {
    this.name = name;
  }

  /**
   * The type of a column.
   *
   * @param clickHouseType without {@code Nullable}
   * @throws IllegalArgumentException no column of a replicated table has this type
   */
  public static ReplicatedType of(String clickHouseType) {
    for (ReplicatedType type : values()) {
      if (type.name.equals(clickHouseType)) {
        return type;
      }
    }
    // The writer knows the two larger widths.
    if (digitsOf(clickHouseType)[0] > MOST_DIGITS_OF_64_BITS) {
      return DECIMAL;
    }
    throw new IllegalArgumentException("No replicated column has the type " + clickHouseType + ".");
  }

  /**
   * The type in ClickHouse of a column of PostgreSQL. A type that ClickHouse does not hold exactly
   * is a text, as PostgreSQL prints it.
   *
   * @param type as {@code format_type} prints it
   * @param nullable a Nullable column has no dictionary
   */
  public static String ofSource(String type, boolean isEnum, boolean nullable) {
    Matcher numeric = NUMERIC.matcher(type);
    if (numeric.matches()) {
      int digits = Integer.parseInt(numeric.group(1));
      int scale = Integer.parseInt(numeric.group(2));
      return digits > MOST_DIGITS || scale < 0 || scale > digits
          ? TEXT.name
          : "Decimal(%d, %d)".formatted(digits > FEWER_DIGITS ? MOST_DIGITS : FEWER_DIGITS, scale);
    }
    if (isEnum) {
      return nullable ? TEXT.name : LABEL.name;
    }
    ReplicatedType exact =
        switch (type.replaceFirst("^(timestamp)\\(\\d\\)", "$1")) {
          case "smallint" -> INT16;
          case "integer" -> INT32;
          case "bigint" -> INT64;
          case "real", "double precision" -> FLOAT;
          case "boolean" -> BOOL;
          case "uuid" -> ID;
          case "date" -> DAY;
          case "timestamp with time zone", "timestamp without time zone" -> TIME;
          default -> TEXT;
        };
    return exact.name;
  }

  /** Whether a text is what PostgreSQL's type holds, too. */
  public static boolean isTextAtSource(String type, boolean isEnum) {
    return isEnum
        || type.equals("text")
        || type.startsWith("character")
        || type.equals("name")
        || type.equals("json")
        || type.equals("jsonb");
  }

  /** What is wrong with a value. */
  public enum Fit {
    /** ClickHouse holds it. */
    EXACT,
    /** A time beyond ClickHouse's: the nearest that it holds is delivered. */
    NEAREST,
    /** ClickHouse's column cannot hold it. */
    NONE
  }

  /** A value in the form that is written, and how well it fits. */
  public record Value(Object written, Fit fit) {
    private static Value exact(Object value) {
      return new Value(value, Fit.EXACT);
    }
  }

  private static final Value UNFIT = new Value(null, Fit.NONE);

  /**
   * Reads a value.
   *
   * @param text not null
   * @param scale digits behind the point of a decimal
   * @param digits of a decimal
   */
  public Value read(String text, int digits, int scale) {
    try {
      return switch (this) {
        case INT16 -> Value.exact(Short.parseShort(text));
        case INT32 -> Value.exact(Integer.parseInt(text));
        case INT64 -> Value.exact(Long.parseLong(text));
        case FLOAT -> Value.exact(Double.parseDouble(text));
        case DECIMAL -> decimal(text, digits, scale);
        case BOOL -> bool(text);
        case ID -> Value.exact(UUID.fromString(text));
        case DAY -> day(text);
        case TIME -> time(text);
        case LABEL, TEXT -> Value.exact(text);
      };
    } catch (IllegalArgumentException | ArithmeticException | DateTimeException e) {
      return UNFIT;
    }
  }

  private static Value decimal(String text, int digits, int scale) {
    BigInteger unscaled = new BigDecimal(text).setScale(scale).unscaledValue();
    return NativeWriter.fitsDecimal(unscaled, digits) ? Value.exact(unscaled) : UNFIT;
  }

  private static Value bool(String text) {
    return switch (text) {
      case "true", "t" -> Value.exact(true);
      case "false", "f" -> Value.exact(false);
      default -> UNFIT;
    };
  }

  private static Value day(String text) {
    long beyond = beyond(text);
    return clamped(
        beyond == 0 ? LocalDate.parse(text).toEpochDay() : beyond,
        NativeWriter.MIN_DATE_DAYS,
        NativeWriter.MAX_DATE_DAYS);
  }

  private static Value time(String text) {
    long micros = beyond(text);
    if (micros == 0) {
      Instant time =
          text.endsWith("Z")
              ? Instant.parse(text)
              : LocalDateTime.parse(text).toInstant(ZoneOffset.UTC);
      micros = time.getEpochSecond() * 1_000_000L + time.getNano() / 1_000L;
    }
    return clamped(micros, WarehouseRange.FIRST, WarehouseRange.LAST);
  }

  /** The sign of a day or a time that is infinite or not of the years 1 to 9999; 0: it is. */
  private static long beyond(String text) {
    if (text.equals("-infinity") || text.endsWith(" BC")) {
      return Long.MIN_VALUE;
    }
    return text.equals("infinity") || LARGE_YEAR.matcher(text).lookingAt() ? Long.MAX_VALUE : 0;
  }

  private static Value clamped(long value, long first, long last) {
    long nearest = Math.max(first, Math.min(last, value));
    return new Value(nearest, nearest == value ? Fit.EXACT : Fit.NEAREST);
  }

  /**
   * Writes a value.
   *
   * @param value see {@link Value}; null: zero, or an empty text
   */
  void write(Object value, int digits, NativeWriter out) {
    switch (this) {
      case INT16 -> out.writeInt16(value == null ? 0 : (Short) value);
      case INT32 -> out.writeInt32(value == null ? 0 : (Integer) value);
      case INT64 -> out.writeInt64(value == null ? 0 : (Long) value);
      case FLOAT -> out.writeFloat64(value == null ? 0 : (Double) value);
      case DECIMAL ->
          writeDecimal(value == null ? BigInteger.ZERO : (BigInteger) value, digits, out);
      case BOOL -> out.writeBool(value != null && (Boolean) value);
      case ID -> {
        UUID id = value == null ? new UUID(0, 0) : (UUID) value;
        out.writeUuid(id.getMostSignificantBits(), id.getLeastSignificantBits());
      }
      case DAY -> out.writeDate32(value == null ? 0 : ((Long) value).intValue());
      case TIME -> out.writeDateTime64(value == null ? 0 : (Long) value);
      case LABEL, TEXT -> out.writeString(value == null ? "" : (String) value);
    }
  }

  private static void writeDecimal(BigInteger unscaled, int digits, NativeWriter out) {
    if (digits > FEWER_DIGITS) {
      out.writeDecimal256(unscaled);
    } else {
      out.writeDecimal128(unscaled);
    }
  }

  /** Digits of a decimal type, and those behind its point. */
  static int[] digitsOf(String clickHouseType) {
    Matcher decimal = DECIMAL_TYPE.matcher(clickHouseType);
    return decimal.matches()
        ? new int[] {Integer.parseInt(decimal.group(1)), Integer.parseInt(decimal.group(2))}
        : new int[] {0, 0};
  }
}
