package io.experimentetl.cdc;

import io.debezium.connector.base.ChangeEventQueue;
import io.debezium.connector.postgresql.PostgresConnectorConfig;
import io.debezium.connector.postgresql.PostgresEventDispatcher;
import io.debezium.connector.postgresql.PostgresObjectUtils;
import io.debezium.connector.postgresql.PostgresOffsetContext;
import io.debezium.connector.postgresql.PostgresPartition;
import io.debezium.connector.postgresql.PostgresSchema;
import io.debezium.connector.postgresql.PostgresTopicSelector;
import io.debezium.data.Envelope.Operation;
import io.debezium.heartbeat.Heartbeat;
import io.debezium.pipeline.DataChangeEvent;
import io.debezium.pipeline.spi.ChangeRecordEmitter;
import io.debezium.pipeline.spi.OffsetContext;
import io.debezium.relational.TableId;
import io.debezium.schema.TopicSelector;
import io.debezium.util.SchemaNameAdjuster;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Puts a record of a transaction's commit behind the transaction's rows. The connector reads the
 * commits and passes none of them on, unless it also adds a block to every row ({@code
 * provide.transaction.metadata}). A transaction that only inserted rows gets no such record:
 * nothing in it is judged by its end, and single-row inserts are what a platform does most.
 */
final class CommitDispatcher extends PostgresEventDispatcher<TableId> {
  /** The schema of the record. Its offset is the position behind the commit. */
  static final Schema COMMIT = SchemaBuilder.struct().name("io.experimentetl.cdc.Commit").build();

  private static final Struct NO_VALUE = new Struct(COMMIT);

  private final PostgresEventDispatcher<TableId> connectors;
  private final ChangeEventQueue<DataChangeEvent> queue;
  private final String topic;

  /** The open transaction has changed rows that were there before. */
  private boolean awaitsCommit;

  /** The LSN of the commit before the open transaction; 0: the reader has seen none. */
  private Object previousCommit;

  private CommitDispatcher(
      PostgresEventDispatcher<TableId> connectors,
      PostgresConnectorConfig config,
      TopicSelector<TableId> topics,
      PostgresSchema schema,
      ChangeEventQueue<DataChangeEvent> queue,
      SchemaNameAdjuster adjuster) {
    super(
        withoutHeartbeats(config),
        topics,
        schema,
        queue,
        config.getTableFilters().dataCollectionFilter(),
        DataChangeEvent::new,
        PostgresObjectUtils.newEventMetadataProvider(),
        adjuster);
    this.connectors = connectors;
    this.queue = queue;
    this.topic = topics.getPrimaryTopic();
  }

  // The configuration itself has no public accessor.
  @SuppressWarnings("deprecation")
  private static PostgresConnectorConfig withoutHeartbeats(PostgresConnectorConfig config) {
    return new PostgresConnectorConfig(
        config.getConfig().edit().with(Heartbeat.HEARTBEAT_INTERVAL, 0).build());
  }

  /**
   * A dispatcher for the stream.
   *
   * @param connectors the connector's own, which sends the heartbeats
   */
  static CommitDispatcher inFrontOf(
      PostgresEventDispatcher<TableId> connectors,
      PostgresConnectorConfig config,
      PostgresSchema schema,
      ChangeEventQueue<DataChangeEvent> queue,
      SchemaNameAdjuster adjuster) {
    return new CommitDispatcher(
        connectors, config, PostgresTopicSelector.create(config), schema, queue, adjuster);
  }

  @Override
  public boolean dispatchDataChangeEvent(
      PostgresPartition partition, TableId table, ChangeRecordEmitter<PostgresPartition> row)
      throws InterruptedException {
    if (!awaitsCommit && row.getOperation() != Operation.CREATE) {
      awaitsCommit = true;
      previousCommit = lastCommit(row.getOffset().getOffset());
    }
    return super.dispatchDataChangeEvent(partition, table, row);
  }

  /** The connector calls it behind every commit, and while no message arrives. */
  @Override
  public void dispatchHeartbeatEvent(PostgresPartition partition, OffsetContext offset)
      throws InterruptedException {
    if (awaitsCommit) {
      Map<String, ?> position = offset.getOffset();
      if (!lastCommit(position).equals(previousCommit)) {
        awaitsCommit = false;
        queue.enqueue(
            new DataChangeEvent(
                new SourceRecord(
                    partition.getSourcePartition(), position, topic, COMMIT, NO_VALUE)));
      }
    }
    connectors.dispatchHeartbeatEvent(partition, offset);
  }

  @Override
  public boolean heartbeatsEnabled() {
    return connectors.heartbeatsEnabled();
  }

  private static Object lastCommit(Map<String, ?> position) {
    Object commit = position.get(PostgresOffsetContext.LAST_COMMIT_LSN_KEY);
    return commit == null ? 0L : commit;
  }
}
