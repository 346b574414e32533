package io.experimentetl.cdc;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.kafka.common.TopicPartition;

/**
 * All topics, read by one reader: only one reader can merge them into one order.
 *
 * @param next the offset of each partition that was not passed on yet; a partition that isn't in it
 *     is read from its beginning
 */
record TopicsSplit(Map<TopicPartition, Long> next) implements SourceSplit {
  static final String ID = "topics";

  @Override
  public String splitId() {
    return ID;
  }

  /** Checkpoints contain this form: a change of it needs a new version. */
  static final class Serializer implements SimpleVersionedSerializer<TopicsSplit> {
    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(TopicsSplit split) throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      DataOutputStream out = new DataOutputStream(bytes);
      out.writeInt(split.next.size());
      for (Map.Entry<TopicPartition, Long> entry : split.next.entrySet()) {
        out.writeUTF(entry.getKey().topic());
        out.writeInt(entry.getKey().partition());
        out.writeLong(entry.getValue());
      }
      return bytes.toByteArray();
    }

    @Override
    public TopicsSplit deserialize(int version, byte[] serialized) throws IOException {
      if (version != 1) {
        throw new IOException(
            "The offsets have version " + version + ", and this jar knows 1: take a newer jar.");
      }
      DataInputStream in = new DataInputStream(new ByteArrayInputStream(serialized));
      Map<TopicPartition, Long> next = new HashMap<>();
      for (int left = in.readInt(); left > 0; left--) {
        TopicPartition partition = new TopicPartition(in.readUTF(), in.readInt());
        next.put(partition, in.readLong());
      }
      return new TopicsSplit(next);
    }
  }
}
