package io.experimentetl.cdc;

import io.debezium.connector.base.ChangeEventQueue;
import io.debezium.pipeline.DataChangeEvent;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.flink.cdc.connectors.base.source.meta.offset.Offset;
import org.apache.flink.cdc.connectors.base.source.meta.split.SnapshotSplit;
import org.apache.flink.cdc.connectors.base.source.meta.split.StreamSplit;
import org.apache.flink.cdc.connectors.base.source.meta.wartermark.WatermarkEvent;
import org.apache.flink.cdc.connectors.base.source.meta.wartermark.WatermarkKind;
import org.apache.flink.cdc.connectors.base.source.reader.external.AbstractScanFetchTask;
import org.apache.flink.cdc.connectors.postgres.source.offset.PostgresOffset;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads a chunk of the snapshot: its ranges side by side, over several connections.
 *
 * <p>Only the task's own thread fills the connector's queue. Two threads that find this queue full
 * wake each other without end, and the reader that would empty it never gets the queue's lock.
 *
 * <p>The chunk's watermark is where the slot stands before the chunk is read. The stream begins at
 * the lowest one of all chunks, so that it has everything that a chunk may lack: also a commit that
 * is written to the log and not yet visible. Rows of both are normal, and the later ones win.
 */
final class SnapshotTask extends AbstractScanFetchTask {
  private static final Logger LOG = LoggerFactory.getLogger(SnapshotTask.class);

  private static final int CONNECTIONS = 2;

  /** Batches that the connections have read and the connector's queue has not taken yet. */
  private static final int BATCHES_READ = 4;

  /** How long the end of a task waits for its connections, in seconds. */
  private static final long LONGEST_END = 20;

  private static final String TOPIC = "snapshot";

  /** What a connection gives: batches, and at its end why it ended. */
  private record Delivery(DataChangeEvent batch, Throwable failure) {
    private static final Delivery END = new Delivery(null, null);
  }

  private final SnapshotSplit split;
  private final PostgresSourceSettings settings;
  private final SnapshotMemory memory;
  private final Queue<LeafRange> toRead;
  private final Set<LeafCopy> open = ConcurrentHashMap.newKeySet();
  private final BlockingQueue<Delivery> deliveries = new ArrayBlockingQueue<>(BATCHES_READ);
  private volatile boolean closed;
  private volatile Thread reader;

  SnapshotTask(SnapshotSplit split, PostgresSourceSettings settings, SnapshotMemory memory) {
    super(split);
    this.split = split;
    this.settings = settings;
    this.memory = memory;
    this.toRead = new ConcurrentLinkedQueue<>(LeafRange.ofSplit(split));
  }

  @Override
  public void execute(Context context) throws Exception {
    taskRunning = true;
    reader = Thread.currentThread();
    ChangeEventQueue<DataChangeEvent> queue = context.getQueue();
    try {
      Offset watermark = slotPosition();
      readAll(queue);
      for (WatermarkKind kind : List.of(WatermarkKind.HIGH, WatermarkKind.END)) {
        queue.enqueue(
            new DataChangeEvent(
                WatermarkEvent.create(Map.of(), TOPIC, split.splitId(), kind, watermark)));
      }
    } catch (InterruptedException e) {
      if (!closed) {
        throw e;
      }
    } finally {
      reader = null;
      taskRunning = false;
    }
  }

  private void readAll(ChangeEventQueue<DataChangeEvent> queue) throws Exception {
    int reading = Math.min(CONNECTIONS, toRead.size());
    ExecutorService threads =
        Executors.newFixedThreadPool(
            reading,
            task -> {
              Thread thread = new Thread(task, "snapshot-copy");
              thread.setDaemon(true);
              return thread;
            });
    try {
      for (int i = 0; i < reading; i++) {
        threads.execute(this::readRangesToTheEnd);
      }
      while (reading > 0) {
        Delivery next = deliveries.take();
        if (next.batch != null) {
          queue.enqueue(next.batch);
        } else if (next.failure instanceof Exception exception) {
          throw exception;
        } else if (next.failure != null) {
          throw new IllegalStateException("The snapshot could not be read.", next.failure);
        } else {
          reading--;
        }
      }
    } finally {
      end(threads);
    }
  }

  // The task's thread judges every failure.
  private void readRangesToTheEnd() {
    Delivery end = Delivery.END;
    try {
      readRanges();
    } catch (Throwable e) {
      end = new Delivery(null, e);
    }
    try {
      deliveries.put(end);
    } catch (InterruptedException e) {
      // The task has ended, and nobody waits for this connection.
      Thread.currentThread().interrupt();
    }
  }

  private void readRanges() throws SQLException, InterruptedException {
    try (LeafCopy copy =
        new LeafCopy(
            SourceServer.connectForSnapshot(settings),
            settings.bindings(split.getTableId().schema(), split.getTableId().table()),
            memory,
            new StreamBatches(batch -> deliveries.put(new Delivery(batch, null)), 0))) {
      open.add(copy);
      for (LeafRange range = toRead.poll(); range != null; range = toRead.poll()) {
        copy.read(range);
      }
      open.remove(copy);
    }
  }

  /** Ends the connections that still read, and waits for their threads. */
  private void end(ExecutorService threads) {
    toRead.clear();
    for (LeafCopy copy : new ArrayList<>(open)) {
      try {
        copy.abort();
      } catch (SQLException e) {
        LOG.warn("A connection of the snapshot could not be ended.", e);
      }
    }
    threads.shutdownNow();
    boolean interrupted = Thread.interrupted();
    try {
      if (!threads.awaitTermination(LONGEST_END, TimeUnit.SECONDS)) {
        LOG.warn(
            "A connection of the snapshot to {} has not ended after {} s.",
            settings.place(),
            LONGEST_END);
      }
    } catch (InterruptedException e) {
      interrupted = true;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private Offset slotPosition() throws SQLException {
    try (Connection connection = SourceServer.connect(settings)) {
      ReplicationSlot slot = SourceServer.slot(connection, settings.slot());
      if (slot == null) {
        throw new SuppressRestartsException(
            new DiscontinuityException(Continuity.missingSlot(settings.slot(), settings.place())));
      }
      return PostgresOffset.of(Map.of(StreamBatches.LSN, Long.toString(slot.confirmedFlushLsn())));
    }
  }

  @Override
  protected void executeDataSnapshot(Context context) {
    throw new UnsupportedOperationException("execute does everything");
  }

  @Override
  protected void executeBackfillTask(Context context, StreamSplit backfill) {
    throw new UnsupportedOperationException("the stream begins before the snapshot");
  }

  @Override
  public void close() {
    closed = true;
    // It may wait for the queue, from which nobody takes any more.
    Thread toStop = reader;
    if (toStop != null) {
      toStop.interrupt();
    }
  }
}
