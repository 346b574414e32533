package io.experimentetl.clickhouse;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.math.BigInteger;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.UUID;

/**
 * Writes rows in ClickHouse's RowBinary format to a growing buffer. There is one method for each
 * column type; the caller writes the columns in their order. Not thread-safe.
 */
public final class RowBinaryWriter {

  /** Microseconds since 1970 in UTC of 1900-01-01: the minimum of {@code DateTime64(6)}. */
  public static final long MIN_DATE_TIME_MICROS = -2_208_988_800_000_000L;

  /** Microseconds since 1970 in UTC of 2299-12-31 23:59:59.999999: the maximum. */
  public static final long MAX_DATE_TIME_MICROS = 10_413_791_999_999_999L;

  /** Days since 1970-01-01 of 1900-01-01: the minimum of {@code Date32}. */
  public static final int MIN_DATE_DAYS = -25_567;

  /** Days since 1970-01-01 of 2299-12-31: the maximum of {@code Date32}. */
  public static final int MAX_DATE_DAYS = 120_529;

  private static final VarHandle SHORT = view(short[].class);
  private static final VarHandle INT = view(int[].class);
  private static final VarHandle LONG = view(long[].class);
  private static final BigInteger DECIMAL_128_LIMIT = BigInteger.TEN.pow(38);
  private static final BigInteger DECIMAL_256_LIMIT = BigInteger.TEN.pow(76);
  private static final int MAX_CAPACITY = Integer.MAX_VALUE - 16;

  private byte[] bytes;
  private int size;

  public RowBinaryWriter(int initialCapacity) {
    bytes = new byte[Math.max(64, initialCapacity)];
  }

  private static VarHandle view(Class<?> array) {
    return MethodHandles.byteArrayViewVarHandle(array, ByteOrder.LITTLE_ENDIAN);
  }

  /** Whether a {@code DateTime64(6)} column can hold the instant. */
  public static boolean fitsDateTime64(long microsSinceEpoch) {
    return microsSinceEpoch >= MIN_DATE_TIME_MICROS && microsSinceEpoch <= MAX_DATE_TIME_MICROS;
  }

  /** Whether a {@code Date32} column can hold the day. */
  public static boolean fitsDate32(int daysSinceEpoch) {
    return daysSinceEpoch >= MIN_DATE_DAYS && daysSinceEpoch <= MAX_DATE_DAYS;
  }

  /** Whether a {@code Decimal(precision, …)} column can hold the unscaled value. */
  public static boolean fitsDecimal(BigInteger unscaled, int precision) {
    return unscaled.abs().compareTo(BigInteger.TEN.pow(precision)) < 0;
  }

  /** Whether a String column can hold the text: it has no half of a surrogate pair. */
  public static boolean fitsString(String value) {
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (Character.isSurrogate(c)) {
        if (!Character.isHighSurrogate(c)
            || i + 1 == value.length()
            || !Character.isLowSurrogate(value.charAt(i + 1))) {
          return false;
        }
        i++;
      }
    }
    return true;
  }

  /** {@code Bool}, and {@code UInt8} as 0 or 1. */
  public void writeBool(boolean value) {
    reserve(1);
    bytes[size++] = (byte) (value ? 1 : 0);
  }

  public void writeInt16(short value) {
    reserve(2);
    SHORT.set(bytes, size, value);
    size += 2;
  }

  public void writeUInt16(int value) {
    if (value < 0 || value > 0xFFFF) {
      throw new UnencodableValueException(value + " is outside of UInt16 (0 to 65535)");
    }
    writeInt16((short) value);
  }

  public void writeInt32(int value) {
    reserve(4);
    INT.set(bytes, size, value);
    size += 4;
  }

  public void writeInt64(long value) {
    reserve(8);
    LONG.set(bytes, size, value);
    size += 8;
  }

  /** The 64 bits are an unsigned number. */
  public void writeUInt64(long value) {
    writeInt64(value);
  }

  public void writeFloat64(double value) {
    writeInt64(Double.doubleToRawLongBits(value));
  }

  /**
   * {@code Decimal(38, s)}.
   *
   * @param unscaled the value times 10^s
   */
  public void writeDecimal128(BigInteger unscaled) {
    writeDecimal(unscaled, 16, DECIMAL_128_LIMIT, 38);
  }

  /**
   * {@code Decimal(76, s)}.
   *
   * @param unscaled the value times 10^s
   */
  public void writeDecimal256(BigInteger unscaled) {
    writeDecimal(unscaled, 32, DECIMAL_256_LIMIT, 76);
  }

  private void writeDecimal(BigInteger unscaled, int width, BigInteger limit, int digits) {
    if (unscaled.bitLength() < Long.SIZE) {
      long value = unscaled.longValue();
      writeInt64(value);
      for (int written = 8; written < width; written += 8) {
        writeInt64(value >> 63);
      }
      return;
    }
    if (unscaled.abs().compareTo(limit) >= 0) {
      throw new UnencodableValueException(
          "a number of "
              + unscaled.abs().toString().length()
              + " digits is outside of Decimal("
              + digits
              + ")");
    }
    byte[] bigEndian = unscaled.toByteArray();
    byte sign = (byte) (unscaled.signum() < 0 ? -1 : 0);
    reserve(width);
    for (int i = 0; i < width; i++) {
      int from = bigEndian.length - 1 - i;
      bytes[size + i] = from >= 0 ? bigEndian[from] : sign;
    }
    size += width;
  }

  /** {@code Date32}. */
  public void writeDate32(int daysSinceEpoch) {
    if (!fitsDate32(daysSinceEpoch)) {
      throw new UnencodableValueException(
          "day " + daysSinceEpoch + " since 1970-01-01 is outside of Date32 (1900 to 2299)");
    }
    writeInt32(daysSinceEpoch);
  }

  /** {@code DateTime64(6, 'UTC')}. */
  public void writeDateTime64(long microsSinceEpoch) {
    if (!fitsDateTime64(microsSinceEpoch)) {
      throw new UnencodableValueException(
          microsSinceEpoch + " us since 1970 is outside of DateTime64(6) (1900 to 2299)");
    }
    writeInt64(microsSinceEpoch);
  }

  /** {@code UUID}: two little-endian numbers, the most significant 64 bits first. */
  public void writeUuid(long high, long low) {
    writeInt64(high);
    writeInt64(low);
  }

  /** {@code String} and {@code LowCardinality(String)}, in UTF-8. */
  public void writeString(String value) {
    if (value == null) {
      throw new UnencodableValueException("NULL, which the column cannot hold");
    }
    int length = value.length();
    reserve(5 + 3L * length);
    if (length < 128 && writeShortAscii(value, length)) {
      return;
    }
    writeVarInt(utf8Length(value));
    byte[] out = bytes;
    int offset = size;
    for (int i = 0; i < length; i++) {
      char c = value.charAt(i);
      if (c < 0x80) {
        out[offset++] = (byte) c;
      } else if (c < 0x800) {
        out[offset++] = (byte) (0xC0 | (c >> 6));
        out[offset++] = continuation(c);
      } else if (Character.isSurrogate(c)) {
        int code = Character.toCodePoint(c, value.charAt(++i));
        out[offset++] = (byte) (0xF0 | (code >> 18));
        out[offset++] = continuation(code >> 12);
        out[offset++] = continuation(code >> 6);
        out[offset++] = continuation(code);
      } else {
        out[offset++] = (byte) (0xE0 | (c >> 12));
        out[offset++] = continuation(c >> 6);
        out[offset++] = continuation(c);
      }
    }
    size = offset;
  }

  /** {@code Nullable(String)}. */
  public void writeNullableString(String valueOrNull) {
    if (writeNull(valueOrNull == null)) {
      return;
    }
    writeString(valueOrNull);
  }

  /** {@code Nullable(UUID)}. */
  public void writeNullableUuid(UUID valueOrNull) {
    if (writeNull(valueOrNull == null)) {
      return;
    }
    writeUuid(valueOrNull.getMostSignificantBits(), valueOrNull.getLeastSignificantBits());
  }

  /** {@code Nullable(Int64)}. */
  public void writeNullableInt64(Long valueOrNull) {
    if (writeNull(valueOrNull == null)) {
      return;
    }
    writeInt64(valueOrNull);
  }

  /** {@code Nullable(DateTime64(6, 'UTC'))}. */
  public void writeNullableDateTime64(Long microsSinceEpochOrNull) {
    if (writeNull(microsSinceEpochOrNull == null)) {
      return;
    }
    writeDateTime64(microsSinceEpochOrNull);
  }

  /** {@code Array(String)} and {@code Array(LowCardinality(String))}. */
  public void writeStringArray(String[] values) {
    reserve(5);
    writeVarInt(values.length);
    for (String value : values) {
      writeString(value);
    }
  }

  /** {@code Array(Int64)}. */
  public void writeInt64Array(long[] values) {
    reserve(5);
    writeVarInt(values.length);
    for (long value : values) {
      writeInt64(value);
    }
  }

  /** {@code Array(Int32)}. */
  public void writeInt32Array(int[] values) {
    reserve(5);
    writeVarInt(values.length);
    for (int value : values) {
      writeInt32(value);
    }
  }

  /** {@code Array(Float64)}. */
  public void writeFloat64Array(double[] values) {
    reserve(5);
    writeVarInt(values.length);
    for (double value : values) {
      writeFloat64(value);
    }
  }

  private boolean writeNull(boolean isNull) {
    writeBool(isNull);
    return isNull;
  }

  private boolean writeShortAscii(String value, int length) {
    byte[] out = bytes;
    int offset = size + 1;
    for (int i = 0; i < length; i++) {
      char c = value.charAt(i);
      if (c >= 0x80) {
        return false;
      }
      out[offset + i] = (byte) c;
    }
    out[size] = (byte) length;
    size = offset + length;
    return true;
  }

  private static byte continuation(int bits) {
    return (byte) (0x80 | (bits & 0x3F));
  }

  private static int utf8Length(String value) {
    int length = value.length();
    int utf8 = length;
    for (int i = 0; i < length; i++) {
      char c = value.charAt(i);
      if (c < 0x80) {
        continue;
      }
      if (c < 0x800) {
        utf8++;
      } else if (!Character.isSurrogate(c)) {
        utf8 += 2;
      } else if (Character.isHighSurrogate(c)
          && i + 1 < length
          && Character.isLowSurrogate(value.charAt(i + 1))) {
        utf8 += 2;
        i++;
      } else {
        throw new UnencodableValueException(
            "a text with half a surrogate pair at character " + i + " is not valid UTF-8");
      }
    }
    return utf8;
  }

  private void writeVarInt(int value) {
    int rest = value;
    while (rest > 0x7F) {
      bytes[size++] = (byte) (rest | 0x80);
      rest >>>= 7;
    }
    bytes[size++] = (byte) rest;
  }

  /** Bytes that are already encoded. */
  void writeEncoded(byte[] encoded) {
    reserve(encoded.length);
    System.arraycopy(encoded, 0, bytes, size, encoded.length);
    size += encoded.length;
  }

  private void reserve(long more) {
    long needed = size + more;
    if (needed > bytes.length) {
      if (needed > MAX_CAPACITY) {
        throw new UnencodableValueException("a row is larger than 2 GiB");
      }
      bytes =
          Arrays.copyOf(bytes, (int) Math.min(MAX_CAPACITY, Math.max(needed, 2L * bytes.length)));
    }
  }

  int size() {
    return size;
  }

  int capacity() {
    return bytes.length;
  }

  /** The buffer itself, valid up to {@link #size} until the next write. */
  byte[] buffer() {
    return bytes;
  }

  /** Keeps only the first {@code length} bytes. */
  void truncate(int length) {
    size = length;
  }

  /** Returns a copy of the bytes written. */
  public byte[] toByteArray() {
    return Arrays.copyOf(bytes, size);
  }
}
