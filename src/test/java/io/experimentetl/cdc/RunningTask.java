package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.debezium.connector.base.ChangeEventQueue;
import io.debezium.pipeline.DataChangeEvent;
import io.debezium.util.LoggingContext;
import io.experimentetl.model.Change;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.flink.cdc.connectors.base.source.meta.split.SourceSplitBase;
import org.apache.flink.cdc.connectors.base.source.reader.external.FetchTask;
import org.apache.flink.types.Either;
import org.apache.kafka.connect.source.SourceRecord;

/** A task of the source on a thread of its own, as the connector's reader runs it. */
final class RunningTask implements AutoCloseable {
  private static final int QUEUE_SIZE = 8;

  private final ChangeEventQueue<DataChangeEvent> queue =
      new ChangeEventQueue.Builder<DataChangeEvent>()
          .pollInterval(Duration.ofMillis(10))
          .maxBatchSize(1)
          .maxQueueSize(QUEUE_SIZE)
          .maxQueueSizeInBytes(0)
          .loggingContextSupplier(() -> LoggingContext.forConnector("test", "test", "test"))
          .build();

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

  /** Takes from the task what it has ready, and returns all changes up to here. */
  List<Change> poll() throws Exception {
    if (running.isDone()) {
      running.get();
    }
    for (DataChangeEvent event : queue.poll()) {
      records.add(event.getRecord());
    }
    return changes();
  }

  List<Change> changes() {
    return records.stream()
        .filter(record -> record.value() instanceof StreamBatch)
        .flatMap(record -> ((StreamBatch) record.value()).elements().stream())
        .filter(Either::isRight)
        .map(Either::right)
        .toList();
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
