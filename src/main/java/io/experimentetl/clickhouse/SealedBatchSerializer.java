package io.experimentetl.clickhouse;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** Serializes batches for the network and for checkpoints. Version 1. */
final class SealedBatchSerializer implements SimpleVersionedSerializer<SealedBatch> {

  private static final int VERSION = 1;

  @Override
  public int getVersion() {
    return VERSION;
  }

  @Override
  public byte[] serialize(SealedBatch batch) throws IOException {
    DataOutputSerializer out = new DataOutputSerializer(2048 + batch.body().length);
    out.writeUTF(batch.table());
    out.writeUTF(batch.id());
    out.writeByte(batch.kind() == SealedBatch.Kind.PROGRESS ? 1 : 0);
    out.writeLong(batch.partition());
    out.writeInt(batch.rows());
    out.writeLong(batch.rawBytes());
    out.writeLong(batch.sealedAt());
    out.writeLong(batch.sealedAfter());
    out.writeShort(batch.columns().size());
    for (TableSchema.Column column : batch.columns()) {
      out.writeUTF(column.name());
      out.writeUTF(column.type());
    }
    out.writeUTF(batch.file());
    out.writeInt(batch.body().length);
    out.write(batch.body());
    return out.getCopyOfBuffer();
  }

  @Override
  public SealedBatch deserialize(int version, byte[] serialized) throws IOException {
    if (version != VERSION) {
      throw new IOException(
          "A batch in the checkpoint has format version "
              + version
              + ", but this job reads version "
              + VERSION
              + ": start the release that wrote the checkpoint, stop it with a savepoint, then"
              + " upgrade.");
    }
    DataInputDeserializer in = new DataInputDeserializer(serialized);
    String table = in.readUTF();
    String id = in.readUTF();
    SealedBatch.Kind kind = in.readByte() == 1 ? SealedBatch.Kind.PROGRESS : SealedBatch.Kind.ROWS;
    long partition = in.readLong();
    int rows = in.readInt();
    long rawBytes = in.readLong();
    long sealedAt = in.readLong();
    long sealedAfter = in.readLong();
    int columnCount = in.readUnsignedShort();
    List<TableSchema.Column> columns = new ArrayList<>(columnCount);
    for (int i = 0; i < columnCount; i++) {
      columns.add(new TableSchema.Column(in.readUTF(), in.readUTF()));
    }
    String file = in.readUTF();
    byte[] body = new byte[in.readInt()];
    in.readFully(body);
    return new SealedBatch(
        table,
        id,
        kind,
        partition,
        rows,
        rawBytes,
        sealedAt,
        sealedAfter,
        List.copyOf(columns),
        body,
        file);
  }
}
