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
      out.writeInt(sameId.length);
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
    out.writeLong(event.variantId());
    out.writeUTF(event.eventType());
    out.writeLong(event.content());
    out.writeByte(event.mark());
    out.writeShort(event.properties().length);
    for (int i = 0; i < event.properties().length; i++) {
      out.writeUTF(event.properties()[i]);
      out.writeLong(event.values()[i]);
    }
  }

  /** Reads what {@link #write} has written. */
  static EventFact[] read(EventId id, byte[] entry) {
    DataInputDeserializer in = new DataInputDeserializer(entry);
    try {
      EventFact[] sameId = new EventFact[in.readInt()];
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
    long variantId = in.readLong();
    String eventType = in.readUTF();
    long content = in.readLong();
    byte mark = in.readByte();
    String[] properties = new String[in.readShort()];
    long[] values = new long[properties.length];
    for (int i = 0; i < properties.length; i++) {
      properties[i] = in.readUTF();
      values[i] = in.readLong();
    }
    return new EventFact(id, occurredAt, variantId, eventType, content, properties, values, mark);
  }
}
