package io.debezium.connector.postgresql.connection;

import io.debezium.connector.postgresql.PostgresType;
import io.debezium.connector.postgresql.TypeRegistry;
import io.debezium.connector.postgresql.connection.ReplicationStream.ReplicationMessageProcessor;
import io.experimentetl.cdc.ReplicationMessageAdapter;
import java.nio.ByteBuffer;
import java.sql.SQLException;

/**
 * Replaces Debezium's class of this name. It passes each message of the stream through {@link
 * ReplicationMessageAdapter} before the decoder reads it. Debezium's decoder drops what the
 * protocol says about a row: whether an old row is whole or only a key, and which type a column has
 * where the catalogue no longer knows that type.
 */
public abstract class AbstractMessageDecoder implements MessageDecoder {

  private final ReplicationMessageAdapter adapter = new ReplicationMessageAdapter();

  // The registry returns this very object for a type that it does not know.
  @Override
  @SuppressWarnings("ReferenceEquality")
  public void processMessage(
      ByteBuffer message, ReplicationMessageProcessor processor, TypeRegistry types)
      throws SQLException, InterruptedException {
    if (message == null) {
      processor.process(null);
    } else {
      processNotEmptyMessage(
          adapter.adapt(message, oid -> types.get(oid) != PostgresType.UNKNOWN), processor, types);
    }
  }

  protected abstract void processNotEmptyMessage(
      ByteBuffer message, ReplicationMessageProcessor processor, TypeRegistry types)
      throws SQLException, InterruptedException;

  @Override
  public boolean shouldMessageBeSkipped(
      ByteBuffer message, Lsn received, Lsn start, WalPositionLocator walPosition) {
    return walPosition.skipMessage(received);
  }

  @Override
  public void close() {}
}
