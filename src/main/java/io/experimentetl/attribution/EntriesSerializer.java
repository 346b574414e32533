package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** The form of few entries in one record of keyed state. */
final class EntriesSerializer<K> {
  /** Events by their id. */
  static final EntriesSerializer<EventId> EVENTS =
      new EntriesSerializer<>(
          (id, out) -> {
            out.writeLong(id.high());
            out.writeLong(id.low());
          },
          in -> new EventId(in.readLong(), in.readLong(), null));

  static final EntriesSerializer<FigureKey> FIGURES =
      new EntriesSerializer<>(
          (figure, out) -> {
            out.writeUTF(figure.name());
            out.writeLong(figure.variantId());
            out.writeInt(figure.day());
          },
          in -> new FigureKey(in.readUTF(), in.readLong(), in.readInt()));

  private static final int FIRST_BYTES = 128;

  private interface KeyWriter<K> {
    void write(K key, DataOutputSerializer out) throws IOException;
  }

  private interface KeyReader<K> {
    K read(DataInputDeserializer in) throws IOException;
  }

  private final KeyWriter<K> writer;
  private final KeyReader<K> reader;

  private EntriesSerializer(KeyWriter<K> writer, KeyReader<K> reader) {
    this.writer = writer;
    this.reader = reader;
  }

  byte[] write(Map<K, byte[]> entries) {
    DataOutputSerializer out = new DataOutputSerializer(FIRST_BYTES * entries.size());
    try {
      out.writeInt(entries.size());
      for (Map.Entry<K, byte[]> entry : entries.entrySet()) {
        writer.write(entry.getKey(), out);
        out.writeInt(entry.getValue().length);
        out.write(entry.getValue());
      }
    } catch (IOException impossible) {
      throw new UncheckedIOException(impossible);
    }
    return out.getCopyOfBuffer();
  }

  /** Reads what {@link #write} has written. */
  void read(byte[] record, Map<K, byte[]> entries) {
    DataInputDeserializer in = new DataInputDeserializer(record);
    try {
      for (int remaining = in.readInt(); remaining > 0; remaining--) {
        K key = reader.read(in);
        byte[] entry = new byte[in.readInt()];
        in.readFully(entry);
        entries.put(key, entry);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("The state of a user's events or figures can't be read", e);
    }
  }
}
