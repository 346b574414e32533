package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.JobConfig;
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

class StatusLookTest {
  @TempDir private Path folder;

  /** A server that accepts connections and never answers. */
  private static ServerSocket hanging() throws Exception {
    return new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
  }

  private record HangingDatabases(int port) implements Databases {
    @Override
    public Optional<Path> configFile() {
      return Optional.empty();
    }

    @Override
    public JobConfig config() {
      return JobConfig.defaults();
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

  @Test
  void everyServerThatHangsIsReportedAsSuch() throws Exception {
    try (ServerSocket server = hanging()) {
      int port = server.getLocalPort();
      Deployment deployment =
          new Deployment(
              new HangingDatabases(port),
              new Deployment.Cluster(
                  new FlinkEndpoint("http://127.0.0.1:" + port), Optional.empty(), Duration.ZERO),
              new Deployment.Files(folder, folder, ""),
              new DeploymentMemory(folder, Optional.empty()),
              Map.of(),
              Set.of());

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
}
