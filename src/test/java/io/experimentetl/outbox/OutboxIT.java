package io.experimentetl.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.KafkaJob;
import io.experimentetl.KafkaSinks;
import io.experimentetl.config.SourceType;
import io.experimentetl.local.KafkaTopic;
import io.experimentetl.local.PlatformExtension;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.LongStream;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** The relay from a real PostgreSQL to a real Kafka. */
class OutboxIT {
  private static final Duration LONG = Duration.ofMinutes(2);
  private static final ObjectMapper JSON = new ObjectMapper();

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

  @BeforeEach
  void createDatabases() throws Exception {
    job = new KafkaJob(PLATFORM, folder, SourceType.POSTGRES, "purchase");
    CommitBarrier.open = new CountDownLatch(0);
    CommitBarrier.waiting.set(0);
    CommitBarrier.failuresBefore.set(0);
    CommitBarrier.failuresAfter.set(0);
    job.execute(
        "INSERT INTO users (user_id) VALUES ('u')",
        "INSERT INTO experiments (id, key, name, status, seed) VALUES (1, 'e', 'E', 'ACTIVE', 's')");
  }

  @AfterEach
  void stop() throws Exception {
    CommitBarrier.open.countDown();
    job.close();
  }

  /** Rows about events in three shapes. Every tenth row is about an assignment. */
  private void write(int from, int to) throws Exception {
    job.execute(
        """
        INSERT INTO outbox_events (id, aggregate_id, aggregate_type, event_type, payload)
        SELECT n, 'u' || n %% 7,
               CASE WHEN n %% 10 = 0 THEN 'assignment' ELSE 'event' END,
               (CASE WHEN n %% 10 = 0 THEN 'ASSIGNMENT_CREATED' ELSE 'EVENT_CREATED' END)::outbox_event_type,
               CASE WHEN n %% 10 = 0 THEN jsonb_build_object('id', n)
                    WHEN n %% 3 = 0 THEN jsonb_build_object('id', 'e' || n, 'event', 'page_view', 'timestamp', now())
                    WHEN n %% 3 = 1 THEN jsonb_build_object('event_id', 'e' || n, 'Event', jsonb_build_object('type', 'page_view'))
                    ELSE jsonb_build_object('event_id', 'e' || n, 'event', jsonb_build_object('type', 'page_view')) END
        FROM generate_series(%d, %d) n
        """
            .formatted(from, to));
  }

  private List<ConsumerRecord<String, String>> relayed(String aggregateType) {
    return KafkaTopic.committed(
        PLATFORM.kafka().bootstrapServers(), job.config.outbox().topicPrefix() + aggregateType);
  }

  private List<Long> relayedIds() throws Exception {
    List<Long> ids = new ArrayList<>();
    for (String type : List.of("event", "assignment")) {
      for (ConsumerRecord<String, String> record : relayed(type)) {
        ids.add(JSON.readTree(record.value()).path("outbox_id").asLong());
      }
    }
    return ids;
  }

  private void awaitAcknowledged(long rows) {
    await()
        .atMost(LONG)
        .until(
            () -> job.count("SELECT count(*) FROM outbox_events WHERE processed_at IS NOT NULL"),
            count -> count == rows);
  }

  private KafkaSinks withBarrier() {
    KafkaSinks sinks = job.kafkaSinks();
    return new KafkaSinks(CommitBarrier.around(sinks.outbox()), sinks.findings());
  }

  private static Long[] ids(int to) {
    return LongStream.rangeClosed(1, to).boxed().toArray(Long[]::new);
  }

  @Test
  void rowIsInKafkaOnceUnderItsKeyAndAcknowledgedAlsoAcrossASavepoint() throws Exception {
    write(1, 50);
    job.start(job.kafkaSinks(), null);
    awaitAcknowledged(50);
    write(51, 100);
    awaitAcknowledged(100);

    assertThat(relayedIds()).containsExactlyInAnyOrder(ids(100));
    for (ConsumerRecord<String, String> record : relayed("event")) {
      JsonNode json = JSON.readTree(record.value());
      assertThat(record.key()).isEqualTo(json.path("aggregate_id").asText());
      assertThat(json.path("type").asText()).isEqualTo("page_view");
      assertThat(json.path("id").asText()).isEqualTo("e" + json.path("outbox_id").asLong());
    }

    String savepoint = job.stopWithSavepoint();
    write(101, 150);
    job.start(job.kafkaSinks(), savepoint);
    awaitAcknowledged(150);
    assertThat(relayedIds()).containsExactlyInAnyOrder(ids(150));
    assertThat(
            job.clickHouse.query(
                "SELECT code, subject FROM data_inconsistencies FINAL WHERE code LIKE 'O-%'"))
        .isEmpty();
  }

  @Test
  void noRowIsAcknowledgedBeforeKafkasCommit() throws Exception {
    CommitBarrier.open = new CountDownLatch(1);
    write(1, 50);
    job.start(withBarrier(), null);
    await().atMost(LONG).until(() -> CommitBarrier.waiting.get() > 0);

    assertThat(
            KafkaTopic.readable(
                PLATFORM.kafka().bootstrapServers(), job.config.outbox().topicPrefix() + "event"))
        .as("committed records")
        .isEmpty();
    assertThat(job.count("SELECT count(*) FROM outbox_events WHERE processed_at IS NOT NULL"))
        .as("acknowledged rows")
        .isZero();

    CommitBarrier.open.countDown();
    awaitAcknowledged(50);
    assertThat(relayedIds()).containsExactlyInAnyOrder(ids(50));
  }

  @Test
  void failuresBeforeAndAfterKafkasCommitNeitherLoseNorDuplicateARow() throws Exception {
    CommitBarrier.failuresBefore.set(1);
    write(1, 50);
    job.start(withBarrier(), null);
    awaitAcknowledged(50);
    CommitBarrier.failuresAfter.set(1);
    write(51, 100);
    awaitAcknowledged(100);

    assertThat(CommitBarrier.failuresBefore).hasValue(0);
    assertThat(CommitBarrier.failuresAfter).hasValue(0);
    assertThat(relayedIds()).containsExactlyInAnyOrder(ids(100));
  }

  @Test
  void killedBrokerNeitherLosesNorDuplicatesARow() throws Exception {
    write(1, 50);
    job.start(job.kafkaSinks(), null);
    awaitAcknowledged(50);
    PLATFORM.kafka().kill9();
    write(51, 100);
    PLATFORM.kafka().start();
    write(101, 120);
    awaitAcknowledged(120);
    assertThat(relayedIds()).containsExactlyInAnyOrder(ids(120));
  }

  private static String purchase(String user, int id) {
    return """
        INSERT INTO events (id, timestamp, experiment_id, user_id, event_type, properties)
        VALUES ('00000000-0000-0000-0000-0000000000%02d', '2026-01-01Z', 1, '%s', 'purchase', '{"revenue": 1}');
        """
        .formatted(id, user);
  }

  private static String row(int id, String payload) {
    return """
        INSERT INTO outbox_events (id, aggregate_id, aggregate_type, event_type, payload)
        VALUES (%d, 'u', 'event', 'EVENT_CREATED', '%s');
        """
        .formatted(id, payload);
  }

  private static String payload(int id) {
    return "{\"id\": \"00000000-0000-0000-0000-0000000000%02d\", \"event\": \"purchase\", \"user_id\": \"u\"}"
        .formatted(id);
  }

  private List<String> outboxFindings() {
    return job.clickHouse
        .query(
            "SELECT code, subject, status FROM data_inconsistencies FINAL WHERE code LIKE 'O-%' ORDER BY ALL FORMAT TSV")
        .lines()
        .toList();
  }

  /** Rows that are committed within one grace period after the stream began are not compared. */
  private void awaitComparisons() {
    // The first row may be one of the snapshot, which a busy machine ends much later.
    await()
        .atMost(LONG)
        .until(() -> job.clickHouse.query("SELECT snapshot_done FROM etl_progress").equals("true"));
    long begin = System.nanoTime();
    await().until(() -> System.nanoTime() - begin > Duration.ofSeconds(2).toNanos());
  }

  @Test
  void eventsAndOutboxRowsAreComparedAndFindingsGoToTheirTopic() throws Exception {
    job.start(job.kafkaSinks(), null);
    job.execute(purchase("u", 1) + row(1, payload(1)));
    awaitAcknowledged(1);
    awaitComparisons();

    job.execute(
        purchase("u", 2) + row(2, payload(2)),
        purchase("u", 3),
        row(4, payload(4)),
        purchase("u", 5) + row(5, payload(5).replace("\"u\"", "\"v\"")),
        row(6, "{\"what\": 1}"),
        purchase("u", 7));
    await()
        .atMost(LONG)
        .untilAsserted(
            () ->
                assertThat(outboxFindings())
                    .containsExactly(
                        "O-EVENT-WITHOUT-OUTBOX\tevent:00000000-0000-0000-0000-000000000003@1767225600000000\tOPEN",
                        "O-EVENT-WITHOUT-OUTBOX\tevent:00000000-0000-0000-0000-000000000007@1767225600000000\tOPEN",
                        "O-OUTBOX-WITHOUT-EVENT\toutbox-event:4\tOPEN",
                        "O-PAYLOAD-MISMATCH\toutbox-event:5\tOPEN",
                        "O-UNKNOWN-SHAPE\toutbox-event:6\tOPEN"));
    awaitAcknowledged(4);
    assertThat(job.count("SELECT id FROM outbox_events WHERE processed_at IS NULL")).isEqualTo(6);

    job.execute(
        row(3, payload(3)),
        purchase("u", 4),
        "UPDATE outbox_events SET payload = '" + payload(7) + "' WHERE id = 6");
    awaitAcknowledged(6);
    await()
        .atMost(LONG)
        .untilAsserted(
            () ->
                assertThat(outboxFindings())
                    .filteredOn(finding -> finding.endsWith("OPEN"))
                    .containsExactly("O-PAYLOAD-MISMATCH\toutbox-event:5\tOPEN"));
    assertThat(relayedIds()).containsExactlyInAnyOrder(ids(6));

    await()
        .atMost(LONG)
        .untilAsserted(
            () -> {
              List<String> reports = findingsInTopic();
              assertThat(reports)
                  .filteredOn(report -> report.startsWith("O-"))
                  .as("four that were resolved, and one that is open")
                  .hasSize(9)
                  .doesNotHaveDuplicates();
              assertThat(reports).as("findings in Kafka").containsAll(inTable());
            });
  }

  @Test
  void rowThatCannotBeAcknowledgedIsStuckUntilItIsAcknowledged() throws Exception {
    job.stuckAfter(Duration.ofSeconds(1));
    job.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER refuse BEFORE UPDATE ON outbox_events FOR EACH ROW EXECUTE FUNCTION refuse()",
        row(1, "{\"id\": \"e1\", \"event\": \"login\"}"));
    job.start(job.kafkaSinks(), null);
    await()
        .atMost(LONG)
        .untilAsserted(
            () -> assertThat(outboxFindings()).containsExactly("O-STUCK\toutbox-event:1\tOPEN"));
    job.execute(
        "DROP TRIGGER refuse ON outbox_events",
        "UPDATE outbox_events SET processed_at = now() WHERE id = 1");
    await()
        .atMost(LONG)
        .untilAsserted(
            () ->
                assertThat(outboxFindings()).containsExactly("O-STUCK\toutbox-event:1\tRESOLVED"));
  }

  /** The current version of each finding; earlier versions may be merged away. */
  private List<String> inTable() {
    return job.clickHouse
        .query(
            "SELECT code, subject, status, _version FROM data_inconsistencies FINAL ORDER BY ALL FORMAT TSV")
        .lines()
        .toList();
  }

  private List<String> findingsInTopic() throws Exception {
    List<String> findings = new ArrayList<>();
    for (ConsumerRecord<String, String> record :
        KafkaTopic.committed(
            PLATFORM.kafka().bootstrapServers(), job.config.kafka().findingsTopic())) {
      JsonNode json = JSON.readTree(record.value());
      assertThat(record.key()).isEqualTo(json.path("subject").asText());
      findings.add(
          String.join(
              "\t",
              json.path("code").asText(),
              json.path("subject").asText(),
              json.path("status").asText(),
              json.path("_version").asText()));
    }
    findings.sort(null);
    return findings;
  }
}
