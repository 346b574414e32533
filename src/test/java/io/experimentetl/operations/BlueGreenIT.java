package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.audit.AuditReport;
import io.experimentetl.local.JavaCommand;
import io.experimentetl.local.Platform;
import io.experimentetl.local.PlatformAddresses;
import io.experimentetl.local.PlatformOptions;
import io.experimentetl.local.TestCluster;
import io.experimentetl.local.demo.RunningJob;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** A second job beside the running one, and processes that are killed between two of its steps. */
class BlueGreenIT {
  private static final Path HOME = Path.of("").toAbsolutePath();
  private static final Path JAR = HOME.resolve("target/experiment-etl.jar");
  private static final Duration DEADLINE = Duration.ofMinutes(4);
  private static final String ONE = "--parallelism=1";

  @TempDir(cleanup = CleanupMode.ON_SUCCESS)
  private static Path folder;

  private static Platform platform;
  private static PlatformAddresses addresses;

  private ShopWrites writes;

  @BeforeAll
  static void startServersAndFillTheSource() throws SQLException {
    PlatformOptions options = PlatformOptions.defaults();
    // The TaskManagers let go of their slots when they miss the JobManager for this time.
    TestCluster.settings(Map.of("heartbeat.interval", "1000", "heartbeat.timeout", "10000"))
        .forEach(options::withFlinkSetting);
    options.withJobSetting("outbox.stuck-after", "2s");
    options.withJobSetting("retention.postgres.events", "2000d");
    options.withJobSetting("retention.clickhouse.events", "3650d");
    platform = Platform.start(folder, HOME, options);
    addresses = platform.addresses();
    execute(
        "SELECT create_events_partition((now() - days * interval '1 day')::date) FROM unnest(ARRAY[-2, 0, 10, 800]) days",
        ShopWrites.FIRST_ROWS);
  }

  @AfterAll
  static void stopServers() {
    platform.close();
  }

  @BeforeEach
  void startTheBlueJobAndItsWrites() {
    if (addresses.flink().activeJob(ExperimentEtlJob.NAME).isEmpty()) {
      submit();
    }
    RunningJob.of(addresses, JAR, job()).awaitVisible();
    writes =
        new ShopWrites(
            addresses.postgres(),
            Duration.ofMillis(100),
            "INSERT INTO outbox_events (aggregate_id, aggregate_type, event_type, payload) VALUES ('u%1$d', 'assignment', 'ASSIGNMENT_CREATED', '{\"id\": %1$d}')");
  }

  @AfterEach
  void endTheWrites() throws Exception {
    writes.close();
    if (new BlueGreenMemory(addresses.deployment(JAR).memory()).state().isPresent()) {
      bluegreen("abort");
    }
  }

  private static void submit() {
    Deployment deployment = addresses.deployment(JAR);
    new JobDeployment(deployment, line -> {})
        .submit(deployment.memory().latestState(addresses.flink()), 1, List.of());
  }

  private static String job() {
    return addresses.flink().activeJob(ExperimentEtlJob.NAME).orElseThrow().id();
  }

  private static void execute(String... statements) throws SQLException {
    try (Connection connection = addresses.postgres().connect();
        Statement statement = connection.createStatement()) {
      for (String sql : statements) {
        statement.execute(sql);
      }
    }
  }

  /** Runs an action of the verb in this process, and returns what it prints. */
  private static String bluegreen(String... arguments) throws Exception {
    return run(0, new BlueGreenCommand(new HeldBlueGreen.OnPlatform(addresses, JAR)), arguments);
  }

  private static String run(int exitCode, Callable<Integer> verb, String... arguments)
      throws Exception {
    StringWriter out = new StringWriter();
    CommandLine line = new CommandLine(verb).setOut(new PrintWriter(out));
    line.parseArgs(arguments);
    assertThat(verb.call()).as(out.toString()).isEqualTo(exitCode);
    return out.toString();
  }

  private enum End {
    /** SIGKILL: nothing is cleaned up. */
    KILLED,
    /** SIGTERM. */
    INTERRUPTED
  }

  /** Runs an action in a process of its own, which ends behind a line that begins so. */
  private static void bluegreenThatEndsAt(String line, End end, String... arguments)
      throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                JavaCommand.java(),
                "-Xmx256m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                HeldBlueGreen.class.getName(),
                folder.toString(),
                JAR.toString(),
                line));
    command.addAll(List.of(arguments));
    Path output = Files.createTempFile(folder, "held", ".out");
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      await()
          .atMost(DEADLINE)
          .until(
              () -> {
                assertThat(process.isAlive()).as(Files.readString(output)).isTrue();
                return Files.readString(output).endsWith("held\n");
              });
    } finally {
      if (end == End.KILLED) {
        process.destroyForcibly();
      } else {
        process.destroy();
      }
      assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
    }
  }

  private static List<String> slots() {
    List<String> slots = new ArrayList<>();
    try (Connection connection = addresses.postgres().connect();
        Statement statement = connection.createStatement();
        var rows =
            statement.executeQuery("SELECT slot_name FROM pg_replication_slots ORDER BY 1")) {
      while (rows.next()) {
        slots.add(rows.getString(1));
      }
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
    return slots;
  }

  private static String query(String sql) {
    return addresses.clickHouse().query(sql);
  }

  private static void assertNothingIsLeft() {
    assertThat(slots()).as("replication slots").containsExactly("experiment_etl");
    assertThat(query("SELECT count() FROM system.databases WHERE name LIKE '%\\_green%'"))
        .as("databases of the green job")
        .isEqualTo("0");
    assertThat(addresses.flink().activeJob(ExperimentEtlJob.GREEN_NAME)).as("green job").isEmpty();
    assertThat(new BlueGreenMemory(addresses.deployment(JAR).memory()).state()).isEmpty();
    requireMerges();
  }

  /** OPTIMIZE is refused while merges are stopped. */
  private static void requireMerges() {
    query("OPTIMIZE TABLE users FINAL");
    query("OPTIMIZE TABLE events_processed FINAL");
  }

  private static void assertVerified() {
    RunningJob running = RunningJob.of(addresses, JAR, job());
    running.awaitVisible();
    AuditReport report = running.audit();
    assertThat(report.isEqual()).as(report.toString()).isTrue();
  }

  private static long openStuck() {
    return addresses
        .clickHouse()
        .count(
            "SELECT count() FROM data_inconsistencies FINAL WHERE code = 'O-STUCK' AND status = 'OPEN'");
  }

  private static long notAcknowledged() {
    return addresses
        .postgres()
        .count("SELECT count(*) FROM outbox_events WHERE processed_at IS NULL");
  }

  /** Long because its steps are one deployment. */
  @Test
  void greenJobTakesOverWithEveryRowEveryTtlAndNoFalseFinding() throws Exception {
    query("ALTER TABLE events_processed MODIFY TTL timestamp + INTERVAL 3650 DAY");
    execute(
        "INSERT INTO events (id, timestamp, experiment_id, user_id, event_type) VALUES (gen_random_uuid(), now() - interval '800 days', 1, 'u1', 'old')",
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER refuse BEFORE UPDATE ON outbox_events FOR EACH ROW EXECUTE FUNCTION refuse()");
    await().atMost(DEADLINE).until(() -> openStuck() > 0);
    String blue = job();
    String retention =
        query(
            "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'events_processed'");

    assertThat(bluegreen("start", ONE)).contains("the job goes on", "it has caught up");
    assertThat(job()).isEqualTo(blue);
    assertThat(
            query(
                "SELECT engine_full FROM system.tables WHERE database = currentDatabase() || '_green' AND name = 'events_processed'"))
        .isEqualTo(retention);
    query(
        "OPTIMIZE TABLE %s_green.events_processed FINAL"
            .formatted(addresses.clickHouse().database()));
    assertThat(bluegreen("compare")).contains("equal: run bluegreen exchange");
    execute("DROP TRIGGER refuse ON outbox_events");
    assertThat(bluegreen("exchange", ONE))
        .contains("the tables are exchanged", "the green job continues as", "checkpoint");

    assertThat(job()).isNotEqualTo(blue);
    assertNothingIsLeft();
    assertThat(query("SELECT count() FROM events_processed FINAL WHERE event_type = 'old'"))
        .isEqualTo("1");
    assertVerified();
    writes.close();
    await().atMost(DEADLINE).until(() -> notAcknowledged() == 0);
    await().atMost(DEADLINE).untilAsserted(() -> assertThat(openStuck()).isZero());
  }

  @Test
  void killedStartIsAbortedAlsoByAnotherStateDirectory() throws Exception {
    for (String line :
        List.of(
            "made the database",
            "copied the replication slot",
            "merges wait",
            "submitted the green job")) {
      bluegreenThatEndsAt(line, End.KILLED, "start", ONE);
      if (line.startsWith("copied")) {
        // What is there is found, as by a process with another state directory.
        Files.delete(addresses.deployment(JAR).memory().file("bluegreen.json"));
      }
      assertThat(bluegreen("abort")).as(line).contains("the blue job goes on");
      assertNothingIsLeft();
    }
    assertThatThrownBy(() -> bluegreen("abort")).hasMessage("there is nothing to abort");
  }

  /** Long because a green job takes its time to start: each comparison is one of this one's. */
  @Test
  void killedStartIsRepeatedAndItsComparisonListsTheRowsThatDiffer() throws Exception {
    String blue = job();
    execute(
        "INSERT INTO events (id, timestamp, experiment_id, user_id, event_type) VALUES (gen_random_uuid(), now() - interval '10 days', 1, 'u2', 'expiring')");
    RunningJob.of(addresses, JAR, blue).awaitVisible();
    query(
        "ALTER TABLE events_processed MODIFY TTL timestamp + INTERVAL 9 DAY SETTINGS materialize_ttl_after_modify = 0");
    try {
      bluegreenThatEndsAt("copied the replication slot", End.KILLED, "start", ONE);
      assertThat(bluegreen("start", ONE)).contains("it has caught up");
      query("OPTIMIZE TABLE events_processed FINAL");
      assertThat(bluegreen("compare"))
          .as("without the expired rows that one side has removed")
          .contains("equal: run bluegreen exchange");

      query(
          "ALTER TABLE %s_green.assignments_processed DELETE WHERE user_id = 'u3' SETTINGS mutations_sync = 1"
              .formatted(addresses.clickHouse().database()));
      assertThat(
              run(1, new BlueGreenCommand(new HeldBlueGreen.OnPlatform(addresses, JAR)), "compare"))
          .containsPattern("assignments_processed +0 +0 +1")
          .contains("bluegreen-differences.tsv");
      assertThatThrownBy(() -> bluegreen("exchange", ONE))
          .hasMessageContaining("no comparison has found both databases equal");
    } finally {
      query("ALTER TABLE events_processed MODIFY TTL timestamp + INTERVAL 3650 DAY");
      execute("DELETE FROM events WHERE timestamp < now() - interval '9 days'");
    }
    assertThat(bluegreen("abort")).contains("the blue job goes on");
    assertThat(job()).isEqualTo(blue);
    assertNothingIsLeft();
  }

  @Test
  void interruptedStartLetsMergesGoOn() throws Exception {
    bluegreenThatEndsAt("merges wait", End.INTERRUPTED, "start", ONE);

    requireMerges();
  }

  @Test
  void startRefusesADatabaseThatIsNotItsOwn() throws Exception {
    String database = addresses.clickHouse().database() + "_green_moment";
    query("CREATE DATABASE " + database);
    try {
      assertThatThrownBy(() -> bluegreen("start", ONE)).hasMessageContaining(database);
      assertThat(query("SELECT count() FROM system.databases WHERE name = '" + database + "'"))
          .as("databases of somebody else")
          .isEqualTo("1");
    } finally {
      query("DROP DATABASE IF EXISTS " + database);
    }
    assertNothingIsLeft();
  }

  @Test
  void killedExchangeIsContinued() throws Exception {
    bluegreen("start", ONE);
    bluegreen("compare");
    String green = "SELECT toString(uuid) FROM system.tables WHERE database = '%s' AND name = '%s'";
    String events =
        query(green.formatted(addresses.clickHouse().database() + "_green", "events_processed"));

    for (String line :
        List.of(
            "the blue job has stopped",
            "the green job has stopped",
            "exchanged events_processed",
            "the tables are exchanged",
            "submitted")) {
      bluegreenThatEndsAt(line, End.KILLED, "exchange", ONE);
    }
    assertThatThrownBy(() -> bluegreen("start", ONE))
        .hasMessageContaining("run bluegreen exchange again");
    assertThat(bluegreen("exchange", ONE)).contains("are relayed", "the green job continues as");

    assertThat(query(green.formatted(addresses.clickHouse().database(), "events_processed")))
        .as("the table of the green job")
        .isEqualTo(events);
    assertNothingIsLeft();
    assertVerified();
    writes.close();
    await().atMost(DEADLINE).until(() -> notAcknowledged() == 0);
  }

  @Test
  void abortAfterAnExchangeWasKilledNamesTheBlueSavepoint() throws Exception {
    bluegreen("start", ONE);
    bluegreenThatEndsAt(
        "the green job has stopped", End.KILLED, "exchange", "--accept-differences", ONE);

    assertThat(bluegreen("abort")).contains("start it by submit --from file:");
    assertNothingIsLeft();
    submit();
    assertVerified();
  }

  @Test
  void abortWorksWithoutTheJobManagerAndAfterItsRestart() throws Exception {
    bluegreen("start", ONE);
    platform.flinkCluster().orElseThrow().killJobManager();
    try {
      // The TaskManagers let go of the slots when they miss the JobManager.
      assertThatThrownBy(() -> bluegreen("abort"))
          .hasMessageContaining("the green job may still run")
          .hasMessageContaining("_green is left");
    } finally {
      platform.flinkCluster().orElseThrow().startJobManager();
    }
    assertThat(bluegreen("abort"))
        .contains("does not know the green job", "no blue job runs", "start it by submit");
    assertNothingIsLeft();
    await().atMost(DEADLINE).until(() -> addresses.flink().freeSlots() > 0);
    submit();
    assertVerified();
  }
}
