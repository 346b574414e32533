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
        out.writeLong(counts.assignedUsers());
        out.writeLong(counts.exposedUsers());
        out.writeLong(counts.crossoverUsers());
        out.writeLong(counts.exposures());
      } else if (value instanceof MetricTotal total) {
        write(total, out);
      } else {
        out.writeLong((Long) value);
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
        return new HealthCounts(in.readLong(), in.readLong(), in.readLong(), in.readLong());
      }
      return figure.isTotal() ? readTotal(in) : (Object) in.readLong();
    } catch (IOException e) {
      throw new UncheckedIOException("The state of figure " + figure + " can't be read", e);
    }
  }

  private static void write(DailySums sums, DataOutputSerializer out) throws IOException {
    out.writeInt(Math.toIntExact(sums.exposures()));
    out.writeByte((int) sums.activeUsers());
    out.writeByte((int) sums.convertingUsers());
    out.writeInt(Math.toIntExact(sums.events()));
    writeNumber(sums.valueSum(), out);
    out.writeByte((int) sums.newUsers());
    out.writeByte((int) sums.newConverters());
    writeNumber(sums.dSum(), out);
    writeNumber(sums.dSumSq(), out);
    writeNumber(sums.dDenSum(), out);
    writeNumber(sums.dDenSumSq(), out);
    writeNumber(sums.dNumDen(), out);
    writeNumber(sums.dXSum(), out);
    writeNumber(sums.dXSumSq(), out);
    writeNumber(sums.dXY(), out);
  }

  private static DailySums readDaily(DataInputDeserializer in) throws IOException {
    return new DailySums(
        in.readInt(),
        in.readByte(),
        in.readByte(),
        in.readInt(),
        readNumber(in),
        in.readByte(),
        in.readByte(),
        readNumber(in),
        readNumber(in),
        readNumber(in),
        readNumber(in),
        readNumber(in),
        readNumber(in),
        readNumber(in),
        readNumber(in));
  }

  private static void write(MetricTotal total, DataOutputSerializer out) throws IOException {
    out.writeLong(total.events());
    writeNumber(total.values(), out);
    writeNumber(total.denominator(), out);
    writeNumber(total.covariate(), out);
    out.writeBoolean(total.converted());
    out.writeInt(total.lastDay());
  }

  private static MetricTotal readTotal(DataInputDeserializer in) throws IOException {
    return new MetricTotal(
        in.readLong(),
        readNumber(in),
        readNumber(in),
        readNumber(in),
        in.readBoolean(),
        in.readInt());
  }

  private static void writeNumber(BigInteger number, DataOutputSerializer out) throws IOException {
    if (number.signum() == 0) {
      out.writeByte(0);
    } else if (number.bitLength() < Long.SIZE) {
      // As its bytes, the most significant one first, without any that only repeat the sign.
      int size = number.bitLength() / Byte.SIZE + 1;
      long value = number.longValue();
      out.writeByte(size);
      for (int shift = (size - 1) * Byte.SIZE; shift >= 0; shift -= Byte.SIZE) {
        out.writeByte((int) (value >> shift));
      }
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
      long value = in.readByte();
      for (int read = 1; read < size; read++) {
        value = value << Byte.SIZE | in.readUnsignedByte();
      }
      return BigInteger.valueOf(value);
    }
    byte[] bytes = new byte[size];
    in.readFully(bytes);
    return new BigInteger(bytes);
  }
}
