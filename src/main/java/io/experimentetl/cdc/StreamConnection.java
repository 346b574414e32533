package io.experimentetl.cdc;

import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.postgresql.PGConnection;
import org.postgresql.replication.LogSequenceNumber;
import org.postgresql.replication.PGReplicationStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The connection that streams the slot's changes. */
final class StreamConnection implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(StreamConnection.class);

  /** object_in_use: after a kill the server keeps the slot active until it notices. */
  private static final String SLOT_IN_USE = "55006";

  private static final Duration LONGEST_WAIT = Duration.ofMinutes(1);
  private static final long PAUSE_MILLIS = 200;

  private final Connection connection;
  private final PGReplicationStream stream;
  private long confirmed;

  private StreamConnection(Connection connection, PGReplicationStream stream) {
    this.connection = connection;
    this.stream = stream;
  }

  /**
   * Opens the stream; waits up to a minute for another session to release the slot.
   *
   * @param startLsn the stream sends every transaction whose commit record begins at or behind it;
   *     0, and what is before it: where the slot stands
   * @param serverVersion the server's major version
   * @param binary whether values come in the binary forms of their types
   * @param isWanted false ends the wait
   * @throws SQLException the server does not answer, refuses the login or the slot
   */
  static StreamConnection open(
      PostgresSourceSettings settings,
      long startLsn,
      int serverVersion,
      boolean binary,
      BooleanSupplier isWanted)
      throws SQLException, InterruptedException {
    long began = System.nanoTime();
    for (int attempt = 1; ; attempt++) {
      Connection connection = SourceServer.connectForReplication(settings, serverVersion);
      try {
        return new StreamConnection(
            connection,
            connection
                .unwrap(PGConnection.class)
                .getReplicationAPI()
                .replicationStream()
                .logical()
                .withSlotName(settings.slot())
                .withStartPosition(LogSequenceNumber.valueOf(startLsn))
                .withSlotOption("proto_version", 1)
                .withSlotOption("publication_names", SourceServer.quoted(settings.publication()))
                .withSlotOption("binary", binary)
                .start());
      } catch (SQLException e) {
        connection.close();
        if (!SLOT_IN_USE.equals(e.getSQLState())
            || System.nanoTime() - began > LONGEST_WAIT.toNanos()
            || !isWanted.getAsBoolean()) {
          throw e;
        }
        if (attempt == 1) {
          LOG.info("The slot {} is in use: waiting for another session.", settings.slot());
        }
        TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
      }
    }
  }

  /**
   * The next message; null: none has arrived.
   *
   * @throws SQLException the connection is lost
   */
  ByteBuffer poll() throws SQLException {
    return stream.readPending();
  }

  /**
   * Where the last message lies in the WAL; if the server had none since, up to where it has read.
   */
  long lsn() {
    return stream.getLastReceiveLSN().asLong();
  }

  /**
   * Confirms that the server need not send again what committed up to here. The next status tells
   * it so. Rows of transactions that overlap do not lie in the log's order: a lower LSN changes
   * nothing.
   */
  void confirm(long lsn) {
    if (lsn > confirmed) {
      confirmed = lsn;
      stream.setAppliedLSN(LogSequenceNumber.valueOf(lsn));
      stream.setFlushedLSN(LogSequenceNumber.valueOf(lsn));
    }
  }

  /**
   * Tells the server that the reader lives, and what is confirmed; it answers with its position.
   *
   * @throws SQLException the connection is lost
   */
  void sendStatus() throws SQLException {
    stream.forceUpdateStatus();
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
