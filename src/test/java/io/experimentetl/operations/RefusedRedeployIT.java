package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.JobArguments.Check;
import io.experimentetl.local.ClickHouseServer;
import io.experimentetl.local.Platform;
import io.experimentetl.local.PlatformAddresses;
import io.experimentetl.local.TestCluster;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** A refused job does not leave the platform without one. */
class RefusedRedeployIT {
  private static final Path HOME = Path.of("").toAbsolutePath();
  private static final Path JAR = HOME.resolve("target/experiment-etl.jar");
  private static final Duration DEADLINE = Duration.ofMinutes(1);

  @TempDir(cleanup = CleanupMode.ON_SUCCESS)
  private static Path folder;

  private static Platform platform;
  private static PlatformAddresses addresses;
  private String before;
  private String former;

  @BeforeAll
  static void start() {
    platform = Platform.start(folder, HOME, TestCluster.platform());
    addresses = platform.addresses();
    submit();
  }

  @AfterAll
  static void stop() {
    platform.close();
  }

  @BeforeEach
  void remember() throws IOException {
    before = Files.readString(addresses.jobConfig());
    // After another test's failure none runs.
    if (addresses.flink().activeJob(ExperimentEtlJob.NAME).isEmpty()) {
      submit();
    }
    former = runs();
  }

  @AfterEach
  void restore() throws IOException {
    Files.writeString(addresses.jobConfig(), before);
  }

  private static void edit(Consumer<ObjectNode> change) throws Exception {
    Path draft = folder.resolve("edited.yaml");
    addresses.withJobConfig(draft, change);
    Files.move(draft, addresses.jobConfig(), StandardCopyOption.REPLACE_EXISTING);
  }

  /** A user written now arrives: a job runs, and it is another one than before. */
  private void requireAJobThatDelivers(String user) throws SQLException {
    assertThat(addresses.flink().activeJob(ExperimentEtlJob.NAME).orElseThrow().id())
        .isNotEqualTo(former);
    try (Connection connection = addresses.postgres().connect();
        Statement statement = connection.createStatement()) {
      statement.execute("INSERT INTO users (user_id) VALUES ('" + user + "')");
    }
    await()
        .atMost(DEADLINE)
        .until(
            () ->
                addresses
                        .clickHouse()
                        .count("SELECT count() FROM users WHERE user_id = '" + user + "'")
                    == 1);
  }

  /** From the latest state, where there is one. */
  private static void submit() {
    Deployment deployment = addresses.deployment(JAR);
    new JobDeployment(deployment, line -> {})
        .submit(deployment.memory().latestState(addresses.flink()), 1, List.of());
  }

  private static String runs() {
    return addresses.flink().activeJob(ExperimentEtlJob.NAME).orElseThrow().id();
  }

  /** The options of a verb that works on this platform. */
  @Command
  private static final class OnThisPlatform implements DeploymentOptions {
    @Override
    public Deployment deployment() {
      return addresses.deployment(JAR);
    }
  }

  private static void run(Callable<Integer> verb, String... arguments) throws Exception {
    new CommandLine(verb).parseArgs(arguments);
    verb.call();
  }

  private static void restate(String metric) throws Exception {
    run(
        new RestateCommand(new OnThisPlatform()),
        "--metric",
        metric,
        "--from",
        LocalDate.now(ZoneOffset.UTC).toString());
  }

  @Test
  void refusedRedeployLetsTheFormerJobContinue() throws Exception {
    edit(root -> root.withObject("/statistics").put("allowed-lateness", "1d"));
    String edited = Files.readString(addresses.jobConfig());

    assertThatThrownBy(() -> run(new RedeployCommand(new OnThisPlatform())))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("statistics.allowed-lateness")
        .hasMessageContaining("continues where the former one stopped");

    requireAJobThatDelivers("u1");
    assertThat(Files.readString(addresses.jobConfig())).isEqualTo(edited);
  }

  @Test
  void redeployWithANewMetricWithoutSinceLeavesTheRunningJobAlone() throws Exception {
    edit(
        root -> {
          ArrayNode metrics = root.withObject("/statistics").putArray("metrics");
          for (String name : List.of("conversion", "revenue", "orders")) {
            metrics
                .addObject()
                .put("name", name)
                .put("kind", "count")
                .put("event-type", "purchase");
          }
        });

    assertThatThrownBy(() -> run(new RedeployCommand(new OnThisPlatform())))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("adds orders without since")
        .hasMessageContaining("restate --metric orders --from DAY")
        .hasMessageContaining("The running job was not touched");

    assertThat(runs()).isEqualTo(former);
  }

  @Test
  void refusedRedeployOfAJobThatSubmitDidNotStartNamesTheWayBack() throws Exception {
    Path remembered = addresses.deployment(JAR).memory().runningConfiguration().orElseThrow();
    Files.move(remembered, folder.resolve("remembered.yaml"));
    edit(root -> root.withObject("/statistics").put("allowed-lateness", "1d"));

    assertThatThrownBy(() -> run(new RedeployCommand(new OnThisPlatform())))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("statistics.allowed-lateness")
        .hasMessageContaining("the configuration that the former one ran with is not known")
        .hasMessageContaining("then run submit --from");

    restore();
    submit();
    requireAJobThatDelivers("u7");
  }

  @Test
  void refusedRestateLetsTheFormerJobContinue() throws Exception {
    edit(
        root -> {
          ArrayNode metrics = root.withObject("/statistics").putArray("metrics");
          metrics
              .addObject()
              .put("name", "conversion")
              .put("kind", "count")
              .put("event-type", "conversion");
          metrics
              .addObject()
              .put("name", "revenue")
              .put("kind", "mean")
              .put("event-type", "purchase")
              .put("property", "revenue");
        });
    String edited = Files.readString(addresses.jobConfig());

    assertThatThrownBy(() -> restate("conversion"))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("nothing was restated")
        .hasMessageContaining("another kind needs another name")
        .hasMessageContaining("continues where the former one stopped");

    requireAJobThatDelivers("u2");
    assertThat(Files.readString(addresses.jobConfig())).isEqualTo(edited);
  }

  @Test
  void metricLeftOutOfTheConfigurationDoesNotEnd() throws Exception {
    edit(
        root ->
            root.withObject("/statistics")
                .putArray("metrics")
                .addObject()
                .put("name", "orders")
                .put("kind", "count")
                .put("event-type", "purchase"));

    assertThatThrownBy(() -> restate("orders"))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining(
            "does not contain metrics that have been counted (conversion, revenue)")
        .hasMessageContaining("--end conversion --end revenue (of redeploy and submit)")
        .hasMessageContaining("The running job was not touched");

    assertThat(runs()).isEqualTo(former);
  }

  private static void execute(String sql) throws SQLException {
    try (Connection connection = addresses.postgres().connect();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** The exit code and the output of status. */
  private static String status() {
    StringWriter out = new StringWriter();
    CommandLine line = new CommandLine(new StatusCommand(new OnThisPlatform()));
    line.setOut(new PrintWriter(out));
    int code = line.execute();
    return code + "\n" + out;
  }

  @Test
  void redeployThatTheServersRefuseLeavesTheRunningJobAlone() throws Exception {
    execute("ALTER PUBLICATION experiment_etl SET (publish_via_partition_root = false)");
    try {
      assertThatThrownBy(() -> run(new RedeployCommand(new OnThisPlatform())))
          .isInstanceOf(OperationsException.class)
          .hasMessageContaining("does not publish via the partition root")
          .hasMessageContaining("The running job was not touched");

      assertThat(runs()).isEqualTo(former);
    } finally {
      execute("ALTER PUBLICATION experiment_etl SET (publish_via_partition_root = true)");
    }
  }

  @Test
  void redeployGoesOnWithoutAColumnThatTheRunningJobTolerates() throws Exception {
    execute("ALTER TABLE assignments DROP COLUMN context");
    try {
      run(new RedeployCommand(new OnThisPlatform()));

      requireAJobThatDelivers("u3");
    } finally {
      execute("ALTER TABLE assignments ADD COLUMN context jsonb");
    }
  }

  @Test
  void cancelledJobContinuesFromItsCheckpointAndStatusTellsBoth() throws Exception {
    await().atMost(DEADLINE).until(() -> status().startsWith("0\n"));

    run(new CancelCommand(new OnThisPlatform()));

    assertThat(status()).startsWith("1\n").contains("UNHEALTHY").contains("CANCELED");
    submit();
    requireAJobThatDelivers("u4");
  }

  private static long users() {
    return addresses.clickHouse().count("SELECT count() FROM users");
  }

  private static void requireFreshStartRefused(String problem, String... arguments) {
    List<String> all = new ArrayList<>(List.of("--fresh"));
    all.addAll(List.of(arguments));
    assertThatThrownBy(
            () -> run(new SubmitCommand(new OnThisPlatform()), all.toArray(String[]::new)))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining(problem);
  }

  @Test
  void refusedFreshStartHasEmptiedNothingAndKeepsTheState() throws Exception {
    execute("INSERT INTO users (user_id) VALUES ('u5')");
    await().atMost(DEADLINE).until(() -> users() > 0);
    requireFreshStartRefused("is RUNNING already");
    run(new CancelCommand(new OnThisPlatform()));
    long rows = users();
    requireFreshStartRefused("parallelism 99 needs 99 slots", "--parallelism", "99");
    execute("ALTER PUBLICATION experiment_etl SET (publish_via_partition_root = false)");
    try {
      requireFreshStartRefused("does not publish via the partition root");
    } finally {
      execute("ALTER PUBLICATION experiment_etl SET (publish_via_partition_root = true)");
    }
    edit(
        root -> {
          root.withObject("/source").put("type", "kafka");
          root.withObject("/kafka").put("bootstrap-servers", "localhost:1");
        });
    requireFreshStartRefused("Kafka localhost:1");
    restore();

    assertThat(users()).isEqualTo(rows);
    submit();
    requireAJobThatDelivers("u6");
  }

  private static boolean isJobManager(ProcessHandle process) {
    try {
      return Files.readString(Path.of("/proc", Long.toString(process.pid()), "cmdline"))
          .contains("StandaloneSession");
    } catch (IOException e) {
      // It has ended.
      return false;
    }
  }

  /** Instances on the JobManager's heap behind a collection, of the loaders of job jars. */
  private static long classLoaders() throws Exception {
    ProcessHandle jobManager =
        ProcessHandle.current()
            .descendants()
            .filter(process -> process.info().command().orElse("").endsWith("java"))
            .filter(RefusedRedeployIT::isJobManager)
            .findAny()
            .orElseThrow();
    Process jcmd =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "jcmd").toString(),
                Long.toString(jobManager.pid()),
                "GC.class_histogram")
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (BufferedReader lines = jcmd.inputReader()) {
      return lines
          .lines()
          .map(line -> line.strip().split("\\s+"))
          .filter(columns -> columns.length > 3)
          .filter(columns -> columns[3].equals("org.apache.flink.util.ChildFirstClassLoader"))
          .mapToLong(columns -> Long.parseLong(columns[1]))
          .sum();
    }
  }

  @Test
  void jobManagerKeepsNoClassLoadersOfSubmissions() throws Exception {
    execute("ALTER PUBLICATION experiment_etl SET (publish_via_partition_root = false)");
    try {
      for (int i = 0; i < 4; i++) {
        assertThatThrownBy(
                () ->
                    new JobDeployment(addresses.deployment(JAR), line -> {})
                        .requireServers(Check.FRESH, 1))
            .hasMessageContaining("does not publish via the partition root");
      }
    } finally {
      execute("ALTER PUBLICATION experiment_etl SET (publish_via_partition_root = true)");
    }
    run(new RedeployCommand(new OnThisPlatform()));
    run(new RedeployCommand(new OnThisPlatform()));

    // That of the running job; and the JVM names the last class that it has made equals() for.
    await().atMost(DEADLINE).until(() -> classLoaders() <= 2);
  }

  @Test
  void jobWritesAsAUserWithTheRightsOfAWriterOnly() throws Exception {
    execute("INSERT INTO users (user_id) VALUES ('writer')");
    await()
        .atMost(DEADLINE)
        .until(
            () ->
                addresses.clickHouse().count("SELECT count() FROM users WHERE user_id = 'writer'")
                    == 1);

    assertThat(addresses.loadJobConfig().clickhouse().username())
        .isEqualTo(ClickHouseServer.JOB_USER);
    assertThat(addresses.clickHouse().query("SHOW GRANTS FOR " + ClickHouseServer.JOB_USER))
        .contains("INSERT")
        .doesNotContain("DROP", "ALTER", "CREATE", "TRUNCATE", "ALL ON *.*");
    assertThat(addresses.clickHouse().user()).isNotEqualTo(ClickHouseServer.JOB_USER);
  }

  /** As ./etl up does after ./etl down. */
  @Test
  void restartedPlatformKeepsTheJobsConfiguration() throws Exception {
    edit(root -> root.withObject("/findings").put("grace", "7s"));
    Platform.requireSoundJobConfig(folder, TestCluster.platform());
    platform.close();
    platform = Platform.start(folder, HOME, TestCluster.platform());
    addresses = platform.addresses();
    Duration grace = addresses.loadJobConfig().findings().grace();
    restore();
    submit();
    assertThat(grace).isEqualTo(Duration.ofSeconds(7));
  }
}
