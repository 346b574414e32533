package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.demo.Example;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Each of {@code sql/examples}, in databases and a job of its own. */
class ExamplesIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  private static final Path HOME = Path.of("");

  @TempDir private Path folder;

  static List<String> names() {
    return Example.names(HOME);
  }

  @ParameterizedTest
  @MethodSource("names")
  void bothServersGiveTheSameAnswers(String name, @InjectMiniCluster MiniCluster flink)
      throws Exception {
    Example example = Example.of(HOME, name);
    JobDatabases databases = JobDatabases.create(PLATFORM, folder, name);
    JobConfig declared = ConfigBuilder.read(Files.readString(example.jobConfig()));
    JobConfig config = databases.config().withTablesOf(declared).build();
    example.prepare(config, databases.postgres(), databases.clickHouse());
    String schema = config.replicate().get(0).schema();
    databases.execute(
        "GRANT USAGE ON SCHEMA " + schema + " TO experiment_etl_auditor",
        "GRANT SELECT ON ALL TABLES IN SCHEMA " + schema + " TO experiment_etl_auditor");
    databases.makeSlotAnew();
    JobOnServers job =
        new JobOnServers(
            databases,
            config.source().tables(),
            flink,
            folder,
            DeliveryConfig.defaults(),
            JobOnServers.GRACE);
    job.replicate(config.replicate());
    job.start(1);
    try {
      job.passSnapshot();
      example.write(databases.postgres());
      await()
          .atMost(Duration.ofSeconds(90))
          .untilAsserted(
              () -> {
                job.checkpoint();
                for (Example.Answer answer :
                    example.answers(databases.postgres(), databases.clickHouse())) {
                  assertThat(answer.warehouse()).as(answer.title()).isNotEmpty();
                  assertThat(answer.warehouse())
                      .as(answer.title())
                      .containsExactlyInAnyOrderElementsOf(answer.source());
                }
              });
    } finally {
      job.closeBehindEqualAudit();
    }
  }
}
