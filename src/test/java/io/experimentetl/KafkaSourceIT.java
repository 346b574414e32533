package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.experimentetl.cdc.DebeziumConnector;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.config.SourceType;
import io.experimentetl.config.UnstreamedChanges;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.traffic.Traffic;
import io.experimentetl.local.traffic.TrafficPlan;
import io.experimentetl.model.SourceTable;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The whole job on Debezium's topics, compared with the job on the slot. */
class KafkaSourceIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension
  static final MiniClusterExtension FLINK =
      new MiniClusterExtension(
          new MiniClusterResourceConfiguration.Builder()
              .setNumberTaskManagers(1)
              .setNumberSlotsPerTaskManager(2)
              .build());

  @TempDir private Path folder;
  private KafkaJob job;
  private DebeziumConnector debezium;

  @AfterEach
  void stop() throws Exception {
    if (debezium != null) {
      debezium.close();
    }
    job.close();
  }

  private void prepare(SourceType source) throws Exception {
    job = new KafkaJob(PLATFORM, folder, source);
    if (source == SourceType.KAFKA) {
      job.createTopics(
          SourceTable.read(true).stream()
              .map(table -> job.config.kafka().sourceTopicPrefix() + table.tableName())
              .toArray(String[]::new));
    }
  }

  private void startDebezium(Path offsets) {
    if (job.config.source().type() == SourceType.KAFKA) {
      debezium =
          new DebeziumConnector(
              job.postgres,
              PLATFORM.kafka().bootstrapServers(),
              job.config.kafka().sourceTopicPrefix(),
              offsets);
    }
  }

  private void traffic(int seed) {
    try (Traffic traffic =
        Traffic.start(job.postgres, TrafficPlan.bounded(seed, 1_500, Instant.now()))) {
      traffic.await();
    }
  }

  private void assertAuditIsEqual() {
    assertThat(job.audit().differences()).isEmpty();
    assertThat(
            job.clickHouse.count(
                "SELECT count() - uniqExact(event_id, timestamp, _version) FROM events_processed"))
        .as("event rows that exist twice")
        .isZero();
    if (debezium != null) {
      assertThat(debezium.failure()).isNull();
    }
  }

  @ParameterizedTest
  @EnumSource(SourceType.class)
  void sameTrafficAgreesWithPostgresFromEitherSource(SourceType source) throws Exception {
    prepare(source);
    traffic(1);
    Path offsets = folder.resolve("offsets");
    startDebezium(offsets);
    job.start(job.kafkaSinks(), null);
    traffic(2);
    assertAuditIsEqual();
    long resolvedOrOpen = job.clickHouse.count("SELECT uniqExact(code) FROM data_inconsistencies");
    assertThat(resolvedOrOpen).isGreaterThan(12);

    if (source == SourceType.KAFKA) {
      // Debezium sends again everything since these offsets.
      Path older = Files.copy(offsets, folder.resolve("older"));
      traffic(3);
      debezium.close();
      startDebezium(older);
    }
    String savepoint = job.stopWithSavepoint();
    traffic(4);
    job.start(job.kafkaSinks(), savepoint);
    assertAuditIsEqual();
    await()
        .atMost(Duration.ofMinutes(2))
        .until(
            () -> job.count("SELECT count(*) FROM outbox_events WHERE processed_at IS NULL"),
            left -> left == 0);
  }

  @Test
  void brokenRecordBecomesAFindingWithItsPlaceAndOthersContinue() throws Exception {
    prepare(SourceType.KAFKA);
    job.config =
        ConfigBuilder.from(job.config)
            .with(SourceConfig::unstreamedChanges, UnstreamedChanges.REPORT)
            .with(SourceConfig::heartbeatInterval, Duration.ofMillis(300))
            .build();
    startDebezium(folder.resolve("offsets"));
    String topic = job.config.kafka().sourceTopicPrefix() + "users";
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(
            Map.of("bootstrap.servers", (Object) PLATFORM.kafka().bootstrapServers()),
            new ByteArraySerializer(),
            new ByteArraySerializer())) {
      byte[] broken = "{\"user_id\": \"u\"}".getBytes(StandardCharsets.UTF_8);
      producer.send(new ProducerRecord<>(topic, 1, broken, broken)).get();
    }
    job.start(job.kafkaSinks(), null);
    job.execute("INSERT INTO users (user_id) VALUES ('one'), ('two')");
    assertAuditIsEqual();
    assertThat(
            job.clickHouse.query(
                "SELECT code, subject FROM data_inconsistencies FINAL WHERE code = 'S-UNPARSEABLE' FORMAT TSV"))
        .isEqualTo("S-UNPARSEABLE\tkafka-record:" + topic + "/1@0");
    assertThat(job.clickHouse.count("SELECT count() FROM users FINAL")).isEqualTo(2);
    assertTruncateAndRetentionMarkerPassThrough();
    assertChangesThatNeverEnterTheTopicsAreNoticed();
  }

  /** The host of the source is set, so the job looks at its catalogue. */
  private void assertChangesThatNeverEnterTheTopicsAreNoticed() throws Exception {
    job.execute(
        "ALTER PUBLICATION experiment_etl DROP TABLE users",
        "INSERT INTO users (user_id) VALUES ('unpublished')",
        "ALTER PUBLICATION experiment_etl ADD TABLE users");
    await()
        .atMost(Duration.ofMinutes(2))
        .untilAsserted(
            () ->
                assertThat(
                        job.clickHouse.query(
                            "SELECT subject, detail FROM data_inconsistencies FINAL WHERE code = 'C-UNSTREAMED' AND status = 'OPEN' FORMAT TSV"))
                    .startsWith("source-table:users\tusers was taken out of the publication")
                    .contains("1 rows differ"));
  }

  /** Young rows that the clean-up deletes are of a user who is erased before the audit. */
  private void assertTruncateAndRetentionMarkerPassThrough() throws Exception {
    job.execute(
        "INSERT INTO experiments (id, key, name, status, seed) VALUES (1, 'e', 'E', 'ACTIVE', 's')",
        "INSERT INTO variants (id, experiment_id, key, name, allocation_pct) VALUES (10, 1, 'c', 'C', 50)",
        "INSERT INTO users (user_id) VALUES ('three')",
        "INSERT INTO assignments (experiment_id, user_id, variant_id) SELECT 1, user_id, 10 FROM users",
        "INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type) SELECT now() - interval '1 day', 1, user_id, 10, 'exposure' FROM users",
        "BEGIN; SELECT retention_begin(); DELETE FROM events WHERE user_id = 'three'; DELETE FROM users WHERE user_id = 'two'; COMMIT",
        "TRUNCATE events, assignments",
        "INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type) VALUES (now(), 1, 'one', 10, 'exposure')");
    await()
        .atMost(Duration.ofMinutes(1))
        .untilAsserted(
            () -> {
              assertThat(
                      job.clickHouse.query(
                          "SELECT user_id, count() FROM events_processed FINAL GROUP BY user_id ORDER BY user_id FORMAT TSV"))
                  .isEqualTo("one\t1\nthree\t1");
              // Another sink writes them: they may become visible a moment later.
              assertThat(job.clickHouse.count("SELECT count() FROM assignments_processed FINAL"))
                  .isZero();
            });
    job.execute("DELETE FROM users WHERE user_id = 'three'");
    assertAuditIsEqual();
  }

  @Test
  void jobWithoutItsTopicsIsRefusedAndEachIsNamed() throws Exception {
    job = new KafkaJob(PLATFORM, folder, SourceType.KAFKA);
    assertThatThrownBy(() -> job.start(job.kafkaSinks(), null))
        .isInstanceOf(PreflightException.class)
        .hasMessageContaining("7 problems")
        .hasMessageContaining("experiments_events is missing on Kafka")
        .hasMessageContaining("experiments_etl_heartbeat is missing on Kafka")
        .hasMessageContaining("table.include.list");
    assertThat(SourceTable.read(true)).hasSize(7);
  }
}
