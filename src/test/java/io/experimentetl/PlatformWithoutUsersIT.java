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
      LabPlatform.SCHEMA
          + """
      CREATE TABLE lab.tests (name text PRIMARY KEY, begin timestamptz NOT NULL, setup jsonb NOT NULL);
      CREATE TABLE lab.sales (nr bigint PRIMARY KEY, visitor text NOT NULL, at timestamptz NOT NULL, revenue numeric NOT NULL);
      CREATE TABLE lab.requests (nr int PRIMARY KEY, visitor text NOT NULL, state text NOT NULL);
      INSERT INTO lab.tests VALUES ('checkout', now() - interval '30 days',
          '{"arms": [{"arm": "a", "weight": 1, "control": true}, {"arm": "b", "weight": 1.0}]}');
      """
          + LabPlatform.GRANTS;

  private static final String TABLES =
      LabPlatform.TABLES
          + """
      experiments: {table: lab.tests, columns: {id: name, key: name, starts_at: begin}}
      variants:
        column: setup
        path: arms
        columns: {key: arm, allocation_pct: weight}
        control: {control: true}
      erased: {table: lab.requests, columns: {user_id: visitor}, where: {state: approved}}
      facts:
        - name: sales
          table: lab.sales
          columns: {id: nr, user_id: visitor, timestamp: at}
          event_type: {constant: purchase}
          properties: [revenue]
          experiment: assigned
      """;

  @TempDir private static Path folder;
  private JobOnServers job;
  private final LabPlatform lab = new LabPlatform();

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
    databases.execute(
        event(1, "purchase", 4, "2.5"),
        event(2, "purchase", 4, "4"),
        sale(1, 3, "1"),
        // The platform keeps what this visitor did.
        entry(9),
        event(9, "exposure", 5, "NULL"),
        sale(9, 3, "128"),
        request(9, "approved"));
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

  private static String entry(int visitor) {
    return LabPlatform.entry("checkout", visitor, 6);
  }

  private String event(int visitor, String type, int daysAgo, String revenue) {
    return lab.event("checkout", visitor, type, daysAgo, revenue);
  }

  /** A fact that names no test. */
  private String sale(int visitor, int daysAgo, String revenue) {
    return "INSERT INTO lab.sales VALUES (%d, 'v%d', %s - interval '%d days', %s)"
        .formatted(lab.nextNumber(), visitor, LabPlatform.NOON, daysAgo, revenue);
  }

  private static String request(int visitor, String state) {
    return "INSERT INTO lab.requests VALUES (%1$d, 'v%1$d', '%2$s')".formatted(visitor, state);
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
    statistics("a\t2\t1\t4\nb\t2\t1\t3.5");
    nobodyIsMissing();
    erased("v9");
  }

  private void nobodyIsMissing() {
    job.awaitAnswer("SELECT count() FROM users FINAL", "0");
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
    statistics("a\t2\t1\t4\nb\t3\t2\t11.5");
    nobodyIsMissing();
  }

  @Test
  @Order(3)
  void changedListAndAssignmentsOfOneTransactionGoByTheirPlaceInIt() throws Exception {
    variants("a\t1\ttrue\nb\t1\tfalse");
    job.execute(
        "BEGIN; "
            + entry(11)
            + "; UPDATE lab.tests SET setup = jsonb_set(setup, '{arms}', '[{\"arm\": \"a\", \"weight\": 1, \"control\": true}, {\"arm\": \"b\", \"weight\": 3}, {\"arm\": \"c\", \"weight\": 4}]'); "
            + entry(13)
            + "; "
            + entry(12).replace("'a'", "'c'")
            + "; COMMIT");
    variants("a\t1\ttrue\nb\t3\tfalse\nc\t4\tfalse");
    job.awaitAnswer(
        "SELECT arraySort(arrayMap(e -> round(e, 6), expected_users)) FROM experiment_health_daily FINAL ORDER BY day DESC LIMIT 1",
        "[1,3.25,3.75]");
  }

  @Test
  @Order(4)
  void renamedElementIsAnotherVariant() throws Exception {
    job.execute("UPDATE lab.tests SET setup = jsonb_set(setup, '{arms,2,arm}', '\"d\"')");
    variants("a\t1\ttrue\nb\t3\tfalse\nd\t4\tfalse");
    job.execute("UPDATE lab.entries SET arm = 'd' WHERE arm = 'c'");
    job.awaitAnswer(
        "SELECT variant_key, count() FROM assignments_processed FINAL GROUP BY variant_key ORDER BY variant_key",
        "a\t2\nb\t5\nd\t1");
    job.execute(
        "UPDATE lab.entries SET arm = 'b' WHERE arm = 'd'",
        "UPDATE lab.tests SET setup = setup #- '{arms,2}'");
    variants("a\t1\ttrue\nb\t3\tfalse");
  }

  @Test
  @Order(5)
  void brokenListIsAFindingUntilItIsMended() throws Exception {
    statistics("a\t2\t1\t4\nb\t3\t2\t11.5");
    job.execute(
        "UPDATE lab.tests SET setup = jsonb_build_object('arms', jsonb_build_object('0', setup #> '{arms,0}', '1', setup #> '{arms,1}'))");
    variants("");
    broken("OPEN");
    job.execute(
        "UPDATE lab.tests SET setup = jsonb_build_object('arms', jsonb_build_array(setup #> '{arms,0}', setup #> '{arms,1}'))");
    variants("a\t1\ttrue\nb\t3\tfalse");
    broken("RESOLVED");
    statistics("a\t2\t1\t4\nb\t3\t2\t11.5");
  }

  private void broken(String status) {
    job.awaitAnswer(
        "SELECT subject_kind, status FROM data_inconsistencies FINAL WHERE code = 'S-UNPARSEABLE'",
        "experiment\t" + status);
  }

  private void variants(String answer) {
    job.awaitAnswer(
        "SELECT key, allocation_pct, is_control FROM variants FINAL ORDER BY key", answer);
  }

  @Test
  @Order(6)
  void approvedRequestErasesAndLaterFactsStayAway() throws Exception {
    job.execute(request(1, "asked"), request(2, "approved"));
    statistics("a\t1\t0\t0\nb\t3\t2\t11.5");
    job.execute("UPDATE lab.requests SET state = 'approved' WHERE nr = 1");
    job.execute(event(1, "purchase", 2, "16"), event(2, "purchase", 2, "32"), sale(1, 2, "256"));
    job.execute(entry(6), event(6, "exposure", 4, "NULL"));
    statistics("a\t2\t0\t0\nb\t2\t1\t8");
    erased("v1", "v2", "v9");
  }

  /** These visitors are erased, and ClickHouse has nothing else of them. */
  private void erased(String... visitors) {
    String all = "'" + String.join("','", visitors) + "'";
    job.awaitAnswer(
        "SELECT arraySort(groupUniqArray(user_id)) FROM users WHERE _deleted AND _delete_reason = 'erasure'",
        "[" + all + "]");
    job.awaitAnswer(
        "SELECT count() FROM events_processed FINAL WHERE user_id IN (" + all + ")", "0");
    job.awaitAnswer(
        "SELECT count() FROM assignments_processed FINAL WHERE user_id IN (" + all + ")", "0");
  }

  @Test
  @Order(7)
  void deletedRequestLetsLaterFactsIn() throws Exception {
    job.execute(
        "DELETE FROM lab.log WHERE visitor = 'v2'",
        "DELETE FROM lab.entries WHERE visitor = 'v2'",
        "DELETE FROM lab.requests WHERE nr = 2",
        entry(2),
        event(2, "exposure", 3, "NULL"),
        event(2, "purchase", 1, "64"));
    statistics("a\t3\t1\t64\nb\t2\t1\t8");
    job.awaitAnswer(
        "SELECT count() FROM data_inconsistencies FINAL WHERE code = 'C-DELETE-UNEXPECTED'", "0");
  }
}
