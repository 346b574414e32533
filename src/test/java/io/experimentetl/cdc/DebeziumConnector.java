package io.experimentetl.cdc;

import io.debezium.embedded.Connect;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.RecordChangeEvent;
import io.debezium.engine.format.ChangeEventFormat;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.model.SourceTable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Debezium's PostgreSQL connector with Kafka Connect's own JSON converter, in this JVM: what a
 * Connect worker with these settings writes.
 */
public final class DebeziumConnector implements AutoCloseable {
  private final String topicPrefix;
  private final KafkaProducer<byte[], byte[]> producer;
  private final JsonConverter keys = new JsonConverter();
  private final JsonConverter values = new JsonConverter();
  private final ExecutorService thread = Executors.newSingleThreadExecutor();
  private final AtomicReference<String> failure = new AtomicReference<>();
  private final DebeziumEngine<RecordChangeEvent<SourceRecord>> engine;

  /**
   * Starts the connector.
   *
   * @param offsets a file; if it does not exist, the connector begins with a snapshot
   */
  public DebeziumConnector(
      PostgresEndpoint postgres, String bootstrapServers, String topicPrefix, Path offsets) {
    this.topicPrefix = topicPrefix;
    keys.configure(Map.of("schemas.enable", false), true);
    values.configure(Map.of("schemas.enable", false), false);
    producer =
        new KafkaProducer<>(
            Map.of("bootstrap.servers", (Object) bootstrapServers, "acks", "all"),
            new ByteArraySerializer(),
            new ByteArraySerializer());
    Properties properties = new Properties();
    properties.put("name", "platform");
    properties.put("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
    properties.put("offset.storage", "org.apache.kafka.connect.storage.FileOffsetBackingStore");
    properties.put("offset.storage.file.filename", offsets.toString());
    // Only at a regular end: everything since then is sent again.
    properties.put("offset.flush.interval.ms", "2000");
    properties.put("database.hostname", postgres.host());
    properties.put("database.port", Integer.toString(postgres.port()));
    properties.put("database.dbname", postgres.database());
    properties.put("database.user", postgres.user());
    properties.put("database.password", postgres.password());
    properties.put("database.server.name", "platform");
    properties.put("plugin.name", "pgoutput");
    properties.put("slot.name", postgres.database());
    properties.put("truncate.handling.mode", "include");
    properties.put("publication.name", "experiment_etl");
    properties.put("publication.autocreate.mode", "disabled");
    properties.put(
        "table.include.list",
        Arrays.stream(SourceTable.values())
            .map(table -> "public." + table.tableName())
            .collect(Collectors.joining(",")));
    properties.put("heartbeat.interval.ms", "300");
    properties.put(
        "heartbeat.action.query",
        "INSERT INTO etl_heartbeat (writer, beat_at) VALUES ('source', clock_timestamp())"
            + " ON CONFLICT (writer) DO UPDATE SET beat_at = excluded.beat_at");
    properties.put("poll.interval.ms", "10");
    engine =
        DebeziumEngine.create(ChangeEventFormat.of(Connect.class))
            .using(properties)
            .using((success, message, error) -> failure.set(success ? null : message + " " + error))
            .notifying(this::write)
            .build();
    thread.execute(engine);
  }

  private void write(
      List<RecordChangeEvent<SourceRecord>> events,
      DebeziumEngine.RecordCommitter<RecordChangeEvent<SourceRecord>> committer)
      throws InterruptedException {
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    for (RecordChangeEvent<SourceRecord> event : events) {
      SourceRecord record = event.record();
      String table = record.topic().substring(record.topic().lastIndexOf('.') + 1);
      if (SourceTable.ofTableName(table) != null) {
        sent.add(
            producer.send(
                new ProducerRecord<>(
                    topicPrefix + table,
                    keys.fromConnectData(record.topic(), record.keySchema(), record.key()),
                    record.value() == null
                        ? null
                        : values.fromConnectData(
                            record.topic(), record.valueSchema(), record.value()))));
      }
      committer.markProcessed(event);
    }
    producer.flush();
    for (Future<RecordMetadata> each : sent) {
      try {
        each.get();
      } catch (ExecutionException e) {
        throw new IllegalStateException(e);
      }
    }
    committer.markBatchFinished();
  }

  /** The reason of the connector's failure; null: it runs or ended regularly. */
  public String failure() {
    return failure.get();
  }

  @Override
  public void close() throws IOException {
    engine.close();
    thread.shutdown();
    try {
      thread.awaitTermination(60, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    producer.close();
  }
}
