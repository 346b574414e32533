package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.audit.AuditReport;
import io.experimentetl.cdc.PostgresChanges;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.HealthConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StateConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.ClickHouseEndpoint;
import io.experimentetl.warehouse.Warehouse;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.testutils.InMemoryReporter;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** The whole job between a real PostgreSQL and a real ClickHouse. */
class ExperimentEtlJobIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final InMemoryReporter METRICS = InMemoryReporter.createWithRetainedMetrics();

  @RegisterExtension
  static final MiniClusterExtension FLINK =
      new MiniClusterExtension(
          new MiniClusterResourceConfiguration.Builder()
              .setConfiguration(METRICS.addToConfiguration(new Configuration()))
              .setNumberTaskManagers(1)
              .setNumberSlotsPerTaskManager(4)
              .build());

  @TempDir private Path folder;

  private JobDatabases databases;
  private ClickHouseEndpoint clickHouse;
  private JobConfig config;
  private JobClient job;

  @BeforeEach
  void createDatabases() throws Exception {
    databases = JobDatabases.create(PLATFORM, folder, "job");
    clickHouse = databases.clickHouse();
    config =
        databases
            .config()
            .withMetrics(
                MetricConfig.proportion("conversion", "conversion"),
                MetricConfig.mean("revenue", "purchase", "revenue")
                    .within(Duration.ZERO, Duration.ofDays(7)))
            .with(FindingsConfig::grace, Duration.ofSeconds(1))
            .with(FindingsConfig::eventTypes, List.of("page_view"))
            .with(HealthConfig::crossoverMinimumUsers, 1)
            .with(HealthConfig::noExposuresAfter, Duration.ofSeconds(1))
            .with(HealthConfig::metricMinimumUsers, 20)
            .with(HealthConfig::volumeMinimumExposures, 5)
            .with(HealthConfig::freshness, Duration.ofMillis(1))
            .with(HealthConfig::botEventsPerDay, 12)
            .build();
  }

  @AfterEach
  void stop() throws Exception {
    if (job != null) {
      job.cancel().get(60, TimeUnit.SECONDS);
    }
    databases.endReader();
  }

  private void execute(String... statements) throws SQLException {
    databases.execute(statements);
  }

  private void start(int parallelism, String savepoint, String... restated) throws Exception {
    StreamExecutionEnvironment environment = environment(savepoint);
    environment.setParallelism(parallelism);
    assertThat(ExperimentEtlJob.preflight(config, environment)).isEmpty();
    ExperimentEtlPipeline.build(
        config,
        Set.of(restated),
        PostgresChanges.attach(environment, ExperimentEtlJob.sourceSettings(config.source())),
        Warehouse.of(config, environment.getConfiguration()).sinks(),
        KafkaSinks.of(config));
    job = environment.executeAsync();
  }

  private StreamExecutionEnvironment environment(String savepoint) {
    Configuration flink = new Configuration();
    flink.setString("execution.checkpointing.interval", "500 ms");
    flink.setString(
        "execution.checkpointing.dir", folder.resolve("checkpoints").toUri().toString());
    flink.setString("state.backend.type", "rocksdb");
    flink.setString("pipeline.object-reuse", "true");
    flink.setString("restart-strategy.type", "none");
    if (savepoint != null) {
      flink.set(StateRecoveryOptions.SAVEPOINT_PATH, savepoint);
    }
    return StreamExecutionEnvironment.getExecutionEnvironment(flink);
  }

  private String stopWithSavepoint() throws Exception {
    String savepoint =
        job.stopWithSavepoint(
                false,
                folder.resolve("savepoints").toUri().toString(),
                SavepointFormatType.CANONICAL)
            .get(60, TimeUnit.SECONDS);
    job = null;
    return savepoint;
  }

  private AuditReport audit() {
    return databases.audit(config, Duration.ofSeconds(90));
  }

  private void assertEqualSides() {
    assertThat(audit().differences()).isEmpty();
    assertThat(
            clickHouse.count(
                "SELECT count() - uniqExact(event_id, timestamp, _version) FROM events_processed"))
        .as("event rows that stand twice")
        .isZero();
  }

  private List<String> findings(String status) {
    return clickHouse
        .query(
            "SELECT DISTINCT code FROM data_inconsistencies FINAL WHERE status = '"
                + status
                + "' ORDER BY code FORMAT TSV")
        .lines()
        .toList();
  }

  private static final String EXPERIMENTS =
      """
      INSERT INTO experiments (id, key, name, status, seed, config, starts_at)
      VALUES (1, 'checkout', 'Checkout', 'ACTIVE', 's', '{"zone": "Europe/Berlin"}', now() - interval '60 days'),
             (2, 'banner', 'Banner', 'ACTIVE', 's', NULL, NULL);
      INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
      VALUES (11, 1, 'control', 'Control', 50, true), (12, 1, 'treatment', 'Treatment', 50, false),
             (21, 2, 'control', 'Control', 50, true), (22, 2, 'treatment', 'Treatment', 50, false);
      """;

  /** Users 1 to 40; the assigner of experiment 2 knows one variant only. */
  private static final String USERS =
      """
      INSERT INTO users (user_id, email, properties)
      SELECT 'u' || n, n || '@example.org', jsonb_build_object('country', 'DE') FROM generate_series(1, 40) n;
      INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at)
      SELECT 1, 'u' || n, 11 + n % 2, 'hash', now() - interval '5 days' FROM generate_series(1, 30) n;
      INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at)
      SELECT 2, 'u' || n, 21, 'hash', now() - interval '5 days' FROM generate_series(1, 30) n;
      INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at)
      VALUES (1, 'u31', 11, 'override', now() - interval '5 days');
      INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
      SELECT gen_random_uuid(), now() - interval '4 days' + n * interval '1 hour', 1, 'u' || n, 11 + n % 2, 'exposure', '{}'
      FROM generate_series(1, 30) n;
      INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
      SELECT gen_random_uuid(), now() - interval '1 days' + n * interval '1 minute', 1, 'u' || n, 11 + n % 2,
             CASE WHEN n % 3 = 0 THEN 'purchase' ELSE 'conversion' END,
             jsonb_build_object('revenue', n * 1.25)
      FROM generate_series(1, 20) n;
      """;

  /**
   * Experiment 3: a hundred users of one variant buy, one of them for a thousand; nobody converts;
   * exposures came on the days up to three days ago; one user is a bot. The variants of 4 and 5 are
   * no test.
   */
  private static final String SICK =
      """
      INSERT INTO experiments (id, key, name, status, seed)
      VALUES (3, 'sick', 'Sick', 'ACTIVE', 's'), (4, 'no-control', 'No control', 'ACTIVE', 's'), (5, 'controls', 'Controls', 'ACTIVE', 's');
      INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
      VALUES (31, 3, 'control', 'Control', 100, true), (41, 4, 'a', 'A', 50, false), (42, 4, 'b', 'B', 40, false),
             (51, 5, 'a', 'A', 50, true), (52, 5, 'b', 'B', 50, true);
      INSERT INTO users (user_id) SELECT 'sick' || n FROM generate_series(1, 100) n;
      INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at)
      SELECT 3, 'sick' || n, 31, 'hash', now() - interval '20 days' FROM generate_series(1, 100) n;
      INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
      SELECT gen_random_uuid(), date_trunc('day', now(), 'UTC') - (3 + n % 9) * interval '1 day', 3, 'sick' || n, 31, 'exposure', '{}'
      FROM generate_series(1, 100) n;
      INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
      SELECT gen_random_uuid(), date_trunc('day', now(), 'UTC') - (3 + n % 9) * interval '1 day' + interval '1 hour', 3, 'sick' || n, 31, 'purchase',
             jsonb_build_object('revenue', CASE n WHEN 1 THEN 1000 ELSE 1 END)
      FROM generate_series(1, 100) n;
      INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
      SELECT gen_random_uuid(), date_trunc('day', now(), 'UTC') - interval '1 day' + n * interval '1 minute', 3, 'sick2', 31, 'page_view', '{}'
      FROM generate_series(1, 13) n;
      """;

  private static String event(
      String id,
      String age,
      long experiment,
      String user,
      String variant,
      String type,
      String properties) {
    return """
        INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
        VALUES ('00000000-0000-0000-0000-0000000000%s', now() - interval '%s', %d, '%s', %s, '%s', '%s');
        """
        .formatted(id, age, experiment, user, variant, type, properties);
  }

  @Test
  void snapshotStreamSavepointAndRescaleGiveTheSameNumbersAsPostgres() throws Exception {
    execute(EXPERIMENTS, USERS);
    start(2, null);
    assertEqualSides();
    assertThat(clickHouse.count("SELECT count() FROM events_processed")).isEqualTo(50);
    assertThat(clickHouse.count("SELECT count() FROM experiment_daily_stats FINAL")).isPositive();

    execute(
        event("01", "2 days", 1, "u1", "11", "exposure", "{}"), // u1 is assigned 12
        event("02", "2 days", 1, "u2", "NULL", "exposure", "{}"),
        event("03", "6 days", 1, "u3", "12", "conversion", "{}"),
        event("04", "2 days", 1, "u4", "21", "page_view", "{}"),
        event("05", "2 days", 1, "u5", "99", "page_view", "{}"),
        event("06", "2 days", 77, "u6", "11", "exposure", "{}"),
        event("07", "2 days", 1, "u40", "11", "exposure", "{}"),
        event("08", "-2 days", 1, "u8", "11", "exposure", "{}"),
        event("09", "2 days", 1, "u9", "12", "purchase", "{\"revenue\": -5}"),
        event("10", "2 days", 1, "u10", "11", "purchase", "[1]"),
        event("11", "2 days", 1, "u11", "12", "conversion", "{}"),
        event("11", "1 days", 1, "u11", "12", "conversion", "{}"),
        event("12", "2 days", 1, "u12", "11", "conversion", "{}"),
        event("12", "1 days", 1, "u12", "11", "purchase", "{\"revenue\": 1}"),
        event(
            "13", "70 days", 1, "u14", "11", "page_view", "{}"), // the experiment began 60 days ago
        event("14", "20 days", 1, "u25", "12", "exposure", "{}"),
        event("15", "2 days", 1, "u25", "12", "purchase", "{\"revenue\": 1}"),
        event("16", "100 days", 1, "u26", "11", "page_view", "{}"),
        event("17", "2 days", 1, "u27", "12", "mystery", "{}"),
        event("18", "2 days", 1, "u28", "11", "page_view", "{}")
            .replace("properties)", "properties, assignment_at)")
            .replace("'{}')", "'{}', now())"),
        "UPDATE assignments SET enrolled_at = now() - interval '1 day' WHERE experiment_id = 1 AND user_id = 'u21'",
        "UPDATE assignments SET enrolled_at = now() - interval '6 days' WHERE experiment_id = 1 AND user_id = 'u22'",
        "UPDATE assignments SET version = 2 WHERE experiment_id = 1 AND user_id = 'u23'",
        "UPDATE experiments SET status = 'PAUSED' WHERE id = 2",
        "UPDATE assignments SET variant_id = 11 WHERE experiment_id = 1 AND user_id = 'u13'",
        "ALTER TABLE assignments DROP CONSTRAINT assignments_experiment_id_user_id_key",
        """
        INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at)
        SELECT experiment_id, user_id, 11 + 12 - variant_id, 'api', assigned_at - interval '1 hour' * (CASE user_id WHEN 'u29' THEN 1 ELSE -1 END)
        FROM assignments WHERE experiment_id = 1 AND user_id IN ('u28', 'u29', 'u30')
        """,
        "UPDATE events SET properties = '{\"revenue\": 3}' WHERE user_id = 'u15' AND event_type = 'purchase'",
        "DELETE FROM events WHERE user_id = 'u16' AND event_type <> 'exposure'",
        "DELETE FROM users WHERE user_id = 'u17'",
        SICK);
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(
            () ->
                assertThat(findings("OPEN"))
                    .contains(
                        "H-CROSSOVER-RATE",
                        "H-MISSING-VARIANT",
                        "H-NO-EXPOSURES",
                        "H-METRIC-MISSING",
                        "H-VOLUME",
                        "H-OUTLIER",
                        "H-BOT",
                        "R-NO-CONTROL",
                        "R-MULTI-CONTROL",
                        "R-ALLOCATION-SUM"));
    assertEqualSides();
    assertThat(findings("OPEN"))
        .contains(
            "R-ORPHAN-EXPERIMENT",
            "R-ORPHAN-VARIANT",
            "R-ORPHAN-ASSIGNMENT",
            "R-VARIANT-NOT-IN-EXPERIMENT",
            "R-VARIANT-MISMATCH",
            "R-VARIANT-NULL",
            "A-CROSSOVER",
            "A-OVERRIDE",
            "A-REASSIGNED",
            "T-EVENT-BEFORE-ASSIGNMENT",
            "T-CONVERSION-BEFORE-EXPOSURE",
            "T-FUTURE",
            "T-LATE",
            "T-NOT-RUNNING",
            "T-OUT-OF-WINDOW",
            "T-ENROLLED-BEFORE-ASSIGNED",
            "T-ENROLL-MISMATCH",
            "T-ASSIGNMENT-AT-DRIFT",
            "A-VERSION-SKEW",
            "A-DUP-ASSIGNMENT",
            "S-UNKNOWN-EVENT-TYPE",
            "D-DUP-EVENT",
            "D-CONFLICTING-DUP",
            "S-BAD-PROPERTY",
            "S-UNPARSEABLE",
            "C-UPDATE-IMMUTABLE",
            "C-DELETE-ERASURE",
            "C-DELETE-UNEXPECTED",
            "H-SRM")
        .doesNotContain("S-SCHEMA-DRIFT");
    assertThat(clickHouse.count("SELECT count() FROM events_processed FINAL WHERE user_id = 'u17'"))
        .as("rows of the erased user")
        .isZero();

    String savepoint = stopWithSavepoint();
    execute(
        "INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at) VALUES (1, 'u40', 11, 'hash', now() - interval '3 days')",
        event("20", "3 days", 1, "u20", "11", "purchase", "{\"revenue\": 0.1}"),
        event("21", "0 days", 2, "u24", "21", "page_view", "{}"), // the experiment is paused
        "DELETE FROM events WHERE timestamp < now() - interval '95 days'",
        "DELETE FROM assignments WHERE experiment_id = 1 AND user_id = 'u30' AND source = 'hash'",
        """
        UPDATE events SET assignment_at = (SELECT a.assigned_at FROM assignments a WHERE a.experiment_id = 1
            AND a.user_id = events.user_id AND a.source = 'hash') WHERE assignment_at IS NOT NULL
        """,
        """
        UPDATE assignments SET enrolled_at = (SELECT min(e.timestamp) FROM events e WHERE e.event_type = 'exposure'
            AND e.user_id = assignments.user_id AND e.experiment_id = 1) WHERE experiment_id = 1 AND user_id = 'u21'
        """,
        "DELETE FROM users WHERE user_id = 'u18'",
        "UPDATE experiments SET ends_at = now() - interval '30 hours' WHERE id = 1",
        "INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at) VALUES (2, 'u40', 22, 'hash', now())",
        event("23", "0 days", 2, "u40", "22", "exposure", "{}"),
        event("22", "0 days", 3, "sick3", "31", "conversion", "{}"),
        "DELETE FROM events WHERE user_id = 'sick1' AND event_type = 'purchase'",
        "UPDATE variants SET allocation_pct = 50, is_control = (id = 41) WHERE experiment_id = 4",
        "UPDATE variants SET is_control = false WHERE id = 52",
        "UPDATE experiments SET status = 'PAUSED' WHERE id = 3");
    assertThat(ExperimentEtlJob.preflight(config, environment(null)))
        .singleElement()
        .asString()
        .contains("starts without state", "events_processed", "etl_sink_progress");
    start(3, savepoint);
    assertEqualSides();
    assertThat(findings("RESOLVED"))
        .contains(
            "R-ORPHAN-ASSIGNMENT",
            "T-ENROLL-MISMATCH",
            "T-ASSIGNMENT-AT-DRIFT",
            "H-MISSING-VARIANT",
            "H-NO-EXPOSURES",
            "H-METRIC-MISSING",
            "H-VOLUME",
            "H-OUTLIER",
            "R-NO-CONTROL",
            "R-MULTI-CONTROL",
            "R-ALLOCATION-SUM");
    assertThat(
            clickHouse.query("SELECT DISTINCT code FROM data_inconsistencies FORMAT TSV").lines())
        .as("no change is visible within a millisecond of its commit")
        .contains("H-FRESHNESS");
    assertThat(findings("OPEN")).contains("C-DELETE-RETENTION");
    assertThat(
            clickHouse.query(
                "SELECT user_id, count() FROM assignments_processed FINAL WHERE experiment_id = 1"
                    + " AND user_id IN ('u28', 'u29', 'u30') GROUP BY user_id ORDER BY user_id FORMAT CSV"))
        .isEqualToIgnoringNewLines("\"u28\",2\"u29\",2\"u30\",1");
    assertThat(
            clickHouse.query(
                "SELECT user_id, has(inconsistencies, 'T-NOT-RUNNING') FROM events_processed FINAL"
                    + " WHERE experiment_id = 2 AND user_id = 'u24' FORMAT CSV"))
        .as("of an experiment whose status was known before the savepoint")
        .isEqualToIgnoringNewLines("\"u24\",1");
  }

  private void count(MetricConfig... metrics) {
    config = ConfigBuilder.from(config).withMetrics(metrics).build();
  }

  private String days(String metrics) {
    return clickHouse.query(
        "SELECT * EXCEPT _batch_id FROM experiment_daily_stats FINAL WHERE metric IN ("
            + metrics
            + ") ORDER BY ALL FORMAT TSV");
  }

  private long days(String metric, String condition) {
    return clickHouse.count(
        "SELECT count() FROM experiment_daily_stats FINAL WHERE metric = '"
            + metric
            + "' AND "
            + condition);
  }

  @Test
  void aChangedCatalogueIsCountedFromItsDayOnAndRestatedFromTheRawRows() throws Exception {
    // Of the last first exposure: some users come before it.
    LocalDate day =
        LocalDate.ofInstant(Instant.now().minus(Duration.ofHours(66)), ZoneId.of("Europe/Berlin"));
    String earlier = "day < '" + day + "'";
    MetricConfig conversion = config.statistics().metrics().get(0);
    MetricConfig revenue = config.statistics().metrics().get(1);
    MetricConfig worth = MetricConfig.mean("worth", "conversion", "revenue");
    MetricConfig later = MetricConfig.mean("later", "page_view", "seconds");
    // The user of the last one converts too: whatever the time of day, somebody does since that
    // day.
    execute(
        EXPERIMENTS,
        USERS,
        event("39", "36 hours", 1, "u30", "11", "conversion", "{\"revenue\": 5}"));
    start(2, null);
    assertEqualSides();
    String savepoint = stopWithSavepoint();
    String before = days("'conversion', 'revenue'");

    // The values of conversions are in no state.
    count(conversion, revenue, worth.withSince(day), later.withSince(day.plusDays(6)));
    start(2, savepoint, "worth");
    assertEqualSides();
    assertThat(days("'conversion', 'revenue'")).isEqualTo(before);
    assertThat(days("worth", earlier)).isZero();
    assertThat(days("worth", "value_sum > 0")).isPositive();
    long users =
        clickHouse.count(
            "SELECT sum(new_users) FROM experiment_daily_stats FINAL WHERE metric = 'worth'");
    assertThat(users).isBetween(1L, 29L);
    long version =
        clickHouse.count("SELECT max(_version) FROM experiment_daily_stats WHERE metric = 'worth'");

    execute(
        event("40", "36 hours", 1, "u20", "11", "conversion", "{\"revenue\": 7}"),
        event("41", "36 hours", 1, "u5", "12", "page_view", "{\"seconds\": 1}"),
        "DELETE FROM events WHERE user_id = 'u19' AND event_type <> 'exposure'");
    assertEqualSides();
    savepoint = stopWithSavepoint();

    count(revenue, worth.withSince(day.minusDays(20)), later.withSince(day.plusDays(6)));
    String ended = days("'conversion'");
    start(3, savepoint, "worth");
    execute(event("42", "36 hours", 1, "u2", "11", "conversion", "{\"revenue\": 0.5}"));
    AuditReport audit = audit();
    assertThat(audit.differences()).isEmpty();
    assertThat(audit.endedMetrics()).containsExactly("conversion");
    assertThat(findings("OPEN")).contains("M-STARTED", "M-ENDED");
    assertThat(days("'conversion'")).isEqualTo(ended);
    assertThat(days("worth", earlier + " AND _version > " + version)).isPositive();
    assertThat(
            clickHouse.count(
                "SELECT sum(new_users) FROM experiment_daily_stats FINAL WHERE metric = 'worth'"))
        .isEqualTo(30);
    assertThat(
            clickHouse.query(
                "SELECT DISTINCT verdict LIKE '%no longer counted since%' FROM experiment_results WHERE metric = 'conversion'"))
        .isEqualTo("1");
  }

  /** Of the running job, over all subtasks. */
  private long counted(String counter) {
    return METRICS.findMetrics(job.getJobID(), "attribute\\.\\d+\\." + counter).values().stream()
        .mapToLong(metric -> ((Counter) metric).getCount())
        .sum();
  }

  private void awaitCounted(String counter, long min) {
    await()
        .atMost(Duration.ofMinutes(2))
        .untilAsserted(() -> assertThat(counted(counter)).isGreaterThanOrEqualTo(min));
  }

  private String daysOf(int experiment) {
    return clickHouse.query(
        "SELECT * EXCEPT _batch_id FROM experiment_daily_stats FINAL WHERE experiment_id = "
            + experiment
            + " ORDER BY ALL FORMAT TSV");
  }

  @Test
  void whateverChangesFactsThatHaveSettledIsCountedAsIfTheyHadNot() throws Exception {
    config = ConfigBuilder.from(config).with(StateConfig::evictAfter, Duration.ZERO).build();
    execute(
        EXPERIMENTS,
        USERS
            .replace("'5 days'", "'15 days'")
            .replace("'4 days'", "'14 days'")
            .replace("'1 days'", "'11 days'"),
        event("50", "12 days", 2, "u20", "21", "exposure", "{}"),
        event("51", "12 days", 2, "u21", "21", "exposure", "{}"),
        "UPDATE experiments SET ends_at = now() - interval '5 days'");
    start(2, null);
    // 31 users in the first experiment, 30 in the second.
    awaitCounted("evictedExperiments", 61);

    execute(
        event("52", "8 days", 1, "u1", "12", "conversion", "{}"),
        "UPDATE events SET properties = '{\"revenue\": 1000}' WHERE user_id = 'u3' AND event_type = 'purchase'",
        "DELETE FROM events WHERE user_id = 'u2' AND event_type = 'conversion'",
        "UPDATE assignments SET variant_id = 11 WHERE user_id = 'u5' AND experiment_id = 1",
        "DELETE FROM users WHERE user_id = 'u4'");
    assertEqualSides();
    // The erased user was in both.
    awaitCounted("rehydratedExperiments", 6);
    assertThat(clickHouse.count("SELECT count() FROM events_processed FINAL WHERE user_id = 'u4'"))
        .isZero();

    String before = daysOf(1);
    execute("UPDATE experiments SET ends_at = now() - interval '13 days 12 hours' WHERE id = 1");
    assertEqualSides();
    assertThat(daysOf(1)).isNotEqualTo(before);
    awaitCounted("rehydratedExperiments", 6 + 26);
    assertThat(findings("OPEN")).doesNotContain("T-LATE-BEYOND-STATE");

    String days = daysOf(2);
    clickHouse.query(
        "ALTER TABLE events_processed DELETE WHERE experiment_id = 2 AND user_id = 'u20' SETTINGS mutations_sync = 2");
    execute(event("53", "12 days", 2, "u20", "21", "exposure", "{}"));
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(() -> assertThat(findings("OPEN")).contains("T-LATE-BEYOND-STATE"));
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(
            () ->
                assertThat(
                        clickHouse.query(
                            "SELECT inconsistencies FROM events_processed FINAL WHERE experiment_id = 2 AND user_id = 'u20'"))
                    .isEqualTo("['T-LATE-BEYOND-STATE']"));
    assertThat(daysOf(2)).isEqualTo(days);
    assertThat(audit().differences().toString())
        .as("the row that ClickHouse has no more, and the user's statistics; not the late row")
        .contains("000000000050")
        .doesNotContain("000000000053");
  }

  @Test
  void badRowsBecomeFindingsAndTheRowsAroundThemGoOn() throws Exception {
    execute(
        EXPERIMENTS,
        USERS,
        "ALTER TABLE events ALTER COLUMN event_type DROP NOT NULL",
        "ALTER TABLE events DROP CONSTRAINT events_user_id_fkey");
    start(2, null);
    execute(
        "INSERT INTO assignments (experiment_id, user_id, variant_id, source) VALUES (1, 'u32', 11, 'dice')",
        event("31", "1 days", 1, "nobody", "11", "page_view", "{}"),
        "INSERT INTO events (id, timestamp, experiment_id, user_id, event_type) VALUES (gen_random_uuid(), now(), 1, 'u1', NULL)",
        "ALTER TABLE users ADD COLUMN nickname text",
        "INSERT INTO users (user_id, created_at) VALUES ('ancient', '1492-10-12')",
        event("30", "1 days", 1, "u2", "11", "exposure", "{}"));
    assertEqualSides();
    assertThat(findings("OPEN"))
        .contains(
            "S-NULL-REQUIRED",
            "S-UNPARSEABLE",
            "S-UNKNOWN-ENUM",
            "S-SCHEMA-DRIFT",
            "R-ORPHAN-USER");
    assertThat(clickHouse.count("SELECT count() FROM events_processed FINAL")).isEqualTo(52);
  }
}
