package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** The form of events in keyed state: all events of one id are one entry. */
final class EventFactSerializer {
  /** Of the thread, so that an event is written without a buffer of its own. */
  private static final ThreadLocal<DataOutputSerializer> BUFFER =
      ThreadLocal.withInitial(() -> new DataOutputSerializer(256));

  private EventFactSerializer() {}

  /** The entry of all events of one id, in the order of their arrival. */
  static byte[] write(EventFact[] sameId) {
    DataOutputSerializer out = BUFFER.get();
    out.clear();
    try {
      FigureSerializer.writeNumber(sameId.length, out);
      for (EventFact event : sameId) {
        write(event, out);
      }
    } catch (IOException impossible) {
      throw new UncheckedIOException(impossible);
    }
    return out.getCopyOfBuffer();
  }

  private static void write(EventFact event, DataOutputSerializer out) throws IOException {
    out.writeLong(event.occurredAt());
    FigureSerializer.writeNumber(event.variantId(), out);
    out.writeUTF(event.eventType());
    out.writeLong(event.content());
    out.writeByte(event.mark());
    writeFact(event, out);
    for (int i = 0; i < event.properties().length; i++) {
      out.writeUTF(event.properties()[i]);
      FigureSerializer.writeNumber(event.values()[i], out);
    }
  }

  /**
   * The number of properties. It is negative, less one, in front of the name of a table of metric
   * events: other events take no more bytes.
   */
  private static void writeFact(EventFact event, DataOutputSerializer out) throws IOException {
    int properties = event.properties().length;
    if (event.fact() == null) {
      FigureSerializer.writeNumber(properties, out);
    } else {
      FigureSerializer.writeNumber(-1 - properties, out);
      out.writeUTF(event.fact());
    }
  }

  /** Reads what {@link #write} has written. */
  static EventFact[] read(EventId id, byte[] entry) {
    DataInputDeserializer in = new DataInputDeserializer(entry);
    try {
      EventFact[] sameId = new EventFact[(int) FigureSerializer.number(in)];
      for (int i = 0; i < sameId.length; i++) {
        sameId[i] = read(id, in);
      }
      return sameId;
    } catch (IOException e) {
      throw new UncheckedIOException("The state of event " + id + " can't be read", e);
    }
  }

  private static EventFact read(EventId id, DataInputDeserializer in) throws IOException {
    long occurredAt = in.readLong();
    long variantId = FigureSerializer.number(in);
    String eventType = in.readUTF();
    long content = in.readLong();
    byte mark = in.readByte();
    int number = (int) FigureSerializer.number(in);
    String fact = number < 0 ? in.readUTF() : null;
    String[] properties = new String[number < 0 ? -1 - number : number];
    long[] values = new long[properties.length];
    for (int i = 0; i < properties.length; i++) {
      properties[i] = in.readUTF();
      values[i] = FigureSerializer.number(in);
    }
    return new EventFact(
        id, occurredAt, variantId, eventType, content, properties, values, mark, fact);
  }
}
