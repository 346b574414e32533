package io.experimentetl.outbox;

import io.experimentetl.clickhouse.WriterSink;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.SupportsWriterState;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.jdbc.JdbcExecutionOptions;
import org.apache.flink.connector.jdbc.core.datastream.sink.JdbcSink;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessage;
import org.apache.flink.streaming.api.connector.sink2.CommittableWithLineage;
import org.apache.flink.streaming.api.connector.sink2.SupportsPostCommitTopology;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Flink's Kafka sink, extended by the ids of the outbox rows in each Kafka transaction. After the
 * transaction's commit, Flink's JDBC sink acknowledges these rows in PostgreSQL. A committed and
 * not yet acknowledged transaction is part of the committer's checkpoint. After a failure it is
 * committed and acknowledged again, and both have no effect the second time.
 *
 * @param <S> state of Kafka's writer
 * @param <C> a transaction of Kafka's writer
 */
public final class OutboxSink<S, C>
    implements WriterSink<OutboxMessage>,
        SupportsWriterState<OutboxMessage, S>,
        SupportsCommitter<RelayedRows<C>>,
        SupportsPostCommitTopology<RelayedRows<C>> {
  private static final long serialVersionUID = 1L;

  private static final Logger LOG = LoggerFactory.getLogger(OutboxSink.class);

  /** Name and uid of the operator after the committer, and of the sink after that. */
  private static final String COMMITTED = "outbox-committed";

  private static final String ACKNOWLEDGED = "outbox-acknowledged";

  private final Sink<OutboxMessage> kafka;
  private final SupportsWriterState<OutboxMessage, S> state;
  private final SupportsCommitter<C> committing;
  private final OutboxDatabase database;

  private <
          K extends
              Sink<OutboxMessage> & SupportsWriterState<OutboxMessage, S> & SupportsCommitter<C>>
      OutboxSink(K kafka, OutboxDatabase database) {
    this.kafka = kafka;
    this.state = kafka;
    this.committing = kafka;
    this.database = database;
  }

  /**
   * The sink. It connects when the job starts.
   *
   * @param producer bootstrap.servers, the timeout of transactions, and the login
   * @param transactionalIdPrefix unique to this deployment
   * @param topicPrefix a row goes to the topic named by this prefix and its aggregate type
   */
  public static Sink<OutboxMessage> to(
      Properties producer,
      String transactionalIdPrefix,
      String topicPrefix,
      OutboxDatabase database) {
    return of(
        KafkaSink.<OutboxMessage>builder()
            .setBootstrapServers(producer.getProperty("bootstrap.servers"))
            .setKafkaProducerConfig(producer)
            .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
            .setTransactionalIdPrefix(transactionalIdPrefix)
            .setRecordSerializer(new Records(topicPrefix))
            .build(),
        database);
  }

  private static <
          S,
          C,
          K extends
              Sink<OutboxMessage> & SupportsWriterState<OutboxMessage, S> & SupportsCommitter<C>>
      OutboxSink<S, C> of(K kafka, OutboxDatabase database) {
    return new OutboxSink<S, C>(kafka, database);
  }

  private record Records(String topicPrefix)
      implements KafkaRecordSerializationSchema<OutboxMessage> {
    @Override
    public ProducerRecord<byte[], byte[]> serialize(
        OutboxMessage message, KafkaSinkContext context, Long timestamp) {
      return new ProducerRecord<>(
          topicPrefix + message.aggregateType(),
          message.aggregateId().getBytes(StandardCharsets.UTF_8),
          message.json());
    }
  }

  @Override
  public SinkWriter<OutboxMessage> createWriter(WriterInitContext context) throws IOException {
    return new Writer(kafka.createWriter(context));
  }

  @Override
  public StatefulSinkWriter<OutboxMessage, S> restoreWriter(
      WriterInitContext context, Collection<S> recovered) throws IOException {
    return new Writer(state.restoreWriter(context, recovered));
  }

  @Override
  public SimpleVersionedSerializer<S> getWriterStateSerializer() {
    return state.getWriterStateSerializer();
  }

  @Override
  public Committer<RelayedRows<C>> createCommitter(CommitterInitContext context)
      throws IOException {
    return new RelayCommitter<>(committing.createCommitter(context));
  }

  @Override
  public SimpleVersionedSerializer<RelayedRows<C>> getCommittableSerializer() {
    return new RelayedRows.Serializer<>(committing.getCommittableSerializer());
  }

  @Override
  public void addPostCommitTopology(DataStream<CommittableMessage<RelayedRows<C>>> committed) {
    committed
        .<long[]>flatMap(
            (message, out) -> {
              if (message instanceof CommittableWithLineage<RelayedRows<C>> transaction) {
                out.collect(transaction.getCommittable().outboxIds());
              }
            })
        .returns(PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO)
        .name(COMMITTED)
        .uid(COMMITTED)
        .sinkTo(
            JdbcSink.<long[]>builder()
                .withQueryStatement(
                    database.acknowledgement(),
                    (statement, ids) ->
                        statement.setArray(
                            1,
                            statement
                                .getConnection()
                                .createArrayOf(
                                    "bigint", Arrays.stream(ids).boxed().toArray(Long[]::new))))
                .withExecutionOptions(
                    // The array is a batch already, and must not wait for another.
                    JdbcExecutionOptions.builder().withBatchSize(1).withBatchIntervalMs(0).build())
                .buildAtLeastOnce(database))
        .name(ACKNOWLEDGED)
        .uid(ACKNOWLEDGED);
  }

  /** Kafka's writer, and the ids of the rows written since the last transaction. */
  private final class Writer
      implements StatefulSinkWriter<OutboxMessage, S>,
          CommittingSinkWriter<OutboxMessage, RelayedRows<C>> {
    private final SinkWriter<OutboxMessage> written;
    private final StatefulSinkWriter<OutboxMessage, S> stateful;
    private final CommittingSinkWriter<OutboxMessage, C> committed;
    private long[] ids = new long[64];
    private int count;

    // The writer of a sink with state and a committer has both.
    @SuppressWarnings("unchecked")
    private Writer(SinkWriter<OutboxMessage> writer) {
      written = writer;
      stateful = (StatefulSinkWriter<OutboxMessage, S>) writer;
      committed = (CommittingSinkWriter<OutboxMessage, C>) writer;
    }

    @Override
    public void write(OutboxMessage message, Context context)
        throws IOException, InterruptedException {
      written.write(message, context);
      if (count == ids.length) {
        ids = Arrays.copyOf(ids, 2 * count);
      }
      ids[count++] = message.outboxId();
    }

    @Override
    public void flush(boolean endOfInput) throws IOException, InterruptedException {
      written.flush(endOfInput);
    }

    @Override
    public Collection<RelayedRows<C>> prepareCommit() throws IOException, InterruptedException {
      List<RelayedRows<C>> transactions = new ArrayList<>(1);
      for (C transaction : committed.prepareCommit()) {
        transactions.add(new RelayedRows<>(transaction, Arrays.copyOf(ids, count)));
      }
      if (transactions.size() != (count == 0 ? 0 : 1)) {
        throw new IllegalStateException(
            count
                + " outbox rows are in "
                + transactions.size()
                + " Kafka transactions, expected one. The version of the Kafka connector may have changed.");
      }
      count = 0;
      return transactions;
    }

    @Override
    public List<S> snapshotState(long checkpointId) throws IOException {
      return stateful.snapshotState(checkpointId);
    }

    @Override
    public void close() throws Exception {
      written.close();
    }
  }

  private record RelayCommitter<C>(Committer<C> kafka) implements Committer<RelayedRows<C>> {
    @Override
    public void commit(Collection<CommitRequest<RelayedRows<C>>> requests)
        throws IOException, InterruptedException {
      List<CommitRequest<C>> inner = new ArrayList<>(requests.size());
      for (CommitRequest<RelayedRows<C>> request : requests) {
        inner.add(new TransactionRequest<>(request));
      }
      kafka.commit(inner);
    }

    @Override
    public void close() throws Exception {
      kafka.close();
    }
  }

  /** Passes on the outcome that Kafka's committer signals for a transaction. */
  private record TransactionRequest<C>(Committer.CommitRequest<RelayedRows<C>> rows)
      implements Committer.CommitRequest<C> {
    @Override
    public C getCommittable() {
      return rows.getCommittable().transaction();
    }

    @Override
    public int getNumberOfRetries() {
      return rows.getNumberOfRetries();
    }

    @Override
    public void signalFailedWithKnownReason(Throwable reason) {
      LOG.error(
          "Kafka lost a transaction with {} outbox rows ({}). Their processed_at stays NULL, and O-STUCK reports them."
              + " Set kafka.transaction-timeout above the job's longest outage, and relay the rows again by UPDATE"
              + " outbox_events SET processed_at = NULL.",
          rows.getCommittable().outboxIds().length,
          rows.getCommittable().transaction(),
          reason);
      rows.signalFailedWithKnownReason(reason);
    }

    @Override
    public void signalFailedWithUnknownReason(Throwable reason) {
      rows.signalFailedWithUnknownReason(reason);
    }

    @Override
    public void retryLater() {
      rows.retryLater();
    }

    @Override
    public void updateAndRetryLater(C transaction) {
      rows.updateAndRetryLater(new RelayedRows<>(transaction, rows.getCommittable().outboxIds()));
    }

    @Override
    public void signalAlreadyCommitted() {
      rows.signalAlreadyCommitted();
    }
  }
}
