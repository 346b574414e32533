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

  private static final String SCHEMA =
      """
      CREATE SCHEMA lab;
      CREATE TABLE lab.entries (test text, visitor text, arm text NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (test, visitor));
      CREATE TABLE lab.log (
          nr bigint PRIMARY KEY, test text NOT NULL, visitor text NOT NULL, arm text NOT NULL, at timestamptz NOT NULL,
          what text NOT NULL, revenue numeric);
      GRANT USAGE ON SCHEMA lab TO experiment_etl_auditor;
      GRANT SELECT ON ALL TABLES IN SCHEMA lab TO experiment_etl_auditor;
      """;

  private static final String TABLES =
      """
      users: none
      assignments:
        table: lab.entries
        columns: {id: [test, visitor], experiment_id: {key: test}, variant_id: {key: arm}, user_id: visitor, assigned_at: at}
      events:
        table: lab.log
        columns: {id: nr, experiment_id: {key: test}, variant_id: {key: arm}, user_id: visitor, timestamp: at, event_type: what}
        properties: [revenue]
      experiments:
        inline:
      """;

  private static final String NOON =
      "((date_trunc('day', now() AT TIME ZONE 'UTC') + interval '12 hours') AT TIME ZONE 'UTC')";

  @TempDir private static Path folder;
  private JobOnServers job;
  private int events;

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

  private static String arm(int visitor) {
    return visitor % 2 == 0 ? "a" : "b";
  }

  private static String entry(String test, int visitor) {
    return "INSERT INTO lab.entries VALUES ('%s', 'v%d', '%s', %s - interval '9 days')"
        .formatted(test, visitor, arm(visitor), NOON);
  }

  private String event(String test, int visitor, String type, int daysAgo, String revenue) {
    return "INSERT INTO lab.log VALUES (%d, '%s', 'v%d', '%s', %s - interval '%d days', '%s', %s)"
        .formatted(++events, test, visitor, arm(visitor), NOON, daysAgo, type, revenue);
  }

  private void visitors(String test, int from, int to) throws Exception {
    for (int visitor = from; visitor <= to; visitor++) {
      job.execute(
          entry(test, visitor),
          event(test, visitor, "exposure", 8, "NULL"),
          event(test, visitor, "purchase", 7, "1"),
          event(test, visitor, "exposure", 4, "NULL"),
          event(test, visitor, "purchase", 3, "2"));
    }
  }

  @Test
  void redeployChangesDatesWeightsAndExperiments(@InjectMiniCluster MiniCluster flink)
      throws Exception {
    SourceMapping first = tables(experiment("checkout", 20, 1), experiment("banner", 20, 1));
    JobDatabases databases = JobDatabases.create(PLATFORM, folder, "declared");
    databases.execute(SCHEMA, CaptureSql.of(first, "experiment_etl", "experiment_etl").text());
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
