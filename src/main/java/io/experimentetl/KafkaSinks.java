package io.experimentetl;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.model.Finding;
import io.experimentetl.outbox.OutboxDatabase;
import io.experimentetl.outbox.OutboxMessage;
import io.experimentetl.outbox.OutboxSink;
import java.util.Properties;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.types.Either;

/**
 * The sinks to Kafka. Readers of committed records see each record exactly once.
 *
 * @param outbox null: the outbox is not relayed
 * @param findings null: findings go to ClickHouse only
 */
public record KafkaSinks(
    Sink<OutboxMessage> outbox, Sink<Either<ProgressMarker, Finding>> findings) {

  /** The configured sinks. They connect when the job starts. */
  static KafkaSinks of(JobConfig config) {
    return new KafkaSinks(
        config.outbox().enabled() ? outbox(config) : null,
        config.kafka().findingsTopic() == null ? null : findings(config));
  }

  private static Sink<OutboxMessage> outbox(JobConfig config) {
    return OutboxSink.to(
        producer(config),
        transactionalIdPrefix(config) + "-outbox",
        config.outbox().topicPrefix(),
        database(config));
  }

  /** The database of the outbox. */
  static OutboxDatabase database(JobConfig config) {
    SourceConfig source = config.source();
    return new OutboxDatabase(
        source.host() + ":" + source.port() + "/" + source.database(),
        source.schema(),
        source.username(),
        source.password()::value,
        source.tls());
  }

  private static Sink<Either<ProgressMarker, Finding>> findings(JobConfig config) {
    return KafkaSink.<Either<ProgressMarker, Finding>>builder()
        .setBootstrapServers(config.kafka().bootstrapServers())
        .setKafkaProducerConfig(producer(config))
        .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
        .setTransactionalIdPrefix(transactionalIdPrefix(config) + "-findings")
        .setRecordSerializer(new FindingRecords(config.kafka().findingsTopic()))
        .build();
  }

  private static String transactionalIdPrefix(JobConfig config) {
    return config.kafka().transactionalIdPrefix() != null
        ? config.kafka().transactionalIdPrefix()
        : "experiment-etl-" + config.source().database() + "-" + config.source().slot();
  }

  private static Properties producer(JobConfig config) {
    Properties properties = client(config);
    properties.setProperty(
        "transaction.timeout.ms", Long.toString(config.kafka().transactionTimeout().toMillis()));
    return properties;
  }

  /** The properties of every client. */
  static Properties client(JobConfig config) {
    Properties properties = new Properties();
    properties.putAll(config.kafka().properties());
    properties.setProperty("bootstrap.servers", config.kafka().bootstrapServers());
    return properties;
  }
}
