package io.experimentetl.postgres.pgoutput;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.util.UUID;

/** Values in the forms that the send functions of PostgreSQL's types write. */
final class BinaryValue {
  private static final VarHandle SHORT =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

  /** Signs of a numeric (PostgreSQL's {@code utils/adt/numeric.c}). */
  private static final int NEGATIVE = 0x4000;

  private static final int NAN = 0xC000;
  private static final int POSITIVE_INFINITY = 0xD000;
  private static final int NEGATIVE_INFINITY = 0xF000;
  private static final int NUMERIC_HEADER = 8;

  /** A numeric's digits are of base 10,000. */
  private static final int DECIMALS_PER_DIGIT = 4;

  /** So many digits tell any two floats apart. */
  private static final int FLOAT_DIGITS = 9;

  private BinaryValue() {}

  /**
   * The value in the form that the format gives.
   *
   * @throws IllegalArgumentException the bytes are none of a value of this format
   */
  static Object read(ValueFormat format, byte[] bytes, int offset, int length) {
    return switch (format) {
      case BOOL -> bytes[sized(offset, length, 1)] != 0;
      case INTEGER -> integer(bytes, offset, length);
      case FLOAT -> floating(bytes, offset, length);
      case NUMERIC -> numeric(bytes, offset, length);
      case TEXT, JSON -> new String(bytes, offset, length, StandardCharsets.UTF_8);
      case PADDED_TEXT ->
          TextValue.withoutPadding(new String(bytes, offset, length, StandardCharsets.UTF_8));
      case JSONB -> jsonb(bytes, offset, length);
      case UUID -> {
        int from = sized(offset, length, 2 * Long.BYTES);
        yield new UUID((long) LONG.get(bytes, from), (long) LONG.get(bytes, from + Long.BYTES));
      }
      case TIMESTAMPTZ, TIMESTAMP ->
          new ValueFormat.Micros(micros((long) LONG.get(bytes, sized(offset, length, Long.BYTES))));
      case DATE -> date((int) INT.get(bytes, sized(offset, length, Integer.BYTES)));
      case TEXT_ONLY, OTHER ->
          throw new IllegalArgumentException("A value has a binary form that is not known.");
    };
  }

  /** As PostgreSQL prints it with DateStyle ISO. */
  private static String date(int since2000) {
    if (since2000 == Integer.MAX_VALUE) {
      return "infinity";
    }
    if (since2000 == Integer.MIN_VALUE) {
      return "-infinity";
    }
    LocalDate date = LocalDate.of(2000, 1, 1).plusDays(since2000);
    return "%04d-%02d-%02d%s"
        .formatted(
            date.getYear() > 0 ? date.getYear() : 1 - date.getYear(),
            date.getMonthValue(),
            date.getDayOfMonth(),
            date.getYear() > 0 ? "" : " BC");
  }

  private static int sized(int offset, int length, int expected) {
    if (length != expected) {
      throw new IllegalArgumentException(
          "A value has " + length + " bytes in the place of " + expected + ".");
    }
    return offset;
  }

  /** By its size: a type that is gone from the catalogue is read as any integer. */
  private static Long integer(byte[] bytes, int offset, int length) {
    return switch (length) {
      case Short.BYTES -> (long) (short) SHORT.get(bytes, offset);
      case Integer.BYTES -> (long) (int) INT.get(bytes, offset);
      default -> (long) LONG.get(bytes, sized(offset, length, Long.BYTES));
    };
  }

  private static Double floating(byte[] bytes, int offset, int length) {
    if (length == Float.BYTES) {
      return shortest(Float.intBitsToFloat((int) INT.get(bytes, offset)));
    }
    return Double.longBitsToDouble((long) LONG.get(bytes, sized(offset, length, Double.BYTES)));
  }

  /** The number with the fewest digits that is this float: the one that PostgreSQL prints. */
  private static double shortest(float value) {
    if (!Float.isFinite(value) || value == 0) {
      return value;
    }
    BigDecimal exact = new BigDecimal(value);
    for (int digits = 1; digits < FLOAT_DIGITS; digits++) {
      BigDecimal rounded = exact.round(new MathContext(digits));
      if (rounded.floatValue() == value) {
        return rounded.doubleValue();
      }
    }
    return exact.round(new MathContext(FLOAT_DIGITS)).doubleValue();
  }

  /**
   * Microseconds since 1970 of a time since 2000. PostgreSQL's years end in 294276, this end of 64
   * bits in 294247.
   */
  static long micros(long since2000) {
    if (since2000 == Long.MIN_VALUE) {
      return Long.MIN_VALUE;
    }
    return since2000 > Long.MAX_VALUE - PgOutputParser.EPOCH_2000
        ? Long.MAX_VALUE
        : since2000 + PgOutputParser.EPOCH_2000;
  }

  /** Without its version. A type that is gone from the catalogue may be json, which has none. */
  private static String jsonb(byte[] bytes, int offset, int length) {
    int version = length > 0 && bytes[offset] == 1 ? 1 : 0;
    return new String(bytes, offset + version, length - version, StandardCharsets.UTF_8);
  }

  /** All digits, with as many decimals as PostgreSQL prints. */
  private static String numeric(byte[] bytes, int offset, int length) {
    if (length < NUMERIC_HEADER) {
      throw new IllegalArgumentException("A value of numeric has " + length + " bytes.");
    }
    int digits = (short) SHORT.get(bytes, offset);
    int weight = (short) SHORT.get(bytes, offset + 2);
    int sign = (short) SHORT.get(bytes, offset + 4) & 0xFFFF;
    int decimals = (short) SHORT.get(bytes, offset + 6);
    switch (sign) {
      case NAN:
        return "NaN";
      case POSITIVE_INFINITY:
        return "Infinity";
      case NEGATIVE_INFINITY:
        return "-Infinity";
      default:
        break;
    }
    sized(offset, length, NUMERIC_HEADER + digits * Short.BYTES);
    StringBuilder text = new StringBuilder();
    if (sign == NEGATIVE) {
      text.append('-');
    }
    if (weight < 0) {
      text.append('0');
    }
    for (int i = 0; i <= weight; i++) {
      int digit = i < digits ? (short) SHORT.get(bytes, offset + NUMERIC_HEADER + 2 * i) : 0;
      append(text, digit, i == 0 ? 0 : DECIMALS_PER_DIGIT);
    }
    if (decimals > 0) {
      text.append('.');
      int end = text.length() + decimals;
      for (int i = weight + 1; text.length() < end; i++) {
        int digit =
            i < 0 || i >= digits ? 0 : (short) SHORT.get(bytes, offset + NUMERIC_HEADER + 2 * i);
        append(text, digit, DECIMALS_PER_DIGIT);
      }
      text.setLength(end);
    }
    return text.toString();
  }

  private static void append(StringBuilder text, int number, int width) {
    String digits = Integer.toString(number);
    for (int i = digits.length(); i < width; i++) {
      text.append('0');
    }
    text.append(digits);
  }
}
