package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.KafkaConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.config.SourceType;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Command;

class StatusLookTest {
  @TempDir private Path folder;

  /** A server that accepts connections and never answers. */
  private static ServerSocket hanging() throws Exception {
    return new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
  }

  private record HangingDatabases(int port, JobConfig config) implements Databases {
    @Override
    public Optional<Path> configFile() {
      return Optional.empty();
    }

    @Override
    public PostgresLogin postgres() {
      return new PostgresLogin("jdbc:postgresql://127.0.0.1:" + port + "/db", "u", "p");
    }

    @Override
    public ClickHouseLogin clickHouse() {
      return new ClickHouseLogin("http://127.0.0.1:" + port, "db", "u", "p");
    }
  }

  private Deployment deployment(int databases, int flink, JobConfig config) {
    return new Deployment(
        new HangingDatabases(databases, config),
        new Deployment.Cluster(
            new FlinkEndpoint("http://127.0.0.1:" + flink), Optional.empty(), Duration.ZERO),
        new Deployment.Files(folder, folder, ""),
        new DeploymentMemory(folder, Optional.empty()),
        Map.of(),
        Set.of());
  }

  @Test
  void everyServerThatHangsIsReportedAsSuch() throws Exception {
    try (ServerSocket server = hanging()) {
      Deployment deployment =
          deployment(server.getLocalPort(), server.getLocalPort(), JobConfig.defaults());

      List<StatusLine> lines = new StatusLook(deployment).lines();

      assertThat(lines)
          .extracting(StatusLine::name)
          .containsExactly("PostgreSQL", "ClickHouse", "Flink", "job", "progress", "schedule");
      assertThat(lines)
          .allSatisfy(
              line -> {
                assertThat(line.healthy()).isFalse();
                assertThat(line.text()).containsAnyOf("no answer within 8 s", "timed out");
              });
    }
  }

  /** A JobManager whose job has failed once and runs again, without a database. */
  private static StubJobManager jobManager() throws IOException {
    long now = System.currentTimeMillis();
    Map<String, String> answers =
        Map.of(
            "/overview",
            "{\"taskmanagers\": 1}",
            "/jobs/overview",
            "{\"jobs\": [{\"jid\": \"j\", \"name\": \"experiment-etl\", \"state\": \"RUNNING\", \"start-time\": 1}]}",
            "/jobs/j",
            "{\"state\": \"RUNNING\", \"vertices\": [{\"id\": \"v\", \"name\": \"commit\", \"parallelism\": 1, \"tasks\": {\"RUNNING\": 1}}]}",
            "/jobs/j/vertices/v",
            "{\"subtasks\": [{\"attempt\": 2}]}",
            "/jobs/j/exceptions",
            "{\"exceptionHistory\": {\"entries\": [{\"timestamp\": 1767225600000, \"stacktrace\": \"java.io.IOException: the disk is full\"}]}}",
            "/jobs/j/checkpoints",
            "{\"counts\": {\"failed\": 3}, \"latest\": {\"completed\": {\"id\": 7, \"trigger_timestamp\": %d}, \"failed\": {\"failure_timestamp\": 1767225600000, \"failure_message\": \"java.io.IOException: no space for the checkpoint\"}}}"
                .formatted(now));
    StubJobManager server = new StubJobManager();
    answers.forEach(server::answer);
    return server;
  }

  /** The options of a verb that works on this deployment. */
  @Command
  private static final class On implements DeploymentOptions {
    private final Deployment deployment;

    private On(Deployment deployment) {
      this.deployment = deployment;
    }

    @Override
    public Deployment deployment() {
      return deployment;
    }
  }

  private static String status(Deployment deployment, String... arguments) {
    StringWriter out = new StringWriter();
    CommandLine line = new CommandLine(new StatusCommand(new On(deployment)));
    line.setOut(new PrintWriter(out));
    return line.execute(arguments) + "\n" + out;
  }

  @Test
  void causesOfRestartsAndOfFailedCheckpointsAreShownAndPrintedForPrograms() throws Exception {
    try (StubJobManager server = jobManager()) {
      int port = server.port();
      JobConfig config =
          ConfigBuilder.defaults()
              .with(KafkaConfig::bootstrapServers, "127.0.0.1:" + port)
              .with(SourceConfig::type, SourceType.KAFKA)
              .with(SourceConfig::host, null)
              .build();
      // No databases are there.
      Deployment deployment = deployment(1, port, config);

      assertThat(status(deployment))
          .startsWith("1\n")
          .contains("RUNNING, 2 restarts (the last after 2026-01-01T00:00:00Z: ")
          .contains("the disk is full")
          .contains("3 failed checkpoints (the last at 2026-01-01T00:00:00Z: ")
          .contains("no space for the checkpoint")
          .contains("nothing looks for changes that never enter Debezium's topics");

      String[] json = status(deployment, "--json").split("\n", 2);
      assertThat(json[0]).isEqualTo("1");
      JsonNode answer = new ObjectMapper().readTree(json[1]);
      assertThat(answer.path("healthy").asBoolean(true)).isFalse();
      JsonNode job = null;
      for (JsonNode line : answer.path("lines")) {
        job = line.path("name").asText().equals("job") ? line : job;
      }
      assertThat(job.path("healthy").asBoolean()).isTrue();
      assertThat(job.path("values").path("restarts").asLong()).isEqualTo(2);
      assertThat(job.path("values").path("failed_checkpoints").asLong()).isEqualTo(3);
      assertThat(job.path("values").path("checkpoint_id").asLong()).isEqualTo(7);
    }
  }
}
