package io.experimentetl.cdc;

import io.debezium.connector.base.ChangeEventQueue;
import io.debezium.pipeline.DataChangeEvent;
import io.debezium.util.LoggingContext;
import java.time.Duration;
import org.apache.flink.cdc.connectors.base.config.JdbcSourceConfig;
import org.apache.flink.cdc.connectors.base.source.meta.split.SourceSplitBase;
import org.apache.flink.cdc.connectors.postgres.source.PostgresDialect;
import org.apache.flink.cdc.connectors.postgres.source.fetch.PostgresSourceFetchTaskContext;
import org.apache.kafka.connect.source.SourceRecord;

/** What the connector gives a task. Ours connect by themselves and need only the queue. */
final class TaskContext extends PostgresSourceFetchTaskContext {
  /** Of batches: what waits is bounded by their size. */
  private static final int QUEUE_SIZE = 8;

  /** A batch ends the wait. The queue spins in its last millisecond. */
  private static final Duration LONGEST_POLL = Duration.ofMillis(100);

  private ChangeEventQueue<DataChangeEvent> queue;

  TaskContext(JdbcSourceConfig config, PostgresDialect dialect) {
    super(config, dialect);
  }

  @Override
  public void configure(SourceSplitBase split) {
    queue = emptyQueue();
  }

  static ChangeEventQueue<DataChangeEvent> emptyQueue() {
    return new ChangeEventQueue.Builder<DataChangeEvent>()
        .pollInterval(LONGEST_POLL)
        // A batch goes on at once.
        .maxBatchSize(1)
        .maxQueueSize(QUEUE_SIZE)
        .maxQueueSizeInBytes(0)
        .loggingContextSupplier(
            () -> LoggingContext.forConnector("PostgreSQL", "experiment-etl", "reader"))
        .build();
  }

  @Override
  public ChangeEventQueue<DataChangeEvent> getQueue() {
    return queue;
  }

  /** A batch of the stream has no schema, and is none of the connector's rows. */
  @Override
  public boolean isDataChangeRecord(SourceRecord record) {
    return record.valueSchema() != null && super.isDataChangeRecord(record);
  }
}
