package io.experimentetl.attribution;

import io.experimentetl.model.DailySums;
import io.experimentetl.model.HealthCounts;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** The form of figures in keyed state. */
final class FigureSerializer {
  /** Of the thread, so that a figure is written without a buffer of its own. */
  private static final ThreadLocal<DataOutputSerializer> BUFFER =
      ThreadLocal.withInitial(() -> new DataOutputSerializer(256));

  private FigureSerializer() {}

  /**
   * The entry of a figure.
   *
   * @param value {@link DailySums}, {@link HealthCounts}, {@link MetricTotal} or a number
   */
  static byte[] write(Object value) {
    DataOutputSerializer out = BUFFER.get();
    out.clear();
    try {
      if (value instanceof DailySums sums) {
        write(sums, out);
      } else if (value instanceof HealthCounts counts) {
        writeNumber(counts.assignedUsers(), out);
        writeNumber(counts.exposedUsers(), out);
        writeNumber(counts.crossoverUsers(), out);
        writeNumber(counts.exposures(), out);
      } else if (value instanceof MetricTotal total) {
        write(total, out);
      } else {
        writeNumber((Long) value, out);
      }
    } catch (IOException impossible) {
      throw new UncheckedIOException(impossible);
    }
    return out.getCopyOfBuffer();
  }

  /** Reads what {@link #write} has written. */
  static Object read(FigureKey figure, byte[] entry) {
    DataInputDeserializer in = new DataInputDeserializer(entry);
    try {
      if (figure.isDaily()) {
        return readDaily(in);
      }
      if (figure.isHealth()) {
        return new HealthCounts(number(in), number(in), number(in), number(in));
      }
      return figure.isTotal() ? readTotal(in) : (Object) number(in);
    } catch (IOException e) {
      throw new UncheckedIOException("The state of figure " + figure + " can't be read", e);
    }
  }

  /** A bit for each amount that is not zero, from the lowest on; then these amounts. */
  private static void write(DailySums sums, DataOutputSerializer out) throws IOException {
    out.writeShort(
        bit(sums.valueSum(), 0)
            | bit(sums.dSum(), 1)
            | bit(sums.dSumSq(), 2)
            | bit(sums.dDenSum(), 3)
            | bit(sums.dDenSumSq(), 4)
            | bit(sums.dNumDen(), 5)
            | bit(sums.dXSum(), 6)
            | bit(sums.dXSumSq(), 7)
            | bit(sums.dXY(), 8));
    writeAmount(sums.valueSum(), out);
    writeAmount(sums.dSum(), out);
    writeAmount(sums.dSumSq(), out);
    writeAmount(sums.dDenSum(), out);
    writeAmount(sums.dDenSumSq(), out);
    writeAmount(sums.dNumDen(), out);
    writeAmount(sums.dXSum(), out);
    writeAmount(sums.dXSumSq(), out);
    writeAmount(sums.dXY(), out);
    writeNumber(sums.exposures(), out);
    writeNumber(sums.activeUsers(), out);
    writeNumber(sums.convertingUsers(), out);
    writeNumber(sums.events(), out);
    writeNumber(sums.newUsers(), out);
    writeNumber(sums.newConverters(), out);
  }

  private static int bit(BigInteger amount, int index) {
    return amount.signum() == 0 ? 0 : 1 << index;
  }

  private static void writeAmount(BigInteger amount, DataOutputSerializer out) throws IOException {
    if (amount.signum() != 0) {
      writeNumber(amount, out);
    }
  }

  private static DailySums readDaily(DataInputDeserializer in) throws IOException {
    int present = in.readUnsignedShort();
    BigInteger valueSum = readAmount(present, 0, in);
    BigInteger dSum = readAmount(present, 1, in);
    BigInteger dSumSq = readAmount(present, 2, in);
    BigInteger dDenSum = readAmount(present, 3, in);
    BigInteger dDenSumSq = readAmount(present, 4, in);
    BigInteger dNumDen = readAmount(present, 5, in);
    BigInteger dXSum = readAmount(present, 6, in);
    BigInteger dXSumSq = readAmount(present, 7, in);
    BigInteger dXY = readAmount(present, 8, in);
    long exposures = number(in);
    long activeUsers = number(in);
    long convertingUsers = number(in);
    long events = number(in);
    long newUsers = number(in);
    long newConverters = number(in);
    return new DailySums(
        exposures,
        activeUsers,
        convertingUsers,
        events,
        valueSum,
        newUsers,
        newConverters,
        dSum,
        dSumSq,
        dDenSum,
        dDenSumSq,
        dNumDen,
        dXSum,
        dXSumSq,
        dXY);
  }

  private static BigInteger readAmount(int present, int index, DataInputDeserializer in)
      throws IOException {
    return (present & (1 << index)) == 0 ? BigInteger.ZERO : readNumber(in);
  }

  private static void write(MetricTotal total, DataOutputSerializer out) throws IOException {
    writeNumber(total.events(), out);
    writeNumber(total.values(), out);
    writeNumber(total.denominator(), out);
    writeNumber(total.covariate(), out);
    out.writeBoolean(total.converted());
    out.writeInt(total.lastDay());
  }

  private static MetricTotal readTotal(DataInputDeserializer in) throws IOException {
    return new MetricTotal(
        number(in), readNumber(in), readNumber(in), readNumber(in), in.readBoolean(), in.readInt());
  }

  /** The number of bytes, and the bytes without those that only repeat the sign; 0: none. */
  static void writeNumber(long number, DataOutputSerializer out) throws IOException {
    if (number == 0) {
      out.writeByte(0);
      return;
    }
    int size = (Long.SIZE - Long.numberOfLeadingZeros(number ^ (number >> 63))) / Byte.SIZE + 1;
    out.writeByte(size);
    for (int shift = (size - 1) * Byte.SIZE; shift >= 0; shift -= Byte.SIZE) {
      out.writeByte((int) (number >> shift));
    }
  }

  /** Reads a number of at most 64 bits that {@link #writeNumber} has written. */
  static long number(DataInputDeserializer in) throws IOException {
    int size = in.readUnsignedByte();
    return size == 0 ? 0 : number(size, in);
  }

  private static long number(int size, DataInputDeserializer in) throws IOException {
    long value = in.readByte();
    for (int read = 1; read < size; read++) {
      value = (value << Byte.SIZE) | in.readUnsignedByte();
    }
    return value;
  }

  private static void writeNumber(BigInteger number, DataOutputSerializer out) throws IOException {
    if (number.bitLength() < Long.SIZE) {
      writeNumber(number.longValue(), out);
    } else {
      byte[] bytes = number.toByteArray();
      out.writeByte(bytes.length);
      out.write(bytes);
    }
  }

  private static BigInteger readNumber(DataInputDeserializer in) throws IOException {
    int size = in.readUnsignedByte();
    if (size == 0) {
      return BigInteger.ZERO;
    }
    if (size <= Long.BYTES) {
      return BigInteger.valueOf(number(size, in));
    }
    byte[] bytes = new byte[size];
    in.readFully(bytes);
    return new BigInteger(bytes);
  }
}
