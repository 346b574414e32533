package io.experimentetl.clickhouse;

import java.math.BigInteger;
import java.util.List;
import java.util.UUID;

/**
 * Writes rows as a block in ClickHouse's Native format: a buffer for each column. There is one
 * method for each column type; the caller writes the columns in their order, and then calls {@link
 * #endRow}. Not thread-safe.
 */
public final class NativeWriter {

  /** Microseconds since 1970 in UTC of 1900-01-01: the minimum of {@code DateTime64(6)}. */
  public static final long MIN_DATE_TIME_MICROS = -2_208_988_800_000_000L;

  /** Microseconds since 1970 in UTC of 2299-12-31 23:59:59.999999: the maximum. */
  public static final long MAX_DATE_TIME_MICROS = 10_413_791_999_999_999L;

  /** Days since 1970-01-01 of 1900-01-01: the minimum of {@code Date32}. */
  public static final int MIN_DATE_DAYS = -25_567;

  /** Days since 1970-01-01 of 2299-12-31: the maximum of {@code Date32}. */
  public static final int MAX_DATE_DAYS = 120_529;

  private static final BigInteger DECIMAL_128_LIMIT = BigInteger.TEN.pow(38);
  private static final BigInteger DECIMAL_256_LIMIT = BigInteger.TEN.pow(76);

  private final GrowingBytes.Held held = new GrowingBytes.Held();
  private final NativeColumn[] columns;
  private int next;
  private int rows;
  private int size;

  public NativeWriter(List<TableSchema.Column> columns) {
    this.columns =
        columns.stream().map(column -> new NativeColumn(column, held)).toArray(NativeColumn[]::new);
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

  private NativeColumn column() {
    if (next == columns.length) {
      throw new IllegalStateException("A row has more values than columns.");
    }
    return columns[next++];
  }

  private GrowingBytes value(int bytes) {
    return column().value(bytes);
  }

  /** {@code Bool}, and {@code UInt8} as 0 or 1. */
  public void writeBool(boolean value) {
    value(1).putByte(value ? 1 : 0);
  }

  public void writeInt16(short value) {
    value(2).putShort(value);
  }

  public void writeUInt16(int value) {
    if (value < 0 || value > 0xFFFF) {
      throw new UnencodableValueException(value + " is outside of UInt16 (0 to 65535)");
    }
    writeInt16((short) value);
  }

  public void writeInt32(int value) {
    value(4).putInt(value);
  }

  public void writeInt64(long value) {
    value(8).putLong(value);
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
    GrowingBytes out = value(width);
    if (unscaled.bitLength() < Long.SIZE) {
      long value = unscaled.longValue();
      out.putLong(value);
      for (int written = 8; written < width; written += 8) {
        out.putLong(value >> 63);
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
    for (int i = 0; i < width; i++) {
      int from = bigEndian.length - 1 - i;
      out.putByte(from >= 0 ? bigEndian[from] : sign);
    }
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
    value(8).putLong(checkedMicros(microsSinceEpoch));
  }

  private static long checkedMicros(long microsSinceEpoch) {
    if (!fitsDateTime64(microsSinceEpoch)) {
      throw new UnencodableValueException(
          microsSinceEpoch + " us since 1970 is outside of DateTime64(6) (1900 to 2299)");
    }
    return microsSinceEpoch;
  }

  /** {@code UUID}: two little-endian numbers, the most significant 64 bits first. */
  public void writeUuid(long high, long low) {
    GrowingBytes out = value(16);
    out.putLong(high);
    out.putLong(low);
  }

  /** {@code String} and {@code LowCardinality(String)}, in UTF-8. */
  public void writeString(String value) {
    column().text(value);
  }

  /** {@code Nullable(String)}. */
  public void writeNullableString(String valueOrNull) {
    NativeColumn column = column();
    if (!column.isNull(valueOrNull == null)) {
      column.text(valueOrNull);
    }
  }

  /**
   * Begins the value of a Nullable column of any type. Unless it is NULL, the next call writes it.
   *
   * @return whether it is NULL
   */
  public boolean writeNull(boolean isNull) {
    boolean written = column().isNull(isNull);
    if (!isNull) {
      next--;
    }
    return written;
  }

  /** {@code Nullable(UUID)}. */
  public void writeNullableUuid(UUID valueOrNull) {
    NativeColumn column = column();
    if (!column.isNull(valueOrNull == null)) {
      GrowingBytes out = column.value(16);
      out.putLong(valueOrNull.getMostSignificantBits());
      out.putLong(valueOrNull.getLeastSignificantBits());
    }
  }

  /** {@code Nullable(Int64)}. */
  public void writeNullableInt64(Long valueOrNull) {
    NativeColumn column = column();
    if (!column.isNull(valueOrNull == null)) {
      column.value(8).putLong(valueOrNull);
    }
  }

  /** {@code Nullable(DateTime64(6, 'UTC'))}. */
  public void writeNullableDateTime64(Long microsSinceEpochOrNull) {
    NativeColumn column = column();
    if (!column.isNull(microsSinceEpochOrNull == null)) {
      column.value(8).putLong(checkedMicros(microsSinceEpochOrNull));
    }
  }

  /** {@code Array(String)} and {@code Array(LowCardinality(String))}. */
  public void writeStringArray(String[] values) {
    NativeColumn column = array(values.length);
    for (String value : values) {
      column.text(value);
    }
  }

  /** {@code Array(Int64)}. */
  public void writeInt64Array(long[] values) {
    NativeColumn column = array(values.length);
    for (long value : values) {
      column.value(8).putLong(value);
    }
  }

  /** {@code Array(Int32)}. */
  public void writeInt32Array(int[] values) {
    NativeColumn column = array(values.length);
    for (int value : values) {
      column.value(4).putInt(value);
    }
  }

  /** {@code Array(Float64)}. */
  public void writeFloat64Array(double[] values) {
    NativeColumn column = array(values.length);
    for (double value : values) {
      column.value(8).putLong(Double.doubleToRawLongBits(value));
    }
  }

  private NativeColumn array(int elements) {
    NativeColumn column = column();
    column.elements(elements);
    return column;
  }

  /**
   * Ends a row.
   *
   * @throws IllegalStateException if a column has no value
   */
  public void endRow() {
    if (next != columns.length) {
      throw new IllegalStateException(
          "A row has " + next + " values for " + columns.length + " columns.");
    }
    next = 0;
    rows++;
    int written = 0;
    for (NativeColumn column : columns) {
      written += column.endRow();
    }
    size = written;
  }

  /** Removes the row that was begun and cannot be ended. */
  void removeRow() {
    next = 0;
    for (NativeColumn column : columns) {
      column.removeRow();
    }
  }

  /** Removes all rows and keeps the buffers. */
  void clear() {
    next = 0;
    rows = 0;
    size = 0;
    for (NativeColumn column : columns) {
      column.clear();
    }
  }

  /** Bytes of the ended rows, about as many as the block has. */
  int size() {
    return size;
  }

  /** Bytes of its buffers, used or not. */
  long heldBytes() {
    return held.bytes();
  }

  /** Writes the ended rows as one block. */
  void writeTo(GrowingBytes out) {
    out.putVarInt(columns.length);
    out.putVarInt(rows);
    for (NativeColumn column : columns) {
      column.writeTo(out);
    }
  }

  /** The ended rows as one block. */
  byte[] toByteArray() {
    GrowingBytes out = new GrowingBytes(size + 1);
    writeTo(out);
    return out.toByteArray();
  }
}
