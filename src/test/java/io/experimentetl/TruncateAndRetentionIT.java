package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.RetentionSql;
import io.experimentetl.warehouse.Warehouse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/**
 * Changes of every origin, retention clean-ups and TRUNCATE, in one running job. The cases have
 * their own experiments and users; a TRUNCATE concerns all, so the cases come in an order.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class TruncateAndRetentionIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final Duration DEADLINE = Duration.ofSeconds(60);

  @TempDir private static Path folder;

  private JobDatabases databases;
  private JobConfig config;
  private JobClient job;

  @BeforeAll
  void start() throws Exception {
    databases = JobDatabases.create(PLATFORM, folder, "truncates");
    config = databases.config().with(FindingsConfig::grace, Duration.ofSeconds(1)).build();
    databases.execute(
        experiment(1, 'o', 10),
        experiment(2, 'r', 20),
        experiment(3, 't', 20),
        """
        INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type, properties)
        SELECT now() - interval '100 days', 3, 't' || n, 30 + n % 2, 'purchase', '{"revenue": 1}' FROM generate_series(1, 4) n;
        """);
    Configuration flink = new Configuration();
    flink.setString("execution.checkpointing.interval", "500 ms");
    // Without a pause a busy machine does nothing else.
    flink.setString("execution.checkpointing.min-pause", "400 ms");
    flink.setString(
        "execution.checkpointing.dir", folder.resolve("checkpoints").toUri().toString());
    flink.setString("state.backend.type", "rocksdb");
    flink.setString("pipeline.object-reuse", "true");
    flink.setString("restart-strategy.type", "fixed-delay");
    flink.setString("restart-strategy.fixed-delay.attempts", "100");
    flink.setString("restart-strategy.fixed-delay.delay", "100 ms");
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.getExecutionEnvironment(flink);
    environment.setParallelism(2);
    assertThat(ExperimentEtlJob.preflight(config, environment)).isEmpty();
    ExperimentEtlPipeline.build(
        config,
        StartOptions.NONE,
        ExperimentEtlJob.source(config, environment, null),
        Warehouse.of(config, environment.getConfiguration()).sinks(),
        KafkaSinks.of(config));
    job = environment.executeAsync();
    awaitThat(events("event_type = 'exposure'"), "50");
    awaitThat("SELECT snapshot_done FROM etl_progress", "true");
  }

  @AfterAll
  void close() throws Exception {
    if (job != null) {
      job.cancel().get(60, TimeUnit.SECONDS);
    }
    databases.endReader();
  }

  /** An experiment with a user per number, each assigned and exposed twenty days ago. */
  private static String experiment(int id, char user, int users) {
    return """
        INSERT INTO experiments (id, key, name, status, seed, starts_at)
        VALUES (%1$d, 'e%1$d', 'E%1$d', 'ACTIVE', 's', now() - interval '200 days');
        INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
        VALUES (%1$d0, %1$d, 'c', 'Control', 50, true), (%1$d1, %1$d, 't', 'Treatment', 50, false);
        INSERT INTO users (user_id) SELECT '%2$s' || n FROM generate_series(1, %3$d) n;
        INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at)
        SELECT %1$d, '%2$s' || n, %1$d0 + n %% 2, now() - interval '20 days' FROM generate_series(1, %3$d) n;
        INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type)
        SELECT now() - interval '19 days', %1$d, '%2$s' || n, %1$d0 + n %% 2, 'exposure' FROM generate_series(1, %3$d) n;
        """
        .formatted(id, user, users);
  }

  private String warehouse(String sql) {
    return databases.clickHouse().query(sql);
  }

  private void awaitThat(String query, String expected) {
    await()
        .atMost(DEADLINE)
        .untilAsserted(() -> assertThat(warehouse(query)).as(query).isEqualTo(expected));
  }

  private static String events(String condition) {
    return "SELECT count() FROM events_processed FINAL WHERE " + condition;
  }

  private static String assignments(String condition) {
    return "SELECT count() FROM assignments_processed FINAL WHERE " + condition;
  }

  private static String exposed(int experiment) {
    return "SELECT sum(new_users) FROM experiment_daily_stats FINAL WHERE experiment_id = "
        + experiment
        + " AND metric = 'conversion'";
  }

  private static String findings(String code) {
    return "SELECT arrayStringConcat(arraySort(groupArray(subject_key)), ' ') FROM data_inconsistencies FINAL WHERE code = '"
        + code
        + "'";
  }

  @Test
  @Order(1)
  void whatASubscriptionAppliesArrives() throws Exception {
    databases.execute(
        "SELECT pg_replication_origin_create('upstream_4711')",
        "SELECT pg_replication_origin_session_setup('upstream_4711')",
        "INSERT INTO users (user_id) VALUES ('o-applied')",
        "UPDATE users SET name = 'changed elsewhere' WHERE user_id = 'o7'",
        "INSERT INTO assignments (experiment_id, user_id, variant_id) VALUES (1, 'o-applied', 11)",
        "INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type) VALUES (now(), 1, 'o-applied', 11, 'exposure')",
        "UPDATE variants SET name = 'Renamed elsewhere' WHERE id = 11",
        "SELECT pg_replication_origin_session_reset()",
        "SELECT pg_replication_origin_drop('upstream_4711')");

    awaitThat(events("user_id = 'o-applied' AND NOT has(inconsistencies, 'R-ORPHAN-USER')"), "1");
    awaitThat("SELECT name FROM users FINAL WHERE user_id = 'o7'", "changed elsewhere");
    awaitThat("SELECT name FROM variants FINAL WHERE id = 11", "Renamed elsewhere");
    awaitThat(exposed(1), "11");
  }

  @Test
  @Order(2)
  void platformsOwnCleanUpKeepsTheWarehouseAndErasesItsUsers() throws Exception {
    databases.execute(
        """
        BEGIN;
        SELECT retention_begin();
        DELETE FROM events WHERE user_id IN ('r1', 'r2');
        DELETE FROM users WHERE user_id IN ('r2', 'r3');
        DELETE FROM experiments WHERE id = 2;
        COMMIT;
        """,
        "INSERT INTO users (user_id) VALUES ('behind-the-clean-up')");

    awaitThat("SELECT count() FROM users FINAL WHERE user_id IN ('r2', 'r3')", "0");
    awaitThat(events("experiment_id = 2"), "18");
    awaitThat(assignments("experiment_id = 2 AND experiment_key = 'e2'"), "18");
    awaitThat(exposed(2), "18");
    awaitThat("SELECT _delete_reason FROM experiments FINAL WHERE id = 2", "retention");
    awaitThat("SELECT count() FROM variants FINAL WHERE experiment_id = 2", "2");
    awaitThat(findings("C-DELETE-UNEXPECTED"), "");
    // They are younger than retention.postgres.events, and say themselves why they are kept.
    awaitThat("SELECT count() FROM events_processed FINAL WHERE _delete_reason = 'retention'", "1");
    awaitThat(
        "SELECT count() FROM assignments_processed FINAL WHERE _delete_reason = 'retention'", "18");
    assertThat(databases.audit(config, DEADLINE).differences()).isEmpty();
  }

  @Test
  @Order(3)
  void scheduledCleanUpKeepsOldRowsAndADeleteBehindItCounts() throws Exception {
    databases.execute(
        RetentionSql.WATERMARK,
        "CALL retention_delete()",
        "DELETE FROM events WHERE user_id = 't20'");

    awaitThat(events("user_id = 't20'"), "0");
    awaitThat(events("experiment_id = 3 AND event_type = 'purchase'"), "4");
    await()
        .atMost(DEADLINE)
        .untilAsserted(
            () -> assertThat(warehouse(findings("C-DELETE-RETENTION"))).contains("events/"));
  }

  @Test
  @Order(4)
  void truncateTakesWhatPostgresHeldAndRowsOfTheSameTransactionAreUpdates() throws Exception {
    String again =
        """
        CREATE TEMP TABLE kept AS SELECT * FROM events WHERE user_id IN ('t1', 't2');
        BEGIN;
        TRUNCATE events;
        INSERT INTO events SELECT * FROM kept WHERE user_id = 't1';
        UPDATE kept SET properties = '{"page": 2}';
        INSERT INTO events SELECT * FROM kept WHERE user_id = 't2';
        COMMIT;
        DROP TABLE kept;
        """;
    databases.execute(again);

    awaitThat(findings("C-TRUNCATE"), "events");
    awaitThat(events("experiment_id = 3 AND event_type = 'exposure'"), "2");
    awaitThat(events("experiment_id = 3 AND event_type = 'purchase'"), "4");
    awaitThat(events("user_id = 't2' AND JSONExtractInt(ifNull(properties, ''), 'page') = 2"), "1");
    awaitThat(exposed(3), "2");
    awaitThat(events("experiment_id = 1"), "0");
    awaitThat(
        "SELECT DISTINCT _delete_reason FROM events_processed WHERE _deleted AND user_id IN ('t3', 'o4')",
        "truncate");
  }

  /** The rows are young, and no row of the stream says that they are gone. */
  @Test
  @Order(5)
  void truncateOfARetentionTransactionKeepsYoungRowsAndVerifyKnowsThem() throws Exception {
    databases.execute("BEGIN; SELECT retention_begin(); TRUNCATE events; COMMIT;");

    awaitThat(
        "SELECT count() FROM data_inconsistencies FINAL WHERE code = 'C-DELETE-RETENTION' AND subject = 'source-table:events'",
        "1");
    awaitThat(events("experiment_id = 3 AND event_type = 'exposure'"), "2");
    awaitThat(exposed(3), "2");
    assertThat(databases.audit(config, DEADLINE).differences()).isEmpty();
  }

  /** Several tables in one statement, by cascade; then the users are assigned anew. */
  @Test
  @Order(6)
  void truncatedAssignmentsAreDeletesOfThatMomentAndUsersCanBeAssignedAnew() throws Exception {
    databases.execute("TRUNCATE assignments RESTART IDENTITY");
    awaitThat(assignments("experiment_id = 3"), "0");
    databases.execute(
        "INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at) SELECT 3, 't' || n, 30 + (n + 1) % 2, now() FROM generate_series(1, 20) n");

    awaitThat(assignments("experiment_id = 3"), "20");
    awaitThat(findings("A-DUP-ASSIGNMENT"), "");
    awaitThat(findings("C-TRUNCATE"), "assignments events");
  }

  /** Without the foreign key PostgreSQL keeps the assignments of a user whom it deletes. */
  @Test
  @Order(7)
  void assignmentsWithoutAUserAreErasedWithItAndTruncatedWithTheirTable() throws Exception {
    databases.execute(
        "ALTER TABLE assignments DROP CONSTRAINT assignments_user_id_fkey",
        "INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at) SELECT 3, 'ghost-' || n, 30, now() FROM generate_series(1, 2) n");
    awaitThat(
        assignments("startsWith(user_id, 'ghost') AND has(inconsistencies, 'R-ORPHAN-USER')"), "2");

    databases.execute(
        "INSERT INTO users (user_id) VALUES ('ghost-1')",
        "DELETE FROM users WHERE user_id IN ('ghost-1', 't20')");
    awaitThat(assignments("user_id IN ('ghost-1', 't20')"), "0");

    databases.execute(
        "BEGIN; DELETE FROM users WHERE user_id = 't19'; TRUNCATE assignments; COMMIT");
    awaitThat(assignments("experiment_id = 3"), "0");
    awaitThat(findings("S-NOT-STREAMED"), "");
    assertThat(databases.audit(config, DEADLINE).differences()).isEmpty();
    assertThat(job.getJobStatus().get()).isEqualTo(JobStatus.RUNNING);
    databases.execute(
        "ALTER TABLE assignments ADD CONSTRAINT assignments_user_id_fkey FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE",
        "INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at) SELECT 3, 't' || n, 30 + n % 2, now() FROM generate_series(1, 18) n");
    awaitThat(assignments("experiment_id = 3"), "18");
  }

  @Test
  @Order(8)
  void truncatedDimensionIsTheDeleteOfEachOfItsRows() throws Exception {
    databases.execute(
        """
        BEGIN;
        TRUNCATE variants CASCADE;
        INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
        VALUES (30, 3, 'c', 'Control again', 50, true), (31, 3, 't', 'Treatment', 50, false);
        COMMIT;
        """);

    awaitThat(
        "SELECT arrayStringConcat(arraySort(groupArray(toString(id))), ' ') FROM variants FINAL WHERE _delete_reason = ''",
        "30 31");
    awaitThat("SELECT name FROM variants FINAL WHERE id = 30", "Control again");
    awaitThat("SELECT count() FROM variants FINAL WHERE experiment_id = 2", "2");
    awaitThat(assignments("experiment_id = 3"), "0");
    awaitThat(findings("C-TRUNCATE"), "assignments events variants");
  }

  @Test
  @Order(9)
  void auditIsEqual() throws Exception {
    assertThat(databases.audit(config, DEADLINE).differences()).isEmpty();
    assertThat(
            warehouse(
                "SELECT code, subject, detail FROM data_inconsistencies FINAL WHERE status = 'OPEN' AND code IN ('S-NOT-STREAMED', 'C-UNSTREAMED')"))
        .as("a TRUNCATE changes files, and that is no loss")
        .isEmpty();
  }

  @Test
  @Order(10)
  void truncateOfUsersFailsTheJobWithItsRemedy() throws Exception {
    databases.execute("TRUNCATE users CASCADE");

    JobClient failing = job;
    job = null;
    assertThatThrownBy(
            () -> failing.getJobExecutionResult().get(DEADLINE.toSeconds(), TimeUnit.SECONDS))
        .isInstanceOf(ExecutionException.class)
        .rootCause()
        .hasMessageContaining("users was truncated in transaction")
        .hasMessageContaining("source.users-truncate: erase");
    awaitThat("SELECT count() > 0 FROM users FINAL", "1");
  }
}
