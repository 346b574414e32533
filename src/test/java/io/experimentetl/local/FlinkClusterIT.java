package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.experimentetl.operations.FlinkEndpoint;
import io.experimentetl.operations.OperationsException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class FlinkClusterIT {
  private static final String SECRET = "EXPERIMENT_ETL_SOURCE_PASSWORD";
  private static final Duration DEADLINE = Duration.ofSeconds(60);
  private static final Path DIRECTORY =
      Path.of("target", "platform-it", "flink-" + ProcessHandle.current().pid());
  private static FlinkCluster cluster;
  private static Path jar;

  @BeforeAll
  static void start() throws IOException {
    cluster =
        FlinkCluster.start(
            DIRECTORY,
            Path.of("flink-conf"),
            TestCluster.settings(Map.of()),
            Map.of(SECRET, "a-secret-value"),
            1);
    jar = countingJar();
  }

  @AfterAll
  static void stop() {
    cluster.stop();
  }

  @Test
  void jobSurvivesTheKillOfItsTaskManagerAndIsRedeployedFromASavepoint() {
    FlinkEndpoint flink = cluster.endpoint();
    String job = flink.submit(jar, List.of(SECRET), Optional.empty(), 2);
    flink.awaitAllTasksRunning(job, DEADLINE);
    await().atMost(DEADLINE).until(() -> flink.lastCheckpoint(job).isPresent());

    cluster.killTaskManager();
    cluster.startTaskManager();
    await().atMost(DEADLINE).until(() -> flink.restarts(job) >= 1);
    flink.awaitAllTasksRunning(job, DEADLINE);

    String savepoint = flink.stopWithSavepoint(job, cluster.savepointDirectory(), DEADLINE);
    String next = flink.submit(jar, List.of(SECRET), Optional.of(savepoint), 1);
    flink.awaitAllTasksRunning(next, DEADLINE);
    assertThat(
            flink
                .get("/jobs/" + next + "/checkpoints")
                .path("latest")
                .path("restored")
                .path("is_savepoint")
                .asBoolean())
        .isTrue();
    assertThat(flink.activeJob("counting")).map(FlinkEndpoint.Job::id).contains(next);
    flink.cancel(next);
    flink.awaitState(next, "CANCELED", DEADLINE);
  }

  @Test
  void failingMainIsReportedWithItsMessage() {
    assertThatThrownBy(
            () -> cluster.endpoint().submit(jar, List.of("NO_SUCH_SECRET"), Optional.empty(), 1))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("the cluster's processes have no NO_SUCH_SECRET");
  }

  @Test
  void logsCommandLinesAndRestInterfaceHaveNoSecret() throws IOException {
    assertThat(cluster.endpoint().get("/jobmanager/config").toString())
        .contains("rest.port")
        .doesNotContain("a-secret-value");
    try (Stream<Path> logs = Files.list(cluster.logs())) {
      for (Path log : logs.toList()) {
        assertThat(Files.readString(log)).doesNotContain("a-secret-value");
      }
    }
    assertThat(ProcessHandle.of(cluster.jobManagerPid()).orElseThrow().info().commandLine())
        .hasValueSatisfying(line -> assertThat(line).doesNotContain("a-secret-value"));
  }

  @Test
  void jobManagerAndTaskManagerExposeTheirMetrics() {
    // A process that another test has killed logged its address too.
    await()
        .atMost(DEADLINE)
        .ignoreExceptions()
        .untilAsserted(
            () ->
                assertThat(exposedMetrics())
                    .contains("flink_jobmanager_numRegisteredTaskManagers")
                    .contains("flink_taskmanager_Status_JVM_Memory_Heap_Used"));
  }

  /** What all processes expose at the address that each of them logs. */
  private static String exposedMetrics() throws IOException, InterruptedException {
    StringBuilder exposed = new StringBuilder();
    try (Stream<Path> logs = Files.list(cluster.logs())) {
      for (Path log : logs.filter(file -> file.toString().endsWith(".log")).toList()) {
        Matcher address =
            Pattern.compile("metrics are at (http://\\S+)\\.").matcher(Files.readString(log));
        while (address.find()) {
          exposed.append(
              HttpClient.newHttpClient()
                  .send(
                      HttpRequest.newBuilder(URI.create(address.group(1))).build(),
                      HttpResponse.BodyHandlers.ofString())
                  .body());
        }
      }
    }
    return exposed.toString();
  }

  private static Path countingJar() throws IOException {
    Path classes = Path.of("target", "test-classes");
    Path target = DIRECTORY.resolve("counting.jar");
    Manifest manifest = new Manifest();
    manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
    manifest.getMainAttributes().put(Attributes.Name.MAIN_CLASS, CountingJob.class.getName());
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(target), manifest);
        Stream<Path> files = Files.list(classes.resolve("io/experimentetl/local"))) {
      for (Path file : files.toList()) {
        if (file.getFileName().toString().startsWith("CountingJob")) {
          out.putNextEntry(new JarEntry(classes.relativize(file).toString()));
          Files.copy(file, out);
        }
      }
    }
    return target;
  }
}
