package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.experimentetl.cdc.ResyncRequest;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.config.UnstreamedChanges;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.model.SourceTable;
import io.experimentetl.warehouse.Warehouse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Comparator;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.test.junit5.MiniClusterExtension;
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
 * Changes of a real PostgreSQL that never enter the stream. The cases share one job, which reports
 * what was lost and goes on; the last ones stop it. Long because a second class would cost a second
 * job.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class UnstreamedChangesIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  private static final Duration DEADLINE = Duration.ofMinutes(2);

  @TempDir private static Path folder;

  private JobDatabases databases;
  private ClickHouseEndpoint clickHouse;
  private JobConfig config;
  private JobClient job;

  @BeforeAll
  void startJobWithTwoExperiments() throws Exception {
    databases = JobDatabases.create(PLATFORM, folder, "unstreamed");
    clickHouse = databases.clickHouse();
    config =
        databases
            .config()
            .with(FindingsConfig::grace, Duration.ofSeconds(1))
            .with(SourceConfig::heartbeatInterval, Duration.ofMillis(300))
            .with(SourceConfig::unstreamedChanges, UnstreamedChanges.REPORT)
            .build();
    execute(
        """
        INSERT INTO experiments (id, key, name, status, seed, starts_at)
        SELECT n, 'look_' || n, 'Look ' || n, 'ACTIVE', 's', now() - interval '200 days' FROM generate_series(1, 2) n;
        INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
        SELECT 10 * e + v, e, 'v' || v, 'V ' || v, 50, v = 0 FROM generate_series(1, 2) e, generate_series(0, 1) v;
        """);
    start(null);
    awaitVisible();
  }

  @AfterAll
  void stopJob() throws Exception {
    if (job != null) {
      job.cancel().get(60, TimeUnit.SECONDS);
    }
    databases.endReader();
  }

  private void start(String checkpoint) throws Exception {
    Configuration flink = new Configuration();
    flink.setString("execution.checkpointing.interval", "500 ms");
    // Without a pause a busy machine does nothing else.
    flink.setString("execution.checkpointing.min-pause", "400 ms");
    flink.setString(
        "execution.checkpointing.dir", folder.resolve("checkpoints").toUri().toString());
    flink.setString(
        "execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION");
    flink.setString("state.backend.type", "rocksdb");
    flink.setString("pipeline.object-reuse", "true");
    flink.setString("restart-strategy.type", "fixed-delay");
    flink.setString("restart-strategy.fixed-delay.attempts", "100");
    flink.setString("restart-strategy.fixed-delay.delay", "100 ms");
    if (checkpoint != null) {
      flink.set(StateRecoveryOptions.SAVEPOINT_PATH, checkpoint);
    }
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.getExecutionEnvironment(flink);
    environment.setParallelism(1);
    ExperimentEtlPipeline.configure(environment);
    ExperimentEtlPipeline.build(
        config,
        StartOptions.NONE,
        ExperimentEtlJob.source(config, environment, null),
        Warehouse.of(config, environment.getConfiguration()).sinks(),
        KafkaSinks.of(config));
    job = environment.executeAsync();
  }

  private void execute(String... statements) throws SQLException {
    databases.execute(statements);
  }

  private String inPostgres(String sql) throws SQLException {
    try (Connection connection = databases.postgres().connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getString(1);
    }
  }

  /** Waits until everything that is committed by now is visible. */
  private void awaitVisible() throws SQLException {
    long lsn = Long.parseLong(inPostgres("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"));
    await()
        .atMost(DEADLINE)
        .until(
            () ->
                clickHouse.count(
                        "SELECT count() FROM etl_progress WHERE snapshot_done AND lsn >= " + lsn)
                    == 1);
  }

  private void requestResync(SourceTable table, String relation) throws SQLException {
    execute(
        "INSERT INTO etl_heartbeat VALUES ('%s', now())"
            .formatted(ResyncRequest.of(table, relation).writer()));
  }

  /** Waits until the finding about the table has the status, and returns its text. */
  private String awaitFinding(String code, String table, String status) throws SQLException {
    String where =
        " FROM data_inconsistencies FINAL WHERE code = '%s' AND subject = 'source-table:%s'"
            .formatted(code, table);
    await()
        .atMost(DEADLINE)
        .untilAsserted(
            () -> assertThat(clickHouse.query("SELECT status" + where)).isEqualTo(status));
    if (status.equals("RESOLVED")) {
      // Other sinks write the rows that were read again.
      awaitVisible();
    }
    return clickHouse.query("SELECT detail" + where);
  }

  private void assertNoOpenFinding() throws Exception {
    awaitVisible();
    assertThat(
            clickHouse.query(
                "SELECT code, subject, detail FROM data_inconsistencies FINAL WHERE status = 'OPEN'"
                    + " AND code IN ('S-NOT-STREAMED', 'C-UNSTREAMED')"))
        .isEmpty();
  }

  private static String month(int daysAgo) {
    return DateTimeFormatter.ofPattern("uuuu_MM")
        .format(LocalDate.now(ZoneOffset.UTC).minusDays(daysAgo));
  }

  /** Users with an assignment in experiment 1 and an exposure. */
  private void exposedUsers(String prefix, int users, String eventAge) throws SQLException {
    execute(
        """
        INSERT INTO users (user_id) SELECT '%1$s' || n FROM generate_series(1, %2$d) n;
        INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at)
        SELECT 1, '%1$s' || n, 10 + n %% 2, now() - interval '20 days' FROM generate_series(1, %2$d) n;
        INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type)
        SELECT now() - interval '%3$s', 1, '%1$s' || n, 10 + n %% 2, 'exposure' FROM generate_series(1, %2$d) n;
        """
            .formatted(prefix, users, eventAge));
  }

  @Test
  @Order(1)
  void tableThatWasOutOfThePublicationIsReportedAndReadAgainOnRequest() throws Exception {
    exposedUsers("out-", 5, "3 days");
    execute(
        "ALTER PUBLICATION experiment_etl DROP TABLE users",
        "INSERT INTO users (user_id) VALUES ('out-missed'); UPDATE users SET name = 'unseen' WHERE user_id = 'out-2'",
        "ALTER PUBLICATION experiment_etl ADD TABLE users",
        "INSERT INTO users (user_id) VALUES ('out-streamed')");

    assertThat(awaitFinding("C-UNSTREAMED", "users", "OPEN"))
        .contains("taken out of the publication", "2 rows differ", "1 are missing");

    requestResync(SourceTable.USERS, "users");
    awaitFinding("C-UNSTREAMED", "users", "RESOLVED");
    assertThat(clickHouse.query("SELECT name FROM users FINAL WHERE user_id = 'out-2'"))
        .isEqualTo("unseen");
    awaitRequestsCompleted();
    assertNoOpenFinding();
  }

  /** Passes when the watch has settled everything that it suspects now. */
  private void awaitSettled() throws Exception {
    for (int i = 0; i < 2; i++) {
      requestResync(SourceTable.EXPERIMENTS, "experiments");
      awaitRequestsCompleted();
    }
  }

  private void awaitRequestsCompleted() {
    await()
        .atMost(DEADLINE)
        .until(
            () ->
                inPostgres("SELECT count(*) FROM etl_heartbeat WHERE writer LIKE 'resync%'")
                    .equals("0"));
  }

  @Test
  @Order(2)
  void truncatedPartitionIsReportedAndItsRowsAreDeletedOnRequest() throws Exception {
    exposedUsers("leaf-", 4, "-400 days");
    awaitVisible();
    execute("TRUNCATE events_default");

    assertThat(awaitFinding("C-UNSTREAMED", "events", "OPEN"))
        .contains("events_default was truncated or rewritten", "4 rows differ", "4 are only there");

    requestResync(SourceTable.EVENTS, "events_default");
    awaitFinding("C-UNSTREAMED", "events", "RESOLVED");
    assertThat(
            clickHouse.count(
                "SELECT count() FROM events_processed FINAL WHERE startsWith(user_id, 'leaf-')"))
        .isZero();
    assertNoOpenFinding();
  }

  @Test
  @Order(3)
  void rewritingDdlThatChangesValuesIsReportedAndReadAgainOnRequest() throws Exception {
    execute(
        "INSERT INTO users (user_id, email, properties) VALUES ('ddl-1', 'a@example.org', '{\"email\": \"a@example.org\", \"plan\": \"pro\"}'), ('ddl-2', NULL, '{\"plan\": \"free\"}')");
    awaitVisible();
    execute("ALTER TABLE users ALTER COLUMN properties TYPE jsonb USING properties - 'email'");

    assertThat(awaitFinding("C-UNSTREAMED", "users", "OPEN"))
        .contains("users was truncated or rewritten", "1 rows differ", "1 have other values");

    requestResync(SourceTable.USERS, "users");
    awaitFinding("C-UNSTREAMED", "users", "RESOLVED");
    assertThat(clickHouse.query("SELECT properties FROM users FINAL WHERE user_id = 'ddl-1'"))
        .isEqualTo("{\"plan\": \"pro\"}");
    assertNoOpenFinding();
  }

  @Test
  @Order(4)
  void columnAddedWithADefaultIsReported() throws Exception {
    exposedUsers("column-", 2, "2 days");
    awaitVisible();
    execute(
        "ALTER TABLE events DROP COLUMN device_id",
        "ALTER TABLE events ADD COLUMN device_id text DEFAULT 'unknown'");

    assertThat(awaitFinding("C-UNSTREAMED", "events", "OPEN"))
        .contains("events got the column device_id", "have other values");

    requestResync(SourceTable.EVENTS, "events");
    awaitFinding("C-UNSTREAMED", "events", "RESOLVED");
    assertNoOpenFinding();
  }

  @Test
  @Order(4)
  void columnRenamedAwayAndBackIsReportedAndReadAgainOnRequest() throws Exception {
    exposedUsers("renamed-", 2, "2 days");
    awaitVisible();
    execute(
        "ALTER TABLE events RENAME COLUMN device_id TO device",
        "INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type, device) VALUES (now(), 1, 'renamed-1', 11, 'click', 'phone')",
        "ALTER TABLE events RENAME COLUMN device TO device_id");

    assertThat(awaitFinding("C-UNSTREAMED", "events", "OPEN"))
        .contains("events got the column device_id", "1 rows differ", "1 have other values");
    assertThat(drift("events.device_id")).contains("was renamed to device");

    requestResync(SourceTable.EVENTS, "events");
    awaitFinding("C-UNSTREAMED", "events", "RESOLVED");
    assertThat(
            clickHouse.query(
                "SELECT device_id FROM events_processed FINAL WHERE user_id = 'renamed-1' AND event_type = 'click'"))
        .isEqualTo("phone");
    assertNoOpenFinding();
  }

  private String drift(String column) {
    return clickHouse.query(
        "SELECT detail FROM data_inconsistencies FINAL WHERE code = 'S-SCHEMA-DRIFT' AND subject_key = '%s'"
            .formatted(column));
  }

  @Test
  @Order(4)
  void columnsThatTookEachOthersNamesAreReportedUntilTheyHaveTheirOwnAgain() throws Exception {
    execute(
        "INSERT INTO users (user_id, email, name) VALUES ('exchanged', 'x@example.org', 'X'), ('same', NULL, NULL)");
    awaitVisible();
    String exchange =
        "ALTER TABLE users RENAME name TO spare; ALTER TABLE users RENAME email TO name; ALTER TABLE users RENAME spare TO email";
    execute(exchange);
    assertThat(awaitFinding("C-UNSTREAMED", "users", "OPEN"))
        .contains("users got the column email", "users got the column name");

    execute(exchange);
    awaitFinding("C-UNSTREAMED", "users", "RESOLVED");
    assertNoOpenFinding();
  }

  @Test
  @Order(4)
  void rowsWrittenUnderAnotherTableNameAreReportedAndReadAgainOnRequest() throws Exception {
    execute(
        "ALTER TABLE users RENAME TO people",
        "INSERT INTO people (user_id) VALUES ('of-people')",
        "ALTER TABLE people RENAME TO users");

    assertThat(awaitFinding("C-UNSTREAMED", "users", "OPEN"))
        .contains("users had another name or schema for a while", "1 are missing");

    requestResync(SourceTable.USERS, "users");
    awaitFinding("C-UNSTREAMED", "users", "RESOLVED");
    assertThat(clickHouse.count("SELECT count() FROM users FINAL WHERE user_id = 'of-people'"))
        .isEqualTo(1);
    assertNoOpenFinding();
  }

  @Test
  @Order(4)
  void columnThatIsDroppedOrHasAnotherTypeIsReportedWithItsNextRow() throws Exception {
    execute(
        "ALTER TABLE users ALTER COLUMN is_active DROP DEFAULT, ALTER COLUMN is_active TYPE text",
        "INSERT INTO users (user_id, is_active) VALUES ('retyped', 'true')",
        "ALTER TABLE users ALTER COLUMN is_active TYPE boolean USING is_active::boolean, ALTER COLUMN is_active SET DEFAULT true",
        "ALTER TABLE variants DROP COLUMN description",
        "UPDATE variants SET name = name WHERE id = 10");
    await()
        .atMost(DEADLINE)
        .untilAsserted(
            () -> {
              assertThat(drift("users.is_active")).contains("is not a boolean");
              assertThat(drift("variants.description")).contains("is no longer there");
            });
    execute("ALTER TABLE variants ADD COLUMN description text");
    awaitSettled();
    assertNoOpenFinding();
    assertThat(
            clickHouse.count(
                "SELECT count() FROM findings_open WHERE subject = 'user:retyped' AND dead_letter_since IS NOT NULL"))
        .as("the row that could not be read")
        .isEqualTo(1);
    execute("UPDATE users SET name = 'back' WHERE user_id = 'retyped'");
    awaitVisible();
    assertThat(clickHouse.query("SELECT name FROM users FINAL WHERE user_id = 'retyped'"))
        .isEqualTo("back");
  }

  @Test
  @Order(5)
  void renamedLabelIsReportedUntilItsRowsAgreeAgain() throws Exception {
    execute("UPDATE experiments SET status = 'PAUSED' WHERE id = 2");
    awaitVisible();
    execute("ALTER TYPE experiment_status RENAME VALUE 'PAUSED' TO 'ON_HOLD'");

    assertThat(awaitFinding("C-UNSTREAMED", "experiments", "OPEN"))
        .contains("has a column status whose enum lost or renamed a label", "1 rows differ");

    execute("ALTER TYPE experiment_status RENAME VALUE 'ON_HOLD' TO 'PAUSED'");
    awaitFinding("C-UNSTREAMED", "experiments", "RESOLVED");
    assertNoOpenFinding();
  }

  @Test
  @Order(6)
  void rewriteAndDetachmentThatLoseNothingAreNoFinding() throws Exception {
    execute("SELECT create_events_partition((now() - interval '125 days')::date)");
    exposedUsers("old-", 3, "125 days");
    awaitVisible();
    execute(
        "VACUUM FULL users",
        "ALTER TABLE events DETACH PARTITION events_" + month(125),
        "ALTER TABLE assignments ADD COLUMN note text DEFAULT clock_timestamp()::text");
    awaitSettled();
    assertNoOpenFinding();
    assertThat(
            clickHouse.count(
                "SELECT count() FROM events_processed FINAL WHERE startsWith(user_id, 'old-')"))
        .as("rows that retention removed at the source")
        .isEqualTo(3);
  }

  @Test
  @Order(7)
  void rowFilterAndUnloggedPartitionAreReportedWhileTheyLast() throws Exception {
    execute(
        "ALTER PUBLICATION experiment_etl DROP TABLE variants",
        "ALTER PUBLICATION experiment_etl ADD TABLE variants WHERE (allocation_pct > 0)",
        "CREATE UNLOGGED TABLE events_2042 PARTITION OF events FOR VALUES FROM ('2042-01-01') TO ('2043-01-01')",
        "ALTER TABLE events_2042 REPLICA IDENTITY FULL");

    assertThat(awaitFinding("S-NOT-STREAMED", "variants", "OPEN"))
        .contains("variants has a row filter in the publication", "002_etl.sql");
    assertThat(awaitFinding("S-NOT-STREAMED", "events", "OPEN"))
        .contains("events_2042 is unlogged", "ALTER TABLE \"events_2042\" SET LOGGED");

    execute(
        "ALTER PUBLICATION experiment_etl DROP TABLE variants",
        "ALTER PUBLICATION experiment_etl ADD TABLE variants",
        "DROP TABLE events_2042");
    awaitFinding("S-NOT-STREAMED", "variants", "RESOLVED");
    awaitFinding("S-NOT-STREAMED", "events", "RESOLVED");
    awaitSettled();
    assertNoOpenFinding();
  }

  @Test
  @Order(7)
  void tableThatTookThePlaceOfAnotherIsReportedAndReadAgainOnRequest() throws Exception {
    execute(
        "ALTER TABLE variants RENAME TO variants_before",
        "CREATE TABLE variants (LIKE variants_before INCLUDING ALL)",
        "INSERT INTO variants SELECT * FROM variants_before",
        "UPDATE variants SET name = 'Swapped' WHERE id = 21");
    assertThat(awaitFinding("S-NOT-STREAMED", "variants", "OPEN"))
        .contains("variants is not in the publication", "002_etl.sql");

    execute(
        Files.readString(Path.of("sql/postgres/002_etl.sql")),
        Files.readString(Path.of("sql/postgres/optional/roles.sql")));
    awaitFinding("S-NOT-STREAMED", "variants", "RESOLVED");
    assertThat(awaitFinding("C-UNSTREAMED", "variants", "OPEN")).contains("1 rows differ");

    requestResync(SourceTable.VARIANTS, "variants");
    awaitFinding("C-UNSTREAMED", "variants", "RESOLVED");
    assertThat(clickHouse.query("SELECT name FROM variants FINAL WHERE id = 21"))
        .isEqualTo("Swapped");
    awaitRequestsCompleted();
    assertNoOpenFinding();
  }

  @Test
  @Order(7)
  void labelThatWasAddedIsDelivered() throws Exception {
    execute(
        "ALTER TYPE experiment_status ADD VALUE 'FROZEN'",
        "UPDATE experiments SET status = 'FROZEN' WHERE id = 2");
    awaitVisible();
    assertThat(clickHouse.query("SELECT status FROM experiments FINAL WHERE id = 2"))
        .isEqualTo("FROZEN");
    execute("UPDATE experiments SET status = 'PAUSED' WHERE id = 2");
    awaitVisible();
    assertNoOpenFinding();
  }

  @Test
  @Order(8)
  void rowsMovedByAnAttachedPartitionStay() throws Exception {
    String partition = "events_" + month(60);
    execute("DROP TABLE IF EXISTS " + partition);
    exposedUsers("moved-", 6, "60 days");
    awaitVisible();
    execute(
        """
        CREATE TABLE moved (LIKE events INCLUDING ALL);
        WITH m AS (DELETE FROM events_default WHERE user_id LIKE 'moved-%%' RETURNING *) INSERT INTO moved SELECT * FROM m;
        ALTER TABLE moved RENAME TO %1$s;
        ALTER TABLE events ATTACH PARTITION %1$s FOR VALUES FROM (date_trunc('month', now() - interval '60 days', 'UTC'))
            TO (date_trunc('month', now() - interval '60 days', 'UTC') + interval '1 month');
        ALTER TABLE %1$s REPLICA IDENTITY FULL;
        """
            .formatted(partition));
    awaitSettled();
    assertNoOpenFinding();
    assertThat(
            clickHouse.count(
                "SELECT count() FROM events_processed FINAL WHERE startsWith(user_id, 'moved-')"))
        .isEqualTo(6);
    assertThat(
            clickHouse.count(
                "SELECT count() FROM data_inconsistencies FINAL WHERE code = 'C-DELETE-UNEXPECTED' AND status = 'OPEN'"))
        .as("rows that are still there")
        .isZero();
  }

  private String numbersOfTheLooks() {
    return clickHouse.query(
        "SELECT count(), countIf(status = 'OPEN') FROM data_inconsistencies FINAL WHERE code = 'C-UNSTREAMED' AND subject = 'source-table:events'");
  }

  /** The rows are younger than the retention, so without the announcement they look lost. */
  @Test
  @Order(9)
  void announcedMaintenanceIsNoFindingAndMovesRowsInSilence() throws Exception {
    execute("SELECT create_events_partition((now() + interval '500 days')::date)");
    exposedUsers("announced-", 7, "200 days");
    exposedUsers("dropped-", 3, "-500 days");
    awaitVisible();
    String before = numbersOfTheLooks();
    String versions =
        "SELECT count(), groupBitXor(_version), countIf(_deleted) FROM events_processed WHERE startsWith(user_id, 'announced-')";
    String rows = clickHouse.query(versions);

    execute("SELECT create_events_partition((now() - interval '200 days')::date)");
    assertThat(
            inPostgres(
                "SELECT count(*) FROM events_%s WHERE user_id LIKE 'announced-%%'"
                    .formatted(month(200))))
        .isEqualTo("7");
    execute(
        "INSERT INTO etl_watermark SELECT 'job', pg_current_wal_insert_lsn(), pg_snapshot_xmin(pg_current_snapshot())",
        "SELECT partition_drop('events', 'events_%s')".formatted(month(-500)));
    awaitSettled();

    assertNoOpenFinding();
    assertThat(numbersOfTheLooks()).isEqualTo(before);
    assertThat(clickHouse.query(versions)).as("no row was written again").isEqualTo(rows);
    assertThat(
            clickHouse.count(
                "SELECT count() FROM events_processed FINAL WHERE startsWith(user_id, 'dropped-')"))
        .as("rows of a partition that maintenance dropped")
        .isEqualTo(3);

    requestResync(SourceTable.EVENTS, "events");
    awaitRequestsCompleted();
    awaitVisible();
    assertThat(
            clickHouse.count(
                "SELECT count() FROM events_processed FINAL WHERE startsWith(user_id, 'dropped-')"))
        .as("the rows look lost to a comparison")
        .isZero();
    assertThat(
            clickHouse.count(
                "SELECT count() FROM data_inconsistencies FINAL WHERE code = 'C-DELETE-UNEXPECTED' AND startsWith(user_id, 'announced-')"))
        .isZero();
  }

  private static final String IDENTITY =
      """
      DO $$
      DECLARE captured regclass;
      BEGIN
        FOR captured IN SELECT 'assignments'::regclass UNION SELECT relid FROM pg_partition_tree('events')
        LOOP EXECUTE format('ALTER TABLE %%s REPLICA IDENTITY %s', captured); END LOOP;
      END $$""";

  @Test
  @Order(10)
  void deletesThatNameOnlyTheKeyAreDecidedByTheRows() throws Exception {
    exposedUsers("key-", 4, "2 days");
    awaitVisible();
    execute(
        IDENTITY.formatted("DEFAULT"),
        "DELETE FROM events WHERE user_id IN ('key-1', 'key-2')",
        "DELETE FROM assignments WHERE user_id IN ('key-2', 'key-3')",
        IDENTITY.formatted("FULL"));

    await()
        .atMost(DEADLINE)
        .untilAsserted(
            () ->
                assertThat(
                        clickHouse.query(
                            "SELECT (SELECT groupArray(user_id) FROM (SELECT user_id FROM events_processed FINAL WHERE startsWith(user_id, 'key-') ORDER BY 1)),"
                                + " (SELECT groupArray(user_id) FROM (SELECT user_id FROM assignments_processed FINAL WHERE startsWith(user_id, 'key-') ORDER BY 1))"))
                    .isEqualTo("['key-3','key-4']\t['key-1','key-4']"));
    awaitSettled();
    assertNoOpenFinding();
    assertThat(
            clickHouse.query(
                "SELECT subject_kind, count(), countIf(status = 'RESOLVED') FROM data_inconsistencies FINAL WHERE code = 'S-INCOMPLETE-ROW' GROUP BY 1 ORDER BY 1 FORMAT CSV"))
        .isEqualTo("\"assignment\",2,2\n\"event\",2,2");
  }

  private void awaitFailure(String... words) {
    await()
        .atMost(DEADLINE)
        .untilAsserted(
            () -> assertThat(job.getJobStatus().get().isGloballyTerminalState()).isTrue());
    assertThatThrownBy(() -> job.getJobExecutionResult().get())
        .satisfies(
            failure ->
                assertThat(org.apache.flink.util.ExceptionUtils.stringifyException(failure))
                    .contains(words));
    job = null;
  }

  private String newestCheckpoint() throws Exception {
    try (Stream<Path> files = Files.walk(folder.resolve("checkpoints"))) {
      return files
          .filter(file -> file.endsWith("_metadata"))
          .max(Comparator.comparing((Path file) -> file.toFile().lastModified()))
          .orElseThrow()
          .getParent()
          .toUri()
          .toString();
    }
  }

  @Test
  @Order(11)
  void lostChangesStopTheJobUntilTheTableIsReadAgain() throws Exception {
    exposedUsers("stop-", 3, "4 days");
    awaitVisible();
    job.cancel().get(60, TimeUnit.SECONDS);
    config =
        ConfigBuilder.from(config)
            .with(SourceConfig::unstreamedChanges, UnstreamedChanges.STOP)
            .build();
    execute(
        "ALTER PUBLICATION experiment_etl DROP TABLE assignments",
        "UPDATE assignments SET source = 'api' WHERE user_id = 'stop-1'",
        "ALTER PUBLICATION experiment_etl ADD TABLE assignments");
    databases.endReader();

    start(newestCheckpoint());
    awaitFailure("assignments was taken out of the publication", "resync --table assignments");
    assertThat(awaitFinding("C-UNSTREAMED", "assignments", "OPEN")).contains("1 rows differ");

    requestResync(SourceTable.ASSIGNMENTS, "assignments");
    start(newestCheckpoint());
    awaitFinding("C-UNSTREAMED", "assignments", "RESOLVED");
    assertNoOpenFinding();
    assertThat(databases.audit(config, DEADLINE).differences()).isEmpty();
  }

  @Test
  @Order(12)
  void droppedPublicationEndsTheJobWithTheRemedy() throws Exception {
    execute("DROP PUBLICATION experiment_etl");
    execute("INSERT INTO users (user_id) VALUES ('unpublished')");

    awaitFailure("publication experiment_etl does not exist", "002_etl.sql");
  }
}
