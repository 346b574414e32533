package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.debezium.connector.base.ChangeEventQueue;
import io.debezium.pipeline.DataChangeEvent;
import io.experimentetl.model.Change;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.flink.cdc.connectors.base.source.meta.split.SnapshotSplit;
import org.apache.flink.cdc.connectors.base.source.meta.split.SourceSplitBase;
import org.apache.flink.cdc.connectors.base.source.meta.wartermark.WatermarkEvent;
import org.apache.flink.cdc.connectors.base.source.reader.external.FetchTask;
import org.apache.flink.types.Either;
import org.apache.kafka.connect.source.SourceRecord;

/** A task of the source on a thread of its own, as the connector's reader runs it. */
final class RunningTask implements AutoCloseable {
  private final ChangeEventQueue<DataChangeEvent> queue = TaskContext.emptyQueue();
  private final FetchTask<SourceSplitBase> task;
  private final ExecutorService thread = Executors.newSingleThreadExecutor();
  private final Future<?> running;

  /** What the task has given so far, as far as it was polled. */
  final List<SourceRecord> records = new ArrayList<>();

  RunningTask(FetchTask<SourceSplitBase> task) {
    this.task = task;
    FetchTask.Context context =
        (FetchTask.Context)
            Proxy.newProxyInstance(
                RunningTask.class.getClassLoader(),
                new Class<?>[] {FetchTask.Context.class},
                (proxy, method, arguments) -> {
                  assertThat(method.getName()).isEqualTo("getQueue");
                  return queue;
                });
    running =
        thread.submit(
            () -> {
              task.execute(context);
              return null;
            });
  }

  /** Reads a chunk of the snapshot. */
  @SuppressWarnings("unchecked")
  static List<Change> chunk(
      SnapshotSplit split, PostgresSourceSettings settings, SnapshotMemory memory) {
    try (RunningTask task = new RunningTask(new SnapshotTask(split, settings, memory))) {
      return task.awaitEndOfChunk();
    }
  }

  /** Takes all from a task that reads a chunk, and returns all its changes. */
  List<Change> awaitEndOfChunk() {
    await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ZERO)
        .until(
            () -> {
              take();
              return records.stream().anyMatch(WatermarkEvent::isEndWatermarkEvent);
            });
    return changes();
  }

  /** Takes from the task what it has ready, and returns all changes up to here. */
  List<Change> poll() throws Exception {
    take();
    return changes();
  }

  private void take() throws Exception {
    if (running.isDone()) {
      running.get();
    }
    for (DataChangeEvent event : queue.poll()) {
      records.add(event.getRecord());
    }
  }

  List<Change> changes() {
    return records.stream()
        .filter(record -> record.value() instanceof StreamBatch)
        .flatMap(record -> ((StreamBatch) record.value()).elements().stream())
        .filter(Either::isRight)
        .map(Either::right)
        .toList();
  }

  /** Whether the task waits until something is taken from it. */
  boolean isQueueFull() {
    return queue.remainingCapacity() == 0;
  }

  boolean isDone() {
    return running.isDone();
  }

  /** Why the task ended, as far as it has. */
  Throwable failure() throws InterruptedException {
    try {
      running.get();
      return null;
    } catch (ExecutionException e) {
      return e.getCause();
    }
  }

  @Override
  public void close() {
    task.close();
    thread.shutdownNow();
  }
}
