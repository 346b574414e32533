package io.experimentetl;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.CaptureSql;
import io.experimentetl.mapping.SourceMapping;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** A platform without tables of experiments, users or variants: the configuration declares them. */
class DeclaredExperimentsIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  private static final String TABLES =
      LabPlatform.TABLES
          + """
          experiments:
            inline:
          """;

  @TempDir private static Path folder;
  private JobOnServers job;
  private final LabPlatform lab = new LabPlatform();

  /** An element of the list, which begins at midnight in UTC. */
  private static String experiment(String key, int daysAgo, int weightOfB) {
    return """
            - key: %s
              starts_at: %s
              variants: [{key: a, weight: 1, control: true}, {key: b, weight: %d}]
        """
        .formatted(key, LocalDate.now(ZoneOffset.UTC).minusDays(daysAgo), weightOfB);
  }

  private static SourceMapping tables(String... experiments) {
    String list = TABLES + String.join("", experiments);
    return ConfigBuilder.read("source:\n  tables:\n" + list.indent(4)).source().tables();
  }

  private static String entry(String test, int visitor) {
    return LabPlatform.entry(test, visitor, 9);
  }

  private void visitors(String test, int from, int to) throws Exception {
    for (int visitor = from; visitor <= to; visitor++) {
      job.execute(
          entry(test, visitor),
          lab.event(test, visitor, "exposure", 8, "NULL"),
          lab.event(test, visitor, "purchase", 7, "1"),
          lab.event(test, visitor, "exposure", 4, "NULL"),
          lab.event(test, visitor, "purchase", 3, "2"));
    }
  }

  @Test
  void redeployChangesDatesWeightsAndExperiments(@InjectMiniCluster MiniCluster flink)
      throws Exception {
    SourceMapping first = tables(experiment("checkout", 20, 1), experiment("banner", 20, 1));
    JobDatabases databases = JobDatabases.create(PLATFORM, folder, "declared");
    databases.execute(
        LabPlatform.SCHEMA,
        LabPlatform.GRANTS,
        CaptureSql.of(first, "experiment_etl", "experiment_etl").text());
    job =
        new JobOnServers(
            databases, first, flink, folder, DeliveryConfig.defaults(), JobOnServers.GRACE);
    visitors("checkout", 1, 4);
    databases.makeSlotAnew();
    job.start(2);
    job.passSnapshot();
    visitors("banner", 5, 6);
    statistics("banner\ta\t1\t3\nbanner\tb\t1\t3\ncheckout\ta\t2\t6\ncheckout\tb\t2\t6");
    expectedUsers("[2,2]");

    job.bind(tables(experiment("checkout", 6, 3), experiment("later", 20, 1)));
    job.redeploy(1);
    visitors("checkout", 11, 14);
    visitors("later", 15, 15);
    // Exposures and purchases of before the new beginning do not count.
    statistics("checkout\ta\t4\t8\ncheckout\tb\t4\t8\nlater\tb\t1\t3");
    expectedUsers("[3,5]");
    job.awaitAnswer(
        "SELECT key, dateDiff('day', starts_at, now('UTC')) FROM experiments FINAL ORDER BY key",
        "checkout\t6\nlater\t20");
    job.awaitAnswer(
        "SELECT code, subject_kind, count() FROM data_inconsistencies FINAL WHERE code LIKE 'R-%' AND status = 'OPEN' GROUP BY ALL ORDER BY ALL",
        "R-ALLOCATION-CHANGED\texperiment\t1\nR-ORPHAN-EXPERIMENT\texperiment\t1\nR-ORPHAN-VARIANT\tvariant\t2");
    job.loseTaskManager(entry("checkout", 16));
    job.awaitAnswer("SELECT count() FROM assignments_processed FINAL", "12");
    job.closeBehindEqualAudit();
  }

  /** Users exposed, and what they paid. */
  private void statistics(String answer) {
    job.awaitAnswer(
        """
        SELECT e.key, v.key, sum(s.new_users) AS users, sum(s.d_sum)
        FROM experiment_daily_stats s FINAL
        JOIN (SELECT id, key FROM experiments FINAL) e ON e.id = s.experiment_id
        JOIN (SELECT id, key FROM variants FINAL) v ON v.id = s.variant_id
        WHERE s.metric = 'revenue' GROUP BY e.key, v.key HAVING users > 0 ORDER BY e.key, v.key""",
        answer);
  }

  private void expectedUsers(String answer) {
    job.awaitAnswer(
        """
        SELECT arraySort(arrayMap(e -> round(e, 6), expected_users)) FROM experiment_health_daily FINAL
        WHERE experiment_id = (SELECT id FROM experiments FINAL WHERE key = 'checkout') ORDER BY day DESC LIMIT 1""",
        answer);
  }
}
