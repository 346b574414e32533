package io.experimentetl.attribution;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** The form of an {@link ExperimentChange} in keyed state. */
final class ExperimentChangeSerializer {
  private static final int CROSSOVER = 1;
  private static final int ENROLLED_ELSEWHERE = 2;
  private static final int DAYS_COUNTED = 4;

  /** Of the thread, so that a change is written without a buffer of its own. */
  private static final ThreadLocal<DataOutputSerializer> BUFFER =
      ThreadLocal.withInitial(() -> new DataOutputSerializer(512));

  private ExperimentChangeSerializer() {}

  static byte[] write(ExperimentChange change) {
    DataOutputSerializer out = BUFFER.get();
    out.clear();
    try {
      FigureSerializer.writeNumber(change.events(), out);
      FigureSerializer.writeNumber(change.firstExposure(), out);
      FigureSerializer.writeNumber(change.exposedVariants().length, out);
      for (int i = 0; i < change.exposedVariants().length; i++) {
        FigureSerializer.writeNumber(change.exposedVariants()[i], out);
        FigureSerializer.writeNumber(change.exposures()[i], out);
      }
      FigureSerializer.writeNumber(change.countedBy(), out);
      out.writeByte(
          (change.crossover() ? CROSSOVER : 0)
              | (change.enrolledElsewhere() ? ENROLLED_ELSEWHERE : 0)
              | (change.daysCounted() ? DAYS_COUNTED : 0));
      FigureSerializer.writeNumber(change.changedEvents().length, out);
      out.write(change.changedEvents());
      FigureSerializer.writeNumber(change.changedFigures().length, out);
      out.write(change.changedFigures());
    } catch (IOException impossible) {
      throw new UncheckedIOException(impossible);
    }
    return out.getCopyOfBuffer();
  }

  /** Reads what {@link #write} has written. */
  static ExperimentChange read(byte[] written) {
    DataInputDeserializer in = new DataInputDeserializer(written);
    try {
      int events = (int) FigureSerializer.number(in);
      long firstExposure = FigureSerializer.number(in);
      long[] variants = new long[(int) FigureSerializer.number(in)];
      int[] exposures = new int[variants.length];
      for (int i = 0; i < variants.length; i++) {
        variants[i] = FigureSerializer.number(in);
        exposures[i] = (int) FigureSerializer.number(in);
      }
      long countedBy = FigureSerializer.number(in);
      int flags = in.readByte();
      return new ExperimentChange(
          events,
          firstExposure,
          variants,
          exposures,
          countedBy,
          (flags & CROSSOVER) != 0,
          (flags & ENROLLED_ELSEWHERE) != 0,
          (flags & DAYS_COUNTED) != 0,
          bytes(in),
          bytes(in));
    } catch (IOException e) {
      throw new UncheckedIOException("The change of a user's facts can't be read from state", e);
    }
  }

  private static byte[] bytes(DataInputDeserializer in) throws IOException {
    byte[] bytes = new byte[(int) FigureSerializer.number(in)];
    in.readFully(bytes);
    return bytes;
  }
}
