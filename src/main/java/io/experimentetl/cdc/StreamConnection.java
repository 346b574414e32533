package io.experimentetl.cdc;

import io.experimentetl.postgres.WatchedSocket;
import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import org.postgresql.PGConnection;
import org.postgresql.replication.LogSequenceNumber;
import org.postgresql.replication.PGReplicationStream;
import org.postgresql.util.PSQLException;
import org.postgresql.util.PSQLState;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The connection that streams the slot's changes. A server that sends nothing for long, although
 * every status asks it for an answer, is given up: the network has gone silent without closing the
 * connection.
 */
final class StreamConnection implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(StreamConnection.class);

  /** object_in_use: after a kill the server keeps the slot active until it notices. */
  private static final String SLOT_IN_USE = "55006";

  private static final Duration LONGEST_WAIT = Duration.ofMinutes(1);
  private static final long PAUSE_MILLIS = 200;

  private final Connection connection;
  private final WatchedSocket socket;
  private final PGReplicationStream stream;
  private final String place;
  private final Duration longestSilence;
  private long confirmed;

  /** Counts the beginnings and ends of polls: it is odd while one runs. */
  private final AtomicLong polls = new AtomicLong();

  /** What {@link #polls} was when the silence was last looked at. */
  private long pollsSeen;

  private StreamConnection(
      WatchedSocket.Watched watched,
      PGReplicationStream stream,
      String place,
      long confirmed,
      Duration longestSilence) {
    this.connection = watched.connection();
    this.socket = watched.socket();
    this.stream = stream;
    this.place = place;
    this.confirmed = confirmed;
    this.longestSilence = longestSilence;
  }

  /**
   * Opens the stream; waits up to a minute for another session to release the slot.
   *
   * @param startLsn the stream sends every transaction whose commit record begins at or behind it,
   *     and none before where the slot stands
   * @param confirmed where the slot stands: nothing below is confirmed, which could move it back
   * @param longestSilence a server that sends nothing for longer is given up
   * @param serverVersion the server's major version
   * @param binary whether values come in the binary forms of their types
   * @param isWanted false ends the wait
   * @throws SQLException the server does not answer, refuses the login or the slot
   */
  static StreamConnection open(
      PostgresSourceSettings settings,
      long startLsn,
      long confirmed,
      Duration longestSilence,
      int serverVersion,
      boolean binary,
      BooleanSupplier isWanted)
      throws SQLException, InterruptedException {
    long began = System.nanoTime();
    for (int attempt = 1; ; attempt++) {
      WatchedSocket.Watched watched = SourceServer.connectForReplication(settings, serverVersion);
      Connection connection = watched.connection();
      try {
        PGReplicationStream stream =
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
                .start();
        // A time-out in the middle of a message would lose what was read of it.
        connection.setNetworkTimeout(Runnable::run, 0);
        return new StreamConnection(watched, stream, settings.place(), confirmed, longestSilence);
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
   * @throws SQLException the connection is lost, or silent
   */
  ByteBuffer poll() throws SQLException {
    polls.lazySet(polls.get() + 1);
    ByteBuffer message;
    try {
      message = stream.readPending();
    } catch (SQLException e) {
      throw isSilent() ? silence(e) : e;
    } finally {
      polls.lazySet(polls.get() + 1);
    }
    // Nothing waits in the socket: since the last byte, none has come.
    if (message == null && isSilent()) {
      throw silence(null);
    }
    return message;
  }

  /**
   * Ends a {@link #poll} that waits for the rest of a message from a server that has gone silent.
   * Another thread calls it, again and again.
   *
   * @throws SQLException the connection cannot be ended
   */
  void abortIfSilent() throws SQLException {
    long now = polls.get();
    // A reader that has waited for the job finds in its next poll what came meanwhile.
    if (now % 2 == 1 && now == pollsSeen && isSilent()) {
      connection.abort(Runnable::run);
    }
    pollsSeen = now;
  }

  private boolean isSilent() {
    return socket.silentNanos() > longestSilence.toNanos();
  }

  private SQLException silence(SQLException cause) {
    return new PSQLException(
        "PostgreSQL "
            + place
            + " has sent nothing for "
            + longestSilence.toSeconds()
            + " s, although the job asked it every second. The replication connection is given up: check the network between them.",
        PSQLState.CONNECTION_FAILURE,
        cause);
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
