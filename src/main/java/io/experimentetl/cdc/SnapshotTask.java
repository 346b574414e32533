package io.experimentetl.cdc;

import io.debezium.connector.base.ChangeEventQueue;
import io.debezium.pipeline.DataChangeEvent;
import io.experimentetl.model.SourceTable;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
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
 * <p>The chunk's watermark is where the slot stands before the chunk is read. The stream begins at
 * the lowest one of all chunks, so that it has everything that a chunk may lack: also a commit that
 * is written to the log and not yet visible. Rows of both are normal, and the later ones win.
 */
final class SnapshotTask extends AbstractScanFetchTask {
  private static final Logger LOG = LoggerFactory.getLogger(SnapshotTask.class);

  private static final int CONNECTIONS = 2;
  private static final String TOPIC = "snapshot";

  private final SnapshotSplit split;
  private final PostgresSourceSettings settings;
  private final SnapshotMemory memory;
  private final Queue<LeafRange> toRead;
  private final Set<LeafCopy> open = ConcurrentHashMap.newKeySet();
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
      int connections = Math.min(CONNECTIONS, toRead.size());
      ExecutorService threads =
          Executors.newFixedThreadPool(
              connections,
              task -> {
                Thread thread = new Thread(task, "snapshot-copy");
                thread.setDaemon(true);
                return thread;
              });
      try {
        readAll(queue, threads, connections);
      } finally {
        threads.shutdownNow();
      }
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

  private void readAll(
      ChangeEventQueue<DataChangeEvent> queue, ExecutorService threads, int connections)
      throws Exception {
    ExecutorCompletionService<Void> reading = new ExecutorCompletionService<>(threads);
    for (int i = 0; i < connections; i++) {
      reading.submit(
          () -> {
            readRanges(queue);
            return null;
          });
    }
    try {
      for (int i = 0; i < connections; i++) {
        reading.take().get();
      }
    } catch (ExecutionException e) {
      abortCopies();
      if (e.getCause() instanceof Exception exception) {
        throw exception;
      }
      throw new IllegalStateException("The snapshot could not be read.", e.getCause());
    } catch (InterruptedException e) {
      abortCopies();
      throw e;
    }
  }

  private void readRanges(ChangeEventQueue<DataChangeEvent> queue)
      throws SQLException, InterruptedException {
    try (LeafCopy copy =
        new LeafCopy(
            SourceServer.connectForSnapshot(settings),
            split.getTableId().schema(),
            SourceTable.ofTableName(split.getTableId().table()),
            memory,
            new StreamBatches(queue, 0))) {
      open.add(copy);
      for (LeafRange range = toRead.poll(); range != null && !closed; range = toRead.poll()) {
        copy.read(range);
      }
      open.remove(copy);
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

  private void abortCopies() {
    toRead.clear();
    for (LeafCopy copy : new ArrayList<>(open)) {
      try {
        copy.abort();
      } catch (SQLException e) {
        LOG.warn("A connection of the snapshot could not be ended.", e);
      }
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
