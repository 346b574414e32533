package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.config.DeliveryMode;
import io.experimentetl.faults.Hangup;
import io.experimentetl.faults.Position;
import io.experimentetl.faults.RequestFault;
import io.experimentetl.local.PlatformExtension;
import java.io.StringReader;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.postgresql.copy.CopyManager;
import org.postgresql.core.BaseConnection;

/**
 * {@code delivery.mode: low-latency}: rows that are visible before their checkpoint stay correct.
 */
class LowLatencyIT {
  private static final String ROWS_TWICE =
      "SELECT count() - uniqExact(event_id, timestamp, _version) FROM events_processed";
  private static final String COMPLETE =
      "event_type = 'page_view' AND NOT arrayExists(code -> startsWith(code, 'R-ORPHAN'), inconsistencies)";

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  @TempDir private Path folder;
  private MiniCluster flink;
  private JobOnServers job;

  @BeforeEach
  void injectFlink(@InjectMiniCluster MiniCluster flink) {
    this.flink = flink;
  }

  private void start(Duration grace) throws Exception {
    job =
        new JobOnServers(
            PLATFORM,
            flink,
            folder,
            new DeliveryConfig(DeliveryMode.LOW_LATENCY, Duration.ofMillis(50)),
            grace);
    job.execute(
        """
        INSERT INTO experiments (id, key, name, status, seed) VALUES (1, 'checkout', 'Checkout', 'ACTIVE', 's');
        INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
        VALUES (11, 1, 'control', 'Control', 50, true), (12, 1, 'treatment', 'Treatment', 50, false);
        INSERT INTO users (user_id, properties)
        SELECT 'u' || n, jsonb_build_object('country', 'DE') FROM generate_series(1, 60) n;
        INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at)
        SELECT 1, 'u' || n, 11 + n % 2, 'hash', now() - interval '5 days' FROM generate_series(1, 40) n;
        """,
        exposures(1, 20));
    // A merge would remove the repeated rows before they are counted.
    job.clickHouse.query("SYSTEM STOP MERGES events_processed");
    job.start(2);
    job.passSnapshot();
  }

  @AfterEach
  void close() throws Exception {
    job.close();
  }

  private static String exposures(int fromUser, int toUser) {
    return """
        INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type, properties)
        SELECT now() - interval '4 days', 1, 'u' || n, 11 + n %% 2, 'exposure', '{}' FROM generate_series(%d, %d) n;
        """
        .formatted(fromUser, toUser);
  }

  private static String purchases(int fromUser, int toUser) {
    return """
        INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type, properties)
        SELECT now() - interval '1 hour', 1, 'u' || n, 11 + n %% 2, 'purchase', jsonb_build_object('revenue', n)
        FROM generate_series(%d, %d) n;
        """
        .formatted(fromUser, toUser);
  }

  private static String event(int id, String user, String variant) {
    return """
        INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type)
        VALUES ('00000000-0000-0000-0000-%012d', now() - interval '1 day', 1, '%s', %s, 'page_view');
        """
        .formatted(id, user, variant);
  }

  private long events(String condition) {
    return job.clickHouse.count("SELECT count() FROM events_processed FINAL WHERE " + condition);
  }

  private void awaitEvents(long count, String condition) {
    await().atMost(Duration.ofSeconds(30)).until(() -> events(condition) == count);
  }

  private void assertAuditIsEqual() throws Exception {
    assertThat(job.audit().differences()).isEmpty();
  }

  /** A restart that repeats no row would prove nothing. */
  private void assertRowsWereRepeated() {
    assertThat(job.clickHouse.count(ROWS_TWICE)).as("repeated rows").isPositive();
  }

  @Test
  void rowsAreVisibleBeforeTheirCheckpointAndStatisticsWithIt() throws Exception {
    start(JobOnServers.GRACE);
    assertThat(job.clickHouse.count("SELECT count() FROM events_processed")).isEqualTo(20);
    assertThat(
            job.clickHouse.count(
                "SELECT countIf(endsWith(_batch_id, '-early')) FROM events_processed"))
        .as("snapshot rows written early")
        .isZero();
    long checkpoints = job.completedCheckpoints();
    String statistics = "SELECT sum(new_users) FROM experiment_daily_stats FINAL";
    long users = job.clickHouse.count(statistics);

    job.execute(
        exposures(21, 30),
        "UPDATE users SET properties = '{\"country\": \"FR\"}' WHERE user_id = 'u1'",
        "UPDATE assignments SET context = '{\"seen\": 1}' WHERE user_id = 'u2'",
        "UPDATE variants SET name = 'T' WHERE id = 12",
        "UPDATE experiments SET name = 'C' WHERE id = 1",
        "DELETE FROM events WHERE user_id = 'u3'",
        "DELETE FROM users WHERE user_id = 'u4'");

    awaitEvents(28, "event_type = 'exposure'");
    await()
        .until(
            () ->
                job.clickHouse
                    .query(
                        "SELECT (SELECT name FROM experiments FINAL), (SELECT name FROM variants FINAL WHERE id = 12),"
                            + " (SELECT properties FROM users FINAL WHERE user_id = 'u1'),"
                            + " (SELECT count() FROM users FINAL WHERE user_id = 'u4'),"
                            + " (SELECT context FROM assignments_processed FINAL WHERE user_id = 'u2'),"
                            + " (SELECT count() FROM assignments_processed FINAL WHERE user_id = 'u4')")
                    .equals("C\tT\t{\"country\": \"FR\"}\t0\t{\"seen\": 1}\t0"));
    assertThat(job.clickHouse.count(statistics)).isEqualTo(users);
    assertThat(job.completedCheckpoints()).isEqualTo(checkpoints);

    assertAuditIsEqual();
    assertThat(job.clickHouse.count(statistics))
        .as("of two metrics")
        .isEqualTo(users + 2 * (10 - 2));
  }

  /** Commits have another order than LSNs, and the rows of one COPY page share an LSN. */
  @Test
  void rowsOfInterleavedTransactionsAndOfCopyAreWrittenEarly() throws Exception {
    start(JobOnServers.GRACE);
    long checkpoints = job.completedCheckpoints();
    try (Connection slow = job.postgres.connect();
        Statement statement = slow.createStatement()) {
      slow.setAutoCommit(false);
      statement.execute(exposures(21, 30));
      job.execute(purchases(1, 20));
      awaitEvents(20, "event_type = 'purchase'");
      statement.execute("DELETE FROM events WHERE user_id = 'u1' AND event_type = 'purchase'");
      new CopyManager(slow.unwrap(BaseConnection.class))
          .copyIn(
              "COPY events (timestamp, experiment_id, user_id, variant_id, event_type) FROM STDIN",
              new StringReader(
                  IntStream.rangeClosed(1, 15)
                      .mapToObj(n -> "now\t1\tu" + n + "\t" + (11 + n % 2) + "\tpage_view\n")
                      .collect(Collectors.joining())));
      job.execute(purchases(1, 20));
      awaitEvents(40, "event_type = 'purchase'");
      slow.commit();
    }
    awaitEvents(30, "event_type = 'exposure'");
    awaitEvents(15, "event_type = 'page_view'");
    awaitEvents(39, "event_type = 'purchase'");
    assertThat(job.completedCheckpoints()).isEqualTo(checkpoints);

    job.loseTaskManager();
    assertAuditIsEqual();
    assertRowsWereRepeated();
  }

  @Test
  void rowsThatDependOnTheClockWaitForTheirCheckpoint() throws Exception {
    start(JobOnServers.GRACE);
    job.execute(event(1, "u1", "99"), event(2, "u1", "11"));
    awaitEvents(1, "event_type = 'page_view'");
    await().pollDelay(JobOnServers.GRACE.multipliedBy(3)).until(() -> true);
    assertThat(events("event_type = 'page_view'")).isEqualTo(1);

    assertAuditIsEqual();

    assertThat(
            job.clickHouse.query(
                "SELECT has(inconsistencies, 'R-ORPHAN-VARIANT'), endsWith(_batch_id, '-early') FROM events_processed FINAL"
                    + " WHERE event_type = 'page_view' ORDER BY event_id"))
        .isEqualTo("1\t0\n0\t1");
  }

  @Test
  void restartBetweenEarlyWriteAndCheckpointWritesTheSameRows() throws Exception {
    start(JobOnServers.GRACE);
    job.execute(
        exposures(21, 40),
        purchases(1, 40),
        "UPDATE events SET properties = '{\"revenue\": 3}' WHERE user_id = 'u1' AND event_type = 'purchase'",
        "DELETE FROM events WHERE user_id = 'u2' AND event_type = 'purchase'",
        "DELETE FROM users WHERE user_id = 'u3'");
    awaitEvents(38, "event_type = 'purchase'");
    job.loseTaskManager();
    job.execute(
        "UPDATE events SET properties = '{\"revenue\": 5}' WHERE user_id = 'u5' AND event_type = 'purchase'",
        "DELETE FROM events WHERE user_id = 'u6'",
        "UPDATE assignments SET variant_id = 11 WHERE user_id = 'u8'");

    assertAuditIsEqual();
    assertRowsWereRepeated();
  }

  /** Before the restart the reference arrives in time; after it the grace period is over. */
  @Test
  void eventWhoseReferenceIsLateAfterARestartEndsCorrect() throws Exception {
    Duration grace = Duration.ofSeconds(15);
    start(grace);
    job.execute(
        event(1, "u50", "11"), event(2, "u51", "11"), event(3, "u52", "77"), event(4, "u2", "11"));
    // The last event has all references: when it is visible, the others wait for the checkpoint.
    awaitEvents(1, COMPLETE);
    Instant waiting = Instant.now();
    job.checkpoint();
    job.execute(
        "INSERT INTO assignments (experiment_id, user_id, variant_id) SELECT 1, 'u' || n, 11 FROM generate_series(50, 52) n",
        "INSERT INTO variants (id, experiment_id, key, name, allocation_pct) VALUES (77, 1, 'late', 'Late', 0)");
    awaitEvents(4, COMPLETE);
    job.execute("DELETE FROM users WHERE user_id IN ('u51', 'u52')");
    awaitEvents(2, "event_type = 'page_view'");
    await().atMost(grace.multipliedBy(2)).until(() -> Instant.now().isAfter(waiting.plus(grace)));
    job.loseTaskManager();

    assertAuditIsEqual();
    assertRowsWereRepeated();
    assertThat(events(COMPLETE)).isEqualTo(2);
    assertThat(events("user_id IN ('u51', 'u52')")).as("rows of erased users").isZero();
  }

  @Test
  void faultyInsertsLoseAndChangeNoRow() throws Exception {
    start(JobOnServers.GRACE);
    List<RequestFault> faults =
        List.of(
            new RequestFault.CutRequest(Position.IN_BODY, Hangup.RESET),
            new RequestFault.CutRequest(Position.BEFORE_LAST_BYTE, Hangup.FIN),
            new RequestFault.DropAnswer(0, Hangup.RESET),
            new RequestFault.DelayRequest(Duration.ofSeconds(3)),
            new RequestFault.DeliverTwice(true),
            new RequestFault.DeliverTwice(false),
            new RequestFault.AnswerItself(503, "away"));
    int user = 21;
    for (RequestFault fault : faults) {
      job.proxy.next(2, "INSERT", fault);
      job.execute(
          exposures(user, user),
          purchases(user - 20, user - 19),
          "UPDATE users SET name = 'N' WHERE user_id = 'u" + user + "'");
      user++;
    }
    long checkpoints = job.completedCheckpoints();
    awaitEvents(14, "event_type = 'purchase'");
    await().until(() -> job.proxy.pendingFaults() == 0);
    assertThat(job.completedCheckpoints()).isEqualTo(checkpoints);

    assertAuditIsEqual();
  }

  @Test
  void killedServerHasAllRowsAfterItsRestart() throws Exception {
    start(JobOnServers.GRACE);
    job.proxy.next(2, "INSERT", new RequestFault.StallRequest(Position.IN_BODY));
    job.execute(exposures(21, 40), purchases(1, 20));
    await().until(() -> job.proxy.pendingFaults() == 0);
    PLATFORM.clickHouse().kill9();
    job.execute(purchases(21, 40));
    PLATFORM.clickHouse().start();

    awaitEvents(40, "event_type = 'purchase'");
    assertAuditIsEqual();
  }
}
