package io.experimentetl.cdc;

import io.experimentetl.postgres.pgoutput.TypeCatalogue;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.cdc.connectors.base.source.meta.offset.Offset;
import org.apache.flink.cdc.connectors.base.source.meta.split.SourceSplitBase;
import org.apache.flink.cdc.connectors.base.source.meta.split.StreamSplit;
import org.apache.flink.cdc.connectors.base.source.reader.external.FetchTask;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.types.Either;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the replication stream, decodes it, and hands batches to the connector's reader. After a
 * restart the server sends the last transaction again, and {@link Continuity} drops what was passed
 * on before.
 *
 * <p>Values come in the binary forms of their types. Two kinds of columns have none that can be
 * read: arrays and composites of a type without a send function, which make the server's sender
 * fail whether the column is captured or not, and captured columns of a type whose form is not
 * known. At the first row of such a table the task goes on in text.
 */
final class StreamTask implements FetchTask<SourceSplitBase> {
  private static final Logger LOG = LoggerFactory.getLogger(StreamTask.class);

  private static final long SHORTEST_PAUSE_NANOS = 200_000;
  private static final long LONGEST_PAUSE_NANOS = 10_000_000;
  private static final long STATUS_SECONDS = 1;
  private static final Duration LONGEST_SILENCE = Duration.ofMinutes(1);

  /** undefined_function: the type of a value, or of its elements, has no send function. */
  private static final String NO_SEND_FUNCTION = "42883";

  /** feature_not_supported: the type's send function refuses its values. */
  private static final String REFUSED_BY_SEND_FUNCTION = "0A000";

  private final StreamSplit split;
  private final PostgresSourceSettings settings;
  private final Duration longestSilence;
  private volatile boolean running = true;
  private volatile StreamConnection stream;
  private volatile Thread reader;
  private TypeCatalogue types;
  private StreamBatches batches;
  private StreamDecoder decoder;

  /** Where the slot stood at the start. */
  private long confirmed;

  /** Up to where the job was told, while no row came, that the stream is read. */
  private long reported;

  StreamTask(StreamSplit split, PostgresSourceSettings settings) {
    this(split, settings, LONGEST_SILENCE);
  }

  /**
   * A task that reads the stream.
   *
   * @param longestSilence a server that sends nothing for longer is given up
   */
  StreamTask(StreamSplit split, PostgresSourceSettings settings, Duration longestSilence) {
    this.split = split;
    this.settings = settings;
    this.longestSilence = longestSilence;
  }

  @Override
  public void execute(Context context) throws Exception {
    reader = Thread.currentThread();
    ScheduledThreadPoolExecutor status = DaemonTimer.named("replication-status");
    // A status waits while the reader is in the middle of a message; the watch must not wait.
    status.setCorePoolSize(2);
    List<ScheduledFuture<?>> beside = new ArrayList<>();
    try {
      int serverVersion;
      try (Connection connection = SourceServer.connect(settings)) {
        types = new TypeCatalogue(connection);
        serverVersion = connection.getMetaData().getDatabaseMajorVersion();
        ReplicationSlot slot = SourceServer.slot(connection, settings.slot());
        // The stream itself finds a missing slot, and fails with the remedy.
        confirmed = slot == null ? 0 : slot.confirmedFlushLsn();
        requireStartInSlot();
      }
      batches = new StreamBatches(context.getQueue()::enqueue, confirmed);
      decoder = new StreamDecoder(settings.mapping(), this::format, batches::add);
      // The reader may wait for the job longer than the server waits for a sign of life.
      for (Runnable each : List.<Runnable>of(this::sendStatus, this::watchSilence)) {
        beside.add(
            status.scheduleWithFixedDelay(each, STATUS_SECONDS, STATUS_SECONDS, TimeUnit.SECONDS));
      }
      if (!read(serverVersion, true)) {
        read(serverVersion, false);
      }
    } catch (InterruptedException e) {
      if (running) {
        throw e;
      }
    } catch (Error e) {
      // The connector's thread passes on exceptions only, and would end in silence.
      throw new IllegalStateException("The replication stream could not be read.", e);
    } finally {
      reader = null;
      beside.forEach(each -> each.cancel(true));
      status.shutdownNow();
      running = false;
    }
  }

  /**
   * Reads until the task is closed.
   *
   * @return false: the stream must be read in text
   */
  private boolean read(int serverVersion, boolean binary)
      throws SQLException, InterruptedException {
    decoder.startStream(binary);
    try (StreamConnection opened =
        StreamConnection.open(
            settings,
            startLsn(),
            confirmed,
            longestSilence,
            serverVersion,
            binary,
            this::isRunning)) {
      stream = opened;
      read(opened);
      return true;
    } catch (StreamDecoder.BinaryFormException e) {
      warn(e);
    } catch (SQLException e) {
      if (!binary || !isOfBinaryForm(e)) {
        throw e;
      }
      warn(e);
    } finally {
      stream = null;
    }
    return false;
  }

  /**
   * Whether the server could not send a value in binary. PostgreSQL 14 to 18 say so of arrays,
   * composites and ranges of a type without send function.
   */
  static boolean isOfBinaryForm(SQLException failure) {
    return NO_SEND_FUNCTION.equals(failure.getSQLState())
        || REFUSED_BY_SEND_FUNCTION.equals(failure.getSQLState());
  }

  private void warn(Exception reason) {
    LOG.warn(
        "The stream of the slot {} is read in text, which is slower, because a value cannot be sent or read in binary: {} Change the type of the column, or leave its table out of the publication.",
        settings.slot(),
        reason.getMessage());
  }

  /**
   * Where the stream goes on: behind the last commit that was read, or at the split's offset, and
   * not before where the slot stands. The first stream begins there: what was written to the log
   * but not yet visible when a chunk was read, such as a commit that waits for a synchronous
   * standby, is in no chunk.
   */
  private long startLsn() {
    if (decoder.lastCommit() != 0) {
      return decoder.lastCommit();
    }
    Map<String, String> position = split.getStartingOffset().getOffset();
    return isOfStream(position)
        ? Math.max(confirmed, Long.parseLong(position.get(StreamBatches.LSN)))
        : confirmed;
  }

  /** While the snapshot was read, nobody may have moved the slot. */
  private void requireStartInSlot() {
    Map<String, String> position = split.getStartingOffset().getOffset();
    if (!isOfStream(position) && confirmed > Long.parseLong(position.get(StreamBatches.LSN))) {
      throw new SuppressRestartsException(
          new DiscontinuityException(
              "The replication slot "
                  + settings.slot()
                  + " on "
                  + settings.place()
                  + " was recreated or advanced by another process while the snapshot was read. Changes of its rows are lost: "
                  + Continuity.START_ANEW));
    }
  }

  /** An offset of the snapshot says only how far the log was written when a chunk was read. */
  private static boolean isOfStream(Map<String, String> position) {
    return position.containsKey(StreamBatches.COMMIT_LSN);
  }

  /** The format of a type; null: it is gone from the catalogue. */
  private ValueFormat format(int type) {
    if (types.format(type) == null) {
      try (Connection connection = SourceServer.connect(settings)) {
        types.refresh(connection);
      } catch (SQLException e) {
        throw new UnreadTypesException(e);
      }
    }
    return types.format(type);
  }

  private void read(StreamConnection from) throws SQLException, InterruptedException {
    long pause = SHORTEST_PAUSE_NANOS;
    while (running) {
      ByteBuffer message = from.poll();
      if (message != null) {
        batches.addBytes(message.remaining());
        decoder.decode(message, from.lsn());
        pause = SHORTEST_PAUSE_NANOS;
      }
      if (!decoder.isInTransaction()) {
        reportProgress(from.lsn());
      }
      if (message == null
          || batches.isFull()
          || (!decoder.isInTransaction() && batches.isWaiting())) {
        batches.handOver(decoder.lastCommit());
      }
      if (message == null) {
        LockSupport.parkNanos(pause);
        pause = Math.min(2 * pause, LONGEST_PAUSE_NANOS);
      }
    }
  }

  /** While only other tables change, or none, the slot must not keep what was read. */
  private void reportProgress(long lsn) {
    if (lsn > reported && batches.isSilentFor(settings.heartbeatInterval())) {
      reported = lsn;
      batches.add(
          Either.Left(ReaderNotice.of(new ReaderProgress(false, decoder.lastCommit(), lsn))));
    }
  }

  private void sendStatus() {
    StreamConnection to = stream;
    try {
      if (to != null) {
        to.sendStatus();
      }
    } catch (SQLException | RuntimeException e) {
      // The thread that reads meets the lost connection too, and fails the task.
      LOG.debug("The server could not be told the stream's status.", e);
    }
  }

  private void watchSilence() {
    StreamConnection watched = stream;
    try {
      if (watched != null) {
        watched.abortIfSilent();
      }
    } catch (SQLException | RuntimeException e) {
      LOG.warn("A replication connection that has gone silent could not be ended.", e);
    }
  }

  /** Lets the server forget what committed up to the offset of a completed checkpoint. */
  void confirm(Offset offset) {
    Map<String, String> position = offset.getOffset();
    StreamConnection to = stream;
    if (to != null && isOfStream(position)) {
      to.confirm(Long.parseLong(position.get(StreamBatches.LSN)));
    }
  }

  @Override
  public boolean isRunning() {
    return running;
  }

  @Override
  public SourceSplitBase getSplit() {
    return split;
  }

  @Override
  public void close() {
    running = false;
    // It may wait for the queue, from which nobody takes any more.
    Thread toStop = reader;
    if (toStop != null) {
      toStop.interrupt();
    }
  }

  /** The catalogue could not be read; a restart may heal it. */
  private static final class UnreadTypesException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private UnreadTypesException(SQLException cause) {
      super("The types of the source's columns could not be read.", cause);
    }
  }
}
