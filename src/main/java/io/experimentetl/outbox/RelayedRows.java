package io.experimentetl.outbox;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * A Kafka transaction and the outbox rows in it.
 *
 * @param transaction for Kafka's committer
 * @param outboxIds ids of the rows
 */
record RelayedRows<C>(C transaction, long[] outboxIds) {

  /** Written to checkpoints: a change of the form needs a new version. */
  static final class Serializer<C> implements SimpleVersionedSerializer<RelayedRows<C>> {
    private final SimpleVersionedSerializer<C> transactions;

    Serializer(SimpleVersionedSerializer<C> transactions) {
      this.transactions = transactions;
    }

    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(RelayedRows<C> rows) throws IOException {
      byte[] transaction = transactions.serialize(rows.transaction);
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      DataOutputStream out = new DataOutputStream(bytes);
      out.writeInt(transactions.getVersion());
      out.writeInt(transaction.length);
      out.write(transaction);
      out.writeInt(rows.outboxIds.length);
      for (long id : rows.outboxIds) {
        out.writeLong(id);
      }
      return bytes.toByteArray();
    }

    @Override
    public RelayedRows<C> deserialize(int version, byte[] serialized) throws IOException {
      if (version != 1) {
        throw new IOException(
            "The state of the outbox sink has version "
                + version
                + ", and this release reads version 1. Use the release that wrote the savepoint, or a newer one.");
      }
      DataInputStream in = new DataInputStream(new ByteArrayInputStream(serialized));
      int transactionVersion = in.readInt();
      byte[] transaction = in.readNBytes(in.readInt());
      long[] ids = new long[in.readInt()];
      for (int i = 0; i < ids.length; i++) {
        ids[i] = in.readLong();
      }
      return new RelayedRows<>(transactions.deserialize(transactionVersion, transaction), ids);
    }
  }
}
