package org.postgresql.core.v3.replication;

import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.sql.SQLException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.postgresql.copy.CopyDual;
import org.postgresql.replication.LogSequenceNumber;
import org.postgresql.replication.PGReplicationStream;
import org.postgresql.replication.ReplicationType;
import org.postgresql.util.PSQLException;
import org.postgresql.util.PSQLState;

/**
 * Replaces the driver's class of this name. It confirms only the LSNs that its caller sets. The
 * original also confirms the LSNs in the keep-alives of an idle server, which lie beyond the
 * position of every checkpoint. A slot ahead of the job's position would then no longer prove that
 * another reader moved it and that rows are missing.
 */
public class V3PGReplicationStream implements PGReplicationStream {

  private static final Instant POSTGRES_EPOCH = Instant.parse("2000-01-01T00:00:00Z");
  private static final long NANOS_PER_MILLISECOND = 1_000_000L;
  private static final int STATUS_BYTES = 1 + 8 + 8 + 8 + 8 + 1;

  private final CopyDual copy;
  private final long statusIntervalNanos;
  private final boolean physical;
  private volatile long lastStatusNanos;
  private volatile boolean closed;
  private volatile LogSequenceNumber lastReceived;
  private volatile LogSequenceNumber lastApplied = LogSequenceNumber.INVALID_LSN;
  private volatile LogSequenceNumber lastFlushed = LogSequenceNumber.INVALID_LSN;

  /**
   * @param statusIntervalMs interval of status updates to the server; 0: only on request
   */
  public V3PGReplicationStream(
      CopyDual copy, LogSequenceNumber start, long statusIntervalMs, ReplicationType type) {
    this.copy = copy;
    this.statusIntervalNanos = statusIntervalMs * NANOS_PER_MILLISECOND;
    this.physical = type == ReplicationType.PHYSICAL;
    this.lastStatusNanos = System.nanoTime() - statusIntervalNanos;
    this.lastReceived = start;
  }

  @Override
  public ByteBuffer read() throws SQLException {
    requireOpen();
    ByteBuffer payload = null;
    while (payload == null && copy.isActive()) {
      payload = next(true);
    }
    return payload;
  }

  @Override
  public ByteBuffer readPending() throws SQLException {
    requireOpen();
    return next(false);
  }

  private ByteBuffer next(boolean wait) throws SQLException {
    while (copy.isActive()) {
      byte[] message = receive(wait);
      if (statusIntervalNanos != 0 && System.nanoTime() - lastStatusNanos >= statusIntervalNanos) {
        sendStatus(false);
      }
      if (message == null) {
        return null;
      }
      ByteBuffer buffer = ByteBuffer.wrap(message);
      byte kind = buffer.get();
      if (kind == 'w') {
        return walData(buffer);
      }
      if (kind != 'k') {
        throw new PSQLException(
            "The server sent a message of the unknown kind " + kind + " during replication.",
            PSQLState.PROTOCOL_VIOLATION);
      }
      if (keepAlive(buffer) || statusIntervalNanos == 0) {
        sendStatus(false);
      }
    }
    return null;
  }

  private byte[] receive(boolean wait) throws SQLException {
    try {
      return copy.readFromCopy(wait);
    } catch (PSQLException e) {
      if (e.getCause() instanceof SocketTimeoutException) {
        return null;
      }
      throw e;
    }
  }

  private ByteBuffer walData(ByteBuffer buffer) {
    long start = buffer.getLong();
    // the server's WAL end and clock
    buffer.position(buffer.position() + 16);
    lastReceived = LogSequenceNumber.valueOf(physical ? start + buffer.remaining() : start);
    return buffer.slice();
  }

  /** Whether the server requests a reply. */
  private boolean keepAlive(ByteBuffer buffer) {
    long serverLsn = buffer.getLong();
    if (Long.compareUnsigned(serverLsn, lastReceived.asLong()) > 0) {
      lastReceived = LogSequenceNumber.valueOf(serverLsn);
    }
    // the server's clock
    buffer.getLong();
    return buffer.get() != 0;
  }

  private void sendStatus(boolean answerWanted) throws SQLException {
    ByteBuffer status = ByteBuffer.allocate(STATUS_BYTES);
    status.put((byte) 'r');
    status.putLong(lastReceived.asLong());
    status.putLong(lastFlushed.asLong());
    status.putLong(lastApplied.asLong());
    status.putLong(ChronoUnit.MICROS.between(POSTGRES_EPOCH, Instant.now()));
    status.put((byte) (answerWanted ? 1 : 0));
    copy.writeToCopy(status.array(), 0, STATUS_BYTES);
    copy.flushCopy();
    lastStatusNanos = System.nanoTime();
  }

  @Override
  public void forceUpdateStatus() throws SQLException {
    requireOpen();
    sendStatus(true);
  }

  @Override
  public LogSequenceNumber getLastReceiveLSN() {
    return lastReceived;
  }

  @Override
  public LogSequenceNumber getLastFlushedLSN() {
    return lastFlushed;
  }

  @Override
  public LogSequenceNumber getLastAppliedLSN() {
    return lastApplied;
  }

  @Override
  public void setFlushedLSN(LogSequenceNumber flushed) {
    lastFlushed = flushed;
  }

  @Override
  public void setAppliedLSN(LogSequenceNumber applied) {
    lastApplied = applied;
  }

  @Override
  public boolean isClosed() {
    return closed || !copy.isActive();
  }

  private void requireOpen() throws SQLException {
    if (isClosed()) {
      throw new PSQLException(
          "The replication stream is closed.", PSQLState.CONNECTION_DOES_NOT_EXIST);
    }
  }

  @Override
  public void close() throws SQLException {
    if (!isClosed()) {
      copy.endCopy();
      closed = true;
    }
  }
}
