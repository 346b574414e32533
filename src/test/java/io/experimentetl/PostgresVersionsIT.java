package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresServer;
import io.experimentetl.operations.RetentionSql;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every major version of PostgreSQL that is supported; all other tests run with 17. */
class PostgresVersionsIT {
  /** Where the build copies the Maven artifacts with the binaries. */
  private static final Path ARTIFACTS = Path.of("target", "postgres-versions");

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  @TempDir private Path folder;

  private static Path artifact(int version) throws Exception {
    try (Stream<Path> files = Files.list(ARTIFACTS)) {
      List<Path> found =
          files
              .filter(file -> file.getFileName().toString().contains("amd64-" + version + "."))
              .toList();
      assertThat(found).as("copied by mvn process-test-resources").hasSize(1);
      return found.get(0);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {14, 15, 16, 18})
  void jobReadsChangesRetentionAndErasureOfTheVersion(
      int version, @InjectMiniCluster MiniCluster flink) throws Exception {
    Path directory = PLATFORM.directory().resolve("postgres-" + version);
    try (PostgresServer server = PostgresServer.startVersion(directory, artifact(version))) {
      JobDatabases databases =
          JobDatabases.create(
              PLATFORM, server.newDatabase("job" + version), folder, "pg" + version);
      try (JobOnServers job =
          new JobOnServers(
              databases, flink, folder, DeliveryConfig.defaults(), JobOnServers.GRACE)) {
        // The relay is off: a platform without an outbox is read too.
        job.execute("DROP TABLE outbox_events");
        job.execute(JobScenario.EXPERIMENTS, JobScenario.USERS, old("81"), old("82"));
        job.start(2);
        job.passSnapshot();
        job.execute(
            JobScenario.event("83", "2 days", 1, "u1", "12", "purchase", "{\"revenue\": 3}"),
            RetentionSql.WATERMARK,
            "CALL retention_delete()",
            "DELETE FROM users WHERE user_id = 'u2'");
        job.redeploy(1);
        job.execute("UPDATE users SET name = 'Later' WHERE user_id = 'u3'");

        assertThat(job.audit().isEqual()).isTrue();
        assertThat(
                job.clickHouse.query(
                    "SELECT count() FROM events_processed FINAL WHERE event_id = '00000000-0000-0000-0000-000000000081'"))
            .as("retention keeps the warehouse's row")
            .isEqualTo("1");
        assertThat(
                job.clickHouse.query(
                    "SELECT count() FROM events_processed FINAL WHERE user_id = 'u2'"))
            .as("erasure does not")
            .isEqualTo("0");
        assertThat(job.clickHouse.query("SELECT name FROM users FINAL WHERE user_id = 'u3'"))
            .isEqualTo("Later");
      }
    }
  }

  private static String old(String id) {
    return JobScenario.event(id, "100 days", 1, "u" + id.charAt(1), "11", "page_view", "{}");
  }
}
