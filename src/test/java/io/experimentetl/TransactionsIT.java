package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.config.DeliveryMode;
import io.experimentetl.local.PlatformExtension;
import java.nio.file.Path;
import java.time.Duration;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/**
 * Deletes are judged at the end of their transaction, in a job with low-latency delivery that
 * restarts. The cases share the job; each has an experiment and users of its own.
 */
class TransactionsIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  @TempDir private Path folder;
  private JobOnServers job;

  @BeforeEach
  void start(@InjectMiniCluster MiniCluster flink) throws Exception {
    job =
        new JobOnServers(
            PLATFORM,
            flink,
            folder,
            new DeliveryConfig(DeliveryMode.LOW_LATENCY, Duration.ofMillis(50)),
            JobOnServers.GRACE);
    job.start(2);
    job.passSnapshot();
  }

  @AfterEach
  void close() throws Exception {
    job.close();
  }

  /** An experiment with variants id * 10 and id * 10 + 1, and exposed users u&lt;id&gt;-1 … -n. */
  private static String experiment(int id, int users) {
    return """
        INSERT INTO experiments (id, key, name, status, seed, starts_at)
        VALUES (%1$d, 'e%1$d', 'E', 'ACTIVE', 's', now() - interval '200 days');
        INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
        VALUES (%1$d * 10, %1$d, 'c', 'C', 50, true), (%1$d * 10 + 1, %1$d, 't', 'T', 50, false);
        INSERT INTO users (user_id) SELECT 'u%1$d-' || n FROM generate_series(1, %2$d) n;
        INSERT INTO assignments (id, experiment_id, user_id, variant_id, assigned_at)
        SELECT %1$d * 1000 + n, %1$d, 'u%1$d-' || n, %1$d * 10 + n %% 2, now() - interval '20 days' FROM generate_series(1, %2$d) n;
        INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type)
        SELECT now() - interval '19 days', %1$d, 'u%1$d-' || n, %1$d * 10 + n %% 2, 'exposure' FROM generate_series(1, %2$d) n;
        """
        .formatted(id, users);
  }

  private static String event(String id, String age, int experiment, String user, String type) {
    return "INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties) VALUES ('00000000-0000-4000-8000-00000000%s', now() - interval '%s', %d, '%s', %d, '%s', '{\"revenue\": 5}');"
        .formatted(id, age, experiment, user, experiment * 10 + 1, type);
  }

  private void oneTransaction(String... statements) throws Exception {
    job.execute("BEGIN;" + String.join("", statements) + "COMMIT");
  }

  private String events(String user) {
    return job.clickHouse.query(
        "SELECT event_type, count() FROM events_processed FINAL WHERE user_id = '%s' GROUP BY 1 ORDER BY 1"
            .formatted(user));
  }

  private String assignments(String user) {
    return job.clickHouse.query(
        "SELECT id FROM assignments_processed FINAL WHERE user_id = '%s' ORDER BY id"
            .formatted(user));
  }

  private long openFindings(String code, int experiment) {
    return job.clickHouse.count(
        "SELECT count() FROM findings_open WHERE code = '%s' AND experiment_id = %d"
            .formatted(code, experiment));
  }

  @Test
  void deletesAreJudgedByTheRowsOfTheirTransaction() throws Exception {
    job.execute(
        experiment(8101, 8),
        experiment(8102, 4),
        event("a201", "100 days", 8102, "u8102-1", "page_view"),
        event("a202", "100 days", 8102, "u8102-2", "page_view"),
        event("a205", "100 days", 8102, "u8102-3", "page_view"),
        experiment(8103, 3),
        event("a301", "3 days", 8103, "u8103-1", "click"),
        event("a302", "2 days", 8103, "u8103-1", "purchase"),
        experiment(8104, 300));
    job.checkpoint();
    job.execute("DELETE FROM events WHERE timestamp < now() - interval '95 days'");
    replaceAUserAndCorrectTheNewFacts();
    replaceAndEraseUsersOfWhomRetentionRemovedFacts();
    exchangeKeys();
    replaceOrEraseManyUsers();
    job.loseTaskManager();

    assertThat(job.audit().differences()).isEmpty();
    assertReplacedUserHasWhatTheTransactionLeft();
    assertRetainedFactsSurviveAReplacementAndNoErasure();
    assertRowsThatExchangedKeysAllStay();
    assertManyUsersAreJudgedOneByOne();
  }

  private void replaceAUserAndCorrectTheNewFacts() throws Exception {
    oneTransaction(
        "DELETE FROM users WHERE user_id = 'u8101-6';",
        "INSERT INTO users (user_id, name) VALUES ('u8101-6', 'again');",
        "INSERT INTO assignments (id, experiment_id, user_id, variant_id, assigned_at) VALUES (8101901, 8101, 'u8101-6', 81010, now() - interval '10 days');",
        "DELETE FROM assignments WHERE id = 8101901;",
        "INSERT INTO assignments (id, experiment_id, user_id, variant_id, assigned_at) VALUES (8101902, 8101, 'u8101-6', 81011, now() - interval '5 days');",
        event("a101", "2 hours", 8101, "u8101-6", "exposure"),
        "UPDATE events SET timestamp = timestamp + interval '1 minute' WHERE id = '00000000-0000-4000-8000-00000000a101';",
        event("a102", "1 hour", 8101, "u8101-6", "purchase"),
        "DELETE FROM events WHERE id = '00000000-0000-4000-8000-00000000a102';");
  }

  private void assertReplacedUserHasWhatTheTransactionLeft() {
    assertThat(assignments("u8101-6")).isEqualTo("8101902");
    assertThat(events("u8101-6")).isEqualTo("exposure\t1");
    assertThat(openFindings("A-CROSSOVER", 8101)).isZero();
    assertThat(job.clickHouse.query("SELECT name FROM users FINAL WHERE user_id = 'u8101-6'"))
        .isEqualTo("again");
  }

  private void replaceAndEraseUsersOfWhomRetentionRemovedFacts() throws Exception {
    // The facts first, then the users: the order in a transaction does not matter.
    oneTransaction(
        "DELETE FROM events WHERE user_id IN ('u8102-1', 'u8102-2');",
        "DELETE FROM users WHERE user_id IN ('u8102-1', 'u8102-2');",
        "INSERT INTO users (user_id) VALUES ('u8102-1');",
        event("a203", "1 hour", 8102, "u8102-1", "click"));
    // Registered again, and erased at last in the same transaction.
    oneTransaction(
        "DELETE FROM users WHERE user_id = 'u8102-3';",
        "INSERT INTO users (user_id) VALUES ('u8102-3');",
        event("a204", "1 hour", 8102, "u8102-3", "click"),
        "DELETE FROM users WHERE user_id = 'u8102-3';");
  }

  private void assertRetainedFactsSurviveAReplacementAndNoErasure() {
    assertThat(events("u8102-1")).isEqualTo("click\t1\npage_view\t1");
    assertThat(events("u8102-2")).isEmpty();
    assertThat(events("u8102-3")).isEmpty();
    assertThat(openFindings("C-DELETE-UNEXPECTED", 8102)).isPositive();
  }

  private void exchangeKeys() throws Exception {
    String change =
        "UPDATE events SET id = '00000000-0000-4000-8000-00000000%s' WHERE id = '00000000-0000-4000-8000-00000000%s';";
    oneTransaction(
        "DELETE FROM events WHERE user_id = 'u8103-1' AND event_type = 'exposure';",
        change.formatted("a309", "a301"),
        change.formatted("a301", "a302"),
        change.formatted("a302", "a309"));
  }

  private void assertRowsThatExchangedKeysAllStay() {
    assertThat(
            job.clickHouse.query(
                "SELECT right(toString(event_id), 4), event_type FROM events_processed FINAL WHERE user_id = 'u8103-1' ORDER BY 1"))
        .isEqualTo("a301\tpurchase\na302\tclick");
  }

  private void replaceOrEraseManyUsers() throws Exception {
    oneTransaction(
        "DELETE FROM users WHERE user_id LIKE 'u8104-%';",
        "INSERT INTO users (user_id) SELECT 'u8104-' || n FROM generate_series(1, 300, 2) n;",
        "INSERT INTO assignments (id, experiment_id, user_id, variant_id, assigned_at) SELECT 8104500 + n, 8104, 'u8104-' || n, 81040, now() - interval '5 days' FROM generate_series(1, 300, 2) n;");
  }

  private void assertManyUsersAreJudgedOneByOne() {
    assertThat(
            job.clickHouse.query(
                "SELECT count(), uniqExact(user_id), min(id) FROM assignments_processed FINAL WHERE experiment_id = 8104"))
        .isEqualTo("150\t150\t8104501");
    assertThat(
            job.clickHouse.count(
                "SELECT count() FROM events_processed FINAL WHERE experiment_id = 8104"))
        .isZero();
    assertThat(
            job.clickHouse.query(
                "SELECT _delete_reason, uniqExact(user_id) FROM (SELECT user_id, argMax(_delete_reason, _version) AS _delete_reason FROM events_processed WHERE experiment_id = 8104 GROUP BY user_id, event_id) GROUP BY 1 ORDER BY 1"))
        .isEqualTo("erasure\t150\nreplacement\t150");
  }
}
