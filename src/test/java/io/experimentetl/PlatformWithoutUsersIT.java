package io.experimentetl;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.CaptureSql;
import io.experimentetl.mapping.SourceMapping;
import java.nio.file.Path;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/**
 * A platform that knows no users: visitors come with the tests in which they are. Keys are texts.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class PlatformWithoutUsersIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  private static final String SCHEMA =
      """
      CREATE SCHEMA lab;
      CREATE TABLE lab.tests (name text PRIMARY KEY, begin timestamptz NOT NULL);
      CREATE TABLE lab.arms (test text, arm text, weight real NOT NULL, PRIMARY KEY (test, arm));
      CREATE TABLE lab.entries (test text, visitor text, arm text NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (test, visitor));
      CREATE TABLE lab.log (
          nr bigint PRIMARY KEY, test text NOT NULL, visitor text NOT NULL, arm text NOT NULL, at timestamptz NOT NULL,
          what text NOT NULL, revenue numeric);
      GRANT USAGE ON SCHEMA lab TO experiment_etl_auditor;
      GRANT SELECT ON ALL TABLES IN SCHEMA lab TO experiment_etl_auditor;
      INSERT INTO lab.tests VALUES ('checkout', now() - interval '30 days');
      INSERT INTO lab.arms VALUES ('checkout', 'a', 1), ('checkout', 'b', 1);
      """;

  private static final String TABLES =
      """
      experiments: {table: lab.tests, columns: {id: name, key: name, starts_at: begin}}
      variants:
        table: lab.arms
        columns: {id: [test, arm], experiment_id: test, key: arm, allocation_pct: weight}
        control: {arm: a}
      users: none
      assignments:
        table: lab.entries
        columns: {id: [test, visitor], experiment_id: test, variant_id: [test, arm], user_id: visitor, assigned_at: at}
      events:
        table: lab.log
        columns: {id: nr, experiment_id: test, variant_id: [test, arm], user_id: visitor, timestamp: at, event_type: what}
        properties: [revenue]
      """;

  private static final String NOON =
      "((date_trunc('day', now() AT TIME ZONE 'UTC') + interval '12 hours') AT TIME ZONE 'UTC')";

  @TempDir private static Path folder;
  private JobOnServers job;
  private int events;

  @BeforeEach
  void start(@InjectMiniCluster MiniCluster flink) throws Exception {
    if (job != null) {
      return;
    }
    SourceMapping tables =
        ConfigBuilder.read("source:\n  tables:\n" + TABLES.indent(4)).source().tables();
    JobDatabases databases = JobDatabases.create(PLATFORM, folder, "visitors");
    databases.execute(SCHEMA, CaptureSql.of(tables, "experiment_etl", "experiment_etl").text());
    for (int visitor = 1; visitor <= 4; visitor++) {
      databases.execute(entry(visitor), event(visitor, "exposure", 5, "NULL"));
    }
    databases.execute(event(1, "purchase", 4, "2.5"), event(2, "purchase", 4, "4"));
    databases.makeSlotAnew();
    job =
        new JobOnServers(
            databases, tables, flink, folder, DeliveryConfig.defaults(), JobOnServers.GRACE);
    job.start(2);
    job.passSnapshot();
  }

  @AfterAll
  void auditIsEqual() throws Exception {
    job.closeBehindEqualAudit();
  }

  /** Odd visitors are in b, even ones in a. */
  private static String arm(int visitor) {
    return visitor % 2 == 0 ? "a" : "b";
  }

  private static String entry(int visitor) {
    return "INSERT INTO lab.entries VALUES ('checkout', 'v%d', '%s', %s - interval '6 days')"
        .formatted(visitor, arm(visitor), NOON);
  }

  private String event(int visitor, String type, int daysAgo, String revenue) {
    return "INSERT INTO lab.log VALUES (%d, 'checkout', 'v%d', '%s', %s - interval '%d days', '%s', %s)"
        .formatted(++events, visitor, arm(visitor), NOON, daysAgo, type, revenue);
  }

  /** Users exposed, users who bought, and what they paid. */
  private void statistics(String answer) {
    job.awaitAnswer(
        """
        SELECT v.key, sum(s.new_users), sum(s.new_converters), sum(s.d_sum)
        FROM experiment_daily_stats s FINAL JOIN (SELECT id, key FROM variants FINAL) v ON v.id = s.variant_id
        WHERE s.metric = 'revenue' GROUP BY v.key ORDER BY v.key""",
        answer);
  }

  @Test
  @Order(1)
  void visitorsOfTheSnapshotCountWithoutAFinding() {
    statistics("a\t2\t1\t4\nb\t2\t1\t2.5");
    nobodyIsMissing();
  }

  private void nobodyIsMissing() {
    job.awaitAnswer("SELECT count() FROM users", "0");
    job.awaitAnswer(
        "SELECT countIf(has(inconsistencies, 'R-ORPHAN-USER') OR user_properties IS NOT NULL) FROM events_processed",
        "0");
    job.awaitAnswer(
        "SELECT count() FROM data_inconsistencies FINAL WHERE code = 'R-ORPHAN-USER'", "0");
  }

  @Test
  @Order(2)
  void visitorOfTheStreamCountsWithoutAFinding() throws Exception {
    job.execute(entry(5), event(5, "exposure", 5, "NULL"), event(5, "purchase", 3, "8"));
    statistics("a\t2\t1\t4\nb\t3\t2\t10.5");
    nobodyIsMissing();
  }
}
