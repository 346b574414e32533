package io.experimentetl;

import static io.experimentetl.JobScenario.EXPERIMENTS;
import static io.experimentetl.JobScenario.USERS;
import static io.experimentetl.JobScenario.event;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.audit.AuditReport;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.HealthConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StateConfig;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PrometheusServer;
import io.experimentetl.warehouse.Warehouse;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.testutils.InMemoryReporter;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** The whole job between a real PostgreSQL and a real ClickHouse. */
class ExperimentEtlJobIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final int REPORTER = PrometheusServer.freePort();
  private static final InMemoryReporter METRICS = InMemoryReporter.createWithRetainedMetrics();

  @RegisterExtension
  static final MiniClusterExtension FLINK =
      new MiniClusterExtension(
          new MiniClusterResourceConfiguration.Builder()
              .setConfiguration(
                  PrometheusServer.reportTo(
                      REPORTER, METRICS.addToConfiguration(new Configuration())))
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
            .with(FindingsConfig::allocationsArePercent, true)
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
        new StartOptions(Set.of(restated), Map.of(), Map.of()),
        ExperimentEtlJob.source(config, environment, null),
        Warehouse.of(config, environment.getConfiguration()).sinks(),
        KafkaSinks.of(config));
    if (savepoint != null) {
      assertThat(new StateFit(environment, List.of()).problems(savepoint)).isEmpty();
    }
    job = environment.executeAsync(ExperimentEtlJob.NAME);
  }

  private StreamExecutionEnvironment environment(String savepoint) {
    Configuration flink = new Configuration();
    flink.setString("execution.checkpointing.interval", "500 ms");
    // Without a pause a busy machine does nothing else.
    flink.setString("execution.checkpointing.min-pause", "400 ms");
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

  private void assertAuditIsEqual() {
    assertThat(audit().differences()).isEmpty();
    assertThat(
            clickHouse.count(
                "SELECT count() - uniqExact(event_id, timestamp, _version) FROM events_processed"))
        .as("event rows that exist twice")
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

  private static final List<String> OPEN_HEALTH_FINDINGS =
      List.of(
          "H-CROSSOVER-RATE",
          "H-MISSING-VARIANT",
          "H-NO-EXPOSURES",
          "H-METRIC-MISSING",
          "H-VOLUME",
          "H-OUTLIER",
          "H-BOT",
          "R-NO-CONTROL",
          "R-MULTI-CONTROL",
          "R-ALLOCATION-SUM");

  private static final List<String> OPEN_FINDINGS =
      List.of(
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
          "H-SRM");

  private static final List<String> RESOLVED_FINDINGS =
      List.of(
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

  @Test
  void snapshotStreamSavepointAndRescaleAgreeWithPostgres() throws Exception {
    execute(EXPERIMENTS, USERS);
    start(2, null);
    assertAuditIsEqual();
    assertThat(clickHouse.count("SELECT count() FROM events_processed")).isEqualTo(50);
    assertThat(clickHouse.count("SELECT count() FROM experiment_daily_stats FINAL")).isPositive();

    execute(JobScenario.everyFault());
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(() -> assertThat(findings("OPEN")).containsAll(OPEN_HEALTH_FINDINGS));
    assertAuditIsEqual();
    assertThat(findings("OPEN")).containsAll(OPEN_FINDINGS).doesNotContain("S-SCHEMA-DRIFT");
    assertThat(clickHouse.count("SELECT count() FROM events_processed FINAL WHERE user_id = 'u17'"))
        .as("rows of the erased user")
        .isZero();

    String savepoint = stopWithSavepoint();
    execute(JobScenario.corrections());
    assertThat(ExperimentEtlJob.preflight(config, environment(null)))
        .singleElement()
        .asString()
        .contains("starts without state", "events_processed", "etl_sink_progress");
    start(3, savepoint);
    assertAuditIsEqual();
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(() -> assertThat(findings("RESOLVED")).containsAll(RESOLVED_FINDINGS));
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
        .as("the status was known before the savepoint")
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

  private long usersCountedIn(String metric) {
    return clickHouse.count(
        "SELECT sum(new_users) FROM experiment_daily_stats FINAL WHERE metric = '" + metric + "'");
  }

  @Test
  void changedMetricsCountFromTheirDayAndAreRestatedFromRawRows() throws Exception {
    // The day of the last first exposure: some users were exposed earlier.
    LocalDate day =
        LocalDate.ofInstant(Instant.now().minus(Duration.ofHours(66)), ZoneId.of("Europe/Berlin"));
    String earlier = "day < '" + day + "'";
    MetricConfig conversion = config.statistics().metrics().get(0);
    MetricConfig revenue = config.statistics().metrics().get(1);
    MetricConfig worth = MetricConfig.mean("worth", "conversion", "revenue");
    MetricConfig later = MetricConfig.mean("later", "page_view", "seconds");
    // The user with the last exposure converts too, so that somebody does at any time of day.
    execute(
        EXPERIMENTS,
        USERS,
        event("39", "36 hours", 1, "u30", "11", "conversion", "{\"revenue\": 5}"));
    start(2, null);
    assertAuditIsEqual();
    String savepoint = stopWithSavepoint();
    String before = days("'conversion', 'revenue'");

    // State does not hold the values of conversions.
    count(conversion, revenue, worth.withSince(day), later.withSince(day.plusDays(6)));
    start(2, savepoint, "worth");
    assertAuditIsEqual();
    assertThat(days("'conversion', 'revenue'")).isEqualTo(before);
    assertThat(days("worth", earlier)).isZero();
    assertThat(days("worth", "value_sum > 0")).isPositive();
    assertThat(usersCountedIn("worth")).isBetween(1L, 29L);
    long version =
        clickHouse.count("SELECT max(_version) FROM experiment_daily_stats WHERE metric = 'worth'");

    execute(
        event("40", "36 hours", 1, "u20", "11", "conversion", "{\"revenue\": 7}"),
        event("41", "36 hours", 1, "u5", "12", "page_view", "{\"seconds\": 1}"),
        "DELETE FROM events WHERE user_id = 'u19' AND event_type <> 'exposure'");
    assertAuditIsEqual();
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
    assertThat(usersCountedIn("worth")).isEqualTo(30);
    assertThat(
            clickHouse.query(
                "SELECT DISTINCT verdict LIKE '%no longer counted since%' FROM experiment_results WHERE metric = 'conversion'"))
        .isEqualTo("1");
  }

  /** A counter of the running job's attribute operator, summed over all subtasks. */
  private long counted(String counter) {
    return METRICS
        .findMetrics(job.getJobID(), "attribute\\.\\d+\\.etl\\." + counter)
        .values()
        .stream()
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
  void changesOfEvictedFactsCountAsIfNothingWasEvicted() throws Exception {
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
    awaitCounted("evicted_experiments_total", 61);

    execute(
        event("52", "8 days", 1, "u1", "12", "conversion", "{}"),
        "UPDATE events SET properties = '{\"revenue\": 1000}' WHERE user_id = 'u3' AND event_type = 'purchase'",
        "DELETE FROM events WHERE user_id = 'u2' AND event_type = 'conversion'",
        "UPDATE assignments SET variant_id = 11 WHERE user_id = 'u5' AND experiment_id = 1",
        "DELETE FROM users WHERE user_id = 'u4'");
    assertAuditIsEqual();
    // The erased user was in both experiments.
    awaitCounted("rehydrated_experiments_total", 6);
    assertThat(clickHouse.count("SELECT count() FROM events_processed FINAL WHERE user_id = 'u4'"))
        .isZero();

    String before = daysOf(1);
    execute("UPDATE experiments SET ends_at = now() - interval '13 days 12 hours' WHERE id = 1");
    assertAuditIsEqual();
    assertThat(daysOf(1)).isNotEqualTo(before);
    awaitCounted("rehydrated_experiments_total", 6 + 26);
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
        .as("the row that ClickHouse has lost and the user's statistics, not the late row")
        .contains("000000000050")
        .doesNotContain("000000000053");
  }

  @Test
  void badRowsBecomeFindingsAndOtherRowsContinue(@InjectMiniCluster MiniCluster flink)
      throws Exception {
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
        "INSERT INTO events (id, timestamp, experiment_id, user_id, event_type) VALUES (gen_random_uuid(), '1492-10-12', 1, 'u3', 'page_view')",
        "ALTER TABLE variants ALTER COLUMN description TYPE integer USING NULL",
        "UPDATE variants SET description = NULL WHERE id = 11",
        event("30", "1 days", 1, "u2", "11", "exposure", "{}"));
    assertAuditIsEqual();
    assertThat(findings("OPEN"))
        .contains(
            "S-NULL-REQUIRED",
            "S-UNPARSEABLE",
            "T-OUT-OF-RANGE",
            "S-UNKNOWN-ENUM",
            "S-SCHEMA-DRIFT",
            "R-ORPHAN-USER");
    assertThat(
            clickHouse.query(
                "SELECT subject_key FROM data_inconsistencies FINAL WHERE code = 'S-SCHEMA-DRIFT'"))
        .as("the column with another type, not the added one")
        .contains("description")
        .doesNotContain("nickname");
    assertThat(clickHouse.count("SELECT count() FROM events_processed FINAL")).isEqualTo(52);
    assertWatched(flink);
  }

  private void assertWatched(MiniCluster flink) throws Exception {
    try (WatchedJob watched =
        new WatchedJob(databases, config, folder, REPORTER, flink.getRestAddress().get())) {
      watched.record(audit());
      watched.assertMetricsAreDocumented();
      watched.assertPipelineDashboardHasData();
      watched.assertExperimentsDashboardHasData();
      watched.awaitAlerts("EtlErrorFindings", "EtlDeadLetters");
    }
  }
}
