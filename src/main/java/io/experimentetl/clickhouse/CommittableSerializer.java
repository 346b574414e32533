package io.experimentetl.clickhouse;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** Serializes batches and markers for the network and for checkpoints. Version 1. */
final class CommittableSerializer implements SimpleVersionedSerializer<Committable> {

  private static final int VERSION = 1;
  private static final int BATCH = 0;
  private static final int MARKER = 1;

  @Override
  public int getVersion() {
    return VERSION;
  }

  @Override
  public byte[] serialize(Committable committable) throws IOException {
    if (committable instanceof SealedBatch batch) {
      DataOutputSerializer out = new DataOutputSerializer(2048 + batch.body().length);
      out.writeByte(BATCH);
      write(batch, out);
      return out.getCopyOfBuffer();
    }
    DataOutputSerializer out = new DataOutputSerializer(128);
    out.writeByte(MARKER);
    write((SealedMarker) committable, out);
    return out.getCopyOfBuffer();
  }

  private static void write(SealedBatch batch, DataOutputSerializer out) throws IOException {
    out.writeUTF(batch.table());
    out.writeUTF(batch.id());
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
  }

  private static void write(SealedMarker sealed, DataOutputSerializer out) throws IOException {
    out.writeUTF(sealed.table());
    out.writeInt(sealed.subtask());
    out.writeInt(sealed.parallelism());
    out.writeLong(sealed.marker().sequenceNumber());
    out.writeLong(sealed.marker().lsn());
    out.writeLong(sealed.marker().committedAt());
    out.writeBoolean(sealed.marker().snapshotDone());
    out.writeBoolean(sealed.marker().replayStable());
    out.writeLong(sealed.sealedAt());
  }

  @Override
  public Committable deserialize(int version, byte[] serialized) throws IOException {
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
    return in.readByte() == BATCH ? readBatch(in) : readMarker(in);
  }

  private static SealedMarker readMarker(DataInputDeserializer in) throws IOException {
    return new SealedMarker(
        in.readUTF(),
        in.readInt(),
        in.readInt(),
        new ProgressMarker(
            in.readLong(), in.readLong(), in.readLong(), in.readBoolean(), in.readBoolean()),
        in.readLong());
  }

  private static SealedBatch readBatch(DataInputDeserializer in) throws IOException {
    String table = in.readUTF();
    String id = in.readUTF();
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
