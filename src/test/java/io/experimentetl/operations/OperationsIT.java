package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.audit.Audit;
import io.experimentetl.audit.AuditReport;
import io.experimentetl.audit.AuditSettings;
import io.experimentetl.config.JobConfig;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.FlinkCluster;
import io.experimentetl.local.JavaCommand;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.local.ServerProcess;
import io.experimentetl.local.TestCluster;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.CoreOptions;
import org.apache.flink.configuration.GlobalConfiguration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/**
 * The jar's command line, run by {@code java -jar}, against a PostgreSQL, a ClickHouse and a Flink
 * cluster that {@code ./etl} did not start.
 */
class OperationsIT {
  private static final Path JAR = Path.of("target/experiment-etl.jar").toAbsolutePath();
  private static final Duration DEADLINE = Duration.ofMinutes(3);
  private static final int OK = 0;

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @TempDir(cleanup = CleanupMode.ON_SUCCESS)
  private Path folder;

  private PostgresEndpoint postgres;
  private ClickHouseEndpoint clickHouse;
  private FlinkCluster flink;
  private ServerProcess application;
  private Path config;
  private Map<String, String> secrets;

  @BeforeEach
  void startServersAndFillTheSource() throws Exception {
    postgres = PLATFORM.newPostgresDatabase("operations");
    clickHouse = PLATFORM.newClickHouseDatabase("operations");
    execute("ALTER DATABASE %1$s SET experiment_etl.slot = '%1$s'".formatted(postgres.database()));
    new SqlFiles(Path.of("sql")).applyTo(postgres.login());
    new SqlFiles(Path.of("sql")).applyTo(clickHouse.login(), true);
    execute(
        "ALTER ROLE experiment_etl PASSWORD '" + postgres.password() + "'", ShopWrites.FIRST_ROWS);
    config = folder.resolve("shop.yaml");
    Files.writeString(
        config,
        """
        # The shop's job.
        source: {host: %s, port: %d, database: %s, username: experiment_etl, slot: %s, heartbeat-interval: 500ms}
        clickhouse: {url: "%s", database: %s, username: %s}
        statistics:
          metrics:
            - {name: conversion, kind: proportion, event-type: conversion}
            # Asked for by finance.
            - {name: orders, kind: count, event-type: purchase, since: %s}
        """
            .formatted(
                postgres.host(),
                postgres.port(),
                postgres.database(),
                postgres.database(),
                clickHouse.url(),
                clickHouse.database(),
                clickHouse.user(),
                day(-1)));
    secrets =
        Map.of(
            "EXPERIMENT_ETL_SOURCE_PASSWORD",
            postgres.password(),
            "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD",
            clickHouse.password());
    flink =
        FlinkCluster.start(
            folder.resolve("flink"),
            Path.of("flink-conf"),
            // A TaskManager looks for the next JobManager only after this time.
            TestCluster.settings(Map.of("heartbeat.interval", "1000", "heartbeat.timeout", "5000")),
            secrets,
            1);
  }

  @AfterEach
  void stopServers() throws SQLException {
    if (application != null) {
      application.stop(Duration.ofSeconds(10));
    }
    flink.stop();
    execute(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL AND database = current_database()");
    await()
        .atMost(DEADLINE)
        .untilAsserted(
            () ->
                execute(
                    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()"));
  }

  private static LocalDate day(int fromToday) {
    return LocalDate.now(ZoneOffset.UTC).plusDays(fromToday);
  }

  private void execute(String... statements) throws SQLException {
    try (Connection connection = postgres.connect();
        Statement statement = connection.createStatement()) {
      for (String sql : statements) {
        statement.execute(sql);
      }
    }
  }

  /** A verb in a JVM of its own, whose output goes to a file. */
  private record Verb(Process process, Path output) {
    String text() throws IOException {
      return Files.readString(output);
    }

    String awaitExit(int code) throws Exception {
      assertThat(process.waitFor(DEADLINE.toSeconds(), TimeUnit.SECONDS)).as(text()).isTrue();
      assertThat(process.exitValue()).as(text()).isEqualTo(code);
      return text();
    }

    /** The first group of a pattern in the output. */
    String await(String pattern) {
      Pattern wanted = Pattern.compile(pattern);
      return org.awaitility.Awaitility.await()
          .atMost(DEADLINE)
          .until(
              () -> {
                Matcher matcher = wanted.matcher(text());
                boolean found = matcher.find();
                assertThat(found || process.isAlive()).as(text()).isTrue();
                return found ? matcher.group(1) : null;
              },
              found -> found != null);
    }
  }

  private Verb start(String... words) throws IOException {
    List<String> line =
        new ArrayList<>(
            List.of(
                JavaCommand.java(),
                "-Xmx256m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-jar",
                JAR.toString()));
    line.addAll(Arrays.asList(words));
    Path output = Files.createTempFile(folder, words[0], ".out");
    ProcessBuilder builder =
        new ProcessBuilder(line)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile());
    builder.environment().putAll(secrets);
    return new Verb(builder.start(), output);
  }

  /** Runs a verb that needs the databases. */
  private String databases(String verb, String... words) throws Exception {
    return run(OK, verb, List.of("--config", config.toString()), words);
  }

  /** Runs a verb that needs the cluster too. */
  private String cluster(String verb, String... words) throws Exception {
    return run(OK, verb, clusterOptions(), words);
  }

  private List<String> clusterOptions() {
    return List.of("--config", config.toString(), "--flink", flink.endpoint().url());
  }

  private String run(int code, String verb, List<String> options, String... words)
      throws Exception {
    return verb(verb, options, words).awaitExit(code);
  }

  private Verb verb(String verb, List<String> options, String... words) throws IOException {
    List<String> all = new ArrayList<>(List.of(verb));
    all.addAll(options);
    all.addAll(List.of(words));
    return start(all.toArray(String[]::new));
  }

  private FlinkEndpoint.Job job() {
    return flink.endpoint().activeJob(ExperimentEtlJob.NAME).orElseThrow();
  }

  /** Awaits a healthy state: a job that was just started, or a busy machine, may answer late. */
  private String awaitHealthy() throws Exception {
    new FirstCheckpoint(flink.endpoint(), line -> {}).await(job().id());
    long end = System.nanoTime() + DEADLINE.toNanos();
    while (true) {
      Verb status = verb("status", clusterOptions());
      assertThat(status.process().waitFor(DEADLINE.toSeconds(), TimeUnit.SECONDS)).isTrue();
      if (status.process().exitValue() == OK) {
        return status.text();
      }
      assertThat(System.nanoTime()).as(status.text()).isLessThan(end);
    }
  }

  /** What the verb verify does, in this process. A difference stays, so that not each step asks. */
  private void assertVerified() {
    AuditReport report =
        new Audit(
                AuditSettings.of(
                    JobConfig.load(config, secrets),
                    postgres.jdbcUrl(),
                    postgres.user(),
                    postgres.password(),
                    clickHouse.login().connection(),
                    DEADLINE))
            .run();
    assertThat(report.isEqual()).as(report.toString()).isTrue();
  }

  @Test
  void verbsOperateAJobThatFlinkRunHasSubmitted() throws Exception {
    assertThat(start("--version").awaitExit(OK)).startsWith("experiment-etl 0.");
    assertThat(start("help").awaitExit(OK)).contains("status", "resync", "dead-letters");

    // As flink run does: the job's class is the manifest's program-class.
    flink.endpoint().submit(JAR, List.of("--config", config.toString()), Optional.empty(), 2);
    flink.endpoint().awaitAllTasksRunning(job().id(), DEADLINE);
    assertThat(databases("verify")).contains("equal");
    assertThat(awaitHealthy())
        .contains("RUNNING", postgres.database(), "all is visible up to")
        .doesNotContain("UNHEALTHY", postgres.password());
    assertThat(databases("report", "checkout")).contains("report-checkout.html");
    assertThat(folder.resolve("report-checkout.html")).content().contains("Checkout");
    assertThat(databases("dead-letters")).contains("0 rows are not delivered");
    assertThat(databases("forget")).contains("0 erased users forgotten");

    String first = job().id();
    String redeployed = cluster("redeploy", "--parallelism", "1");
    assertThat(redeployed).contains("savepoint file:", "runs from it", "is complete");
    assertThat(cluster("status")).as("right behind redeploy").doesNotContain("no checkpoint yet");
    assertThat(job().id()).isNotEqualTo(first);

    assertThat(cluster("restate", "--metric", "orders", "--from", day(-30).toString()))
        .contains("orders counts users first exposed on or after " + day(-30));
    assertThat(Files.readString(config)).contains("# Asked for by finance.", "since: " + day(-30));
    assertVerified();
    assertCorrectedAllocationJudgesAllDays();

    try (ShopWrites writes = new ShopWrites(postgres, Duration.ofMillis(50))) {
      assertGreenTakesOver();
      assertThat(writes.rounds()).isGreaterThan(100);
    }
    assertVerified();

    assertThat(run(1, "submit", clusterOptions())).contains("is RUNNING already");
    flink.endpoint().cancel(job().id());
    await().until(() -> flink.endpoint().activeJob(ExperimentEtlJob.NAME).isEmpty());
    execute("SELECT pg_drop_replication_slot('" + postgres.database() + "')");
    execute("DELETE FROM events WHERE user_id = 'u4'");
    assertThat(run(1, "submit", clusterOptions())).contains("resync");
    String resynced = cluster("resync");
    assertThat(resynced)
        .contains("made the replication slot", "everything is read", "gone at the source");
    assertThat(folder.resolve("shop-operations")).isDirectoryContaining("glob:**.tsv");
    assertVerified();
    assertThat(awaitHealthy()).contains("RUNNING");
  }

  /** Ten users are in each variant. The weight was wrong when they were assigned. */
  private void assertCorrectedAllocationJudgesAllDays() throws Exception {
    execute(
        "UPDATE variants SET allocation_pct = 25 + 50 * (id - 1), updated_at = now() WHERE experiment_id = 1");
    awaitOpen("R-ALLOCATION-CHANGED");
    assertThat(expectedUsers()).as("an intended change").doesNotContain("[5,15]");

    assertThat(cluster("restate", "--allocation", "checkout"))
        .contains(
            "savepoint file:",
            "all users of experiment checkout are tested against its present allocation",
            "is complete");
    await().atMost(DEADLINE).until(this::expectedUsers, "[5,15]"::equals);
    assertVerified();
    assertThat(run(1, "restate", clusterOptions(), "--allocation", "chekout"))
        .contains("no experiment with the key or id chekout", "SELECT id, key, name");
  }

  private void awaitOpen(String code) {
    await()
        .atMost(DEADLINE)
        .until(
            () ->
                clickHouse
                    .query(
                        "SELECT count() > 0 FROM data_inconsistencies FINAL WHERE code = '%s'"
                            .formatted(code))
                    .equals("1"));
  }

  /** Of all days on which all twenty users were assigned. */
  private String expectedUsers() {
    return clickHouse.query(
        "SELECT DISTINCT arrayMap(e -> round(e, 6), expected_users) FROM experiment_health_daily FINAL WHERE experiment_id = 1 AND arraySum(assigned_users) = 20");
  }

  private List<String> slots() throws SQLException {
    try (Connection connection = postgres.connect();
        Statement statement = connection.createStatement();
        ResultSet rows =
            statement.executeQuery(
                "SELECT slot_name || ' ' || failover FROM pg_replication_slots WHERE database = current_database()")) {
      List<String> slots = new ArrayList<>();
      while (rows.next()) {
        slots.add(rows.getString(1));
      }
      return slots;
    }
  }

  private String databasesLike(String pattern) {
    return clickHouse.query(
        "SELECT count() FROM system.databases WHERE name LIKE '%s'"
            .formatted(clickHouse.database() + pattern));
  }

  /** The job's name, its database and its slot stay. BlueGreenIT has what else the verb does. */
  private void assertGreenTakesOver() throws Exception {
    String blue = job().id();
    List<String> slots = slots();
    assertThat(run(1, "bluegreen", clusterOptions(), "exchange")).contains("run bluegreen start");
    assertThat(cluster("bluegreen", "start", "--parallelism", "2"))
        .contains("copied the replication slot", "the job goes on", "it has caught up");
    assertThat(run(1, "redeploy", clusterOptions())).contains("bluegreen start has begun");
    assertThat(job().id()).isEqualTo(blue);
    assertThat(cluster("bluegreen", "compare")).contains("equal");
    assertThat(cluster("bluegreen", "exchange"))
        .contains("the tables are exchanged", "the green job continues as");
    assertThat(slots()).isEqualTo(slots);
    assertThat(job().id()).isNotEqualTo(blue);
    assertThat(databasesLike("_green%")).isEqualTo("0");
    assertThat(databasesLike("_before_%")).isEqualTo("1");
  }

  /** Starts the cluster with its job, as a deployment tool does. */
  private void deploy(String savepoint, String... arguments) {
    Path conf = folder.resolve("flink/conf").toAbsolutePath();
    List<String> line =
        new ArrayList<>(
            List.of(JavaCommand.java(), "-Xmx768m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
    line.addAll(
        List.of(
            GlobalConfiguration.loadConfiguration(conf.toString())
                .get(CoreOptions.FLINK_JVM_OPTIONS)
                .split(" ")));
    line.addAll(
        List.of(
            "-Dlog4j.configurationFile=file:" + conf.resolve("log4j-console.properties"),
            "-Dlog.file=" + folder.resolve("application.log"),
            "-cp",
            FlinkCluster.classPath()
                + File.pathSeparator
                + JavaCommand.classPathOf(ApplicationClusterMain.class),
            ApplicationClusterMain.class.getName(),
            conf.toString(),
            JAR.toString(),
            savepoint));
    line.addAll(List.of(arguments));
    application =
        ServerProcess.start(
            new ServerProcess.Command(
                "Flink application cluster",
                line,
                secrets,
                Path.of("").toAbsolutePath(),
                folder.resolve("application.out"),
                "TERM"));
    await()
        .atMost(DEADLINE)
        .until(
            () -> {
              assertThat(application.isAlive()).as(application.logTail()).isTrue();
              return flink.endpoint().answers();
            });
  }

  private void awaitEndOfTheCluster() {
    await().atMost(DEADLINE).until(() -> !application.isAlive());
  }

  /** Deploys with the arguments that a verb has printed. */
  private void deployAsPrinted(Verb verb, String arguments) {
    assertThat(verb.await("arguments +(--config .*)")).isEqualTo(arguments);
    String savepoint = verb.await("savepoint +(file:\\S+|none)");
    awaitEndOfTheCluster();
    deploy(savepoint, arguments.split(" "));
  }

  @Test
  void verbsPrepareAndAwaitADeploymentInApplicationMode() throws Exception {
    flink.killJobManager();
    String configured = "--config " + config;
    deploy(ApplicationClusterMain.NO_SAVEPOINT, configured.split(" "));
    assertThat(flink.endpoint().refusesJars()).isTrue();
    await()
        .atMost(DEADLINE)
        .until(() -> flink.endpoint().activeJob(ExperimentEtlJob.NAME).isPresent());
    flink.endpoint().awaitAllTasksRunning(job().id(), DEADLINE);
    assertThat(awaitHealthy()).contains("RUNNING");

    Verb redeploy = verb("redeploy", clusterOptions());
    deployAsPrinted(redeploy, configured);
    assertThat(redeploy.awaitExit(OK)).contains("application mode", "runs from it");

    Verb restate =
        verb("restate", clusterOptions(), "--metric", "orders", "--from", day(-30).toString());
    deployAsPrinted(restate, configured + " --restate orders");
    restate.awaitExit(OK);
    assertThat(Files.readString(config)).contains("since: " + day(-30));
    assertVerified();

    flink.endpoint().cancel(job().id());
    awaitEndOfTheCluster();
    execute("SELECT pg_drop_replication_slot('" + postgres.database() + "')");
    execute("DELETE FROM events WHERE user_id = 'u4'");
    Verb resync = verb("resync", clusterOptions());
    deployAsPrinted(resync, configured + " --resync");
    resync.await("(stopped at file:)");
    awaitEndOfTheCluster();
    deploy(resync.await("savepoint +(file:\\S+)"), configured.split(" "));
    assertThat(resync.awaitExit(OK)).contains("the job continues");
    assertVerified();
  }
}
