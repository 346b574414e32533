package io.experimentetl;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.CaptureSql;
import io.experimentetl.model.EventId;
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
 * A shop beside the default tables: orders that change and are kept for ever, refunds that are kept
 * for 30 days, and a log with exposures that change. Orders and refunds number their rows from 1,
 * for the same users at the same times, and give events of one type. Beside them a tracker, whose
 * rows name no experiment, and users in several experiments.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class FactTablesIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  private static final String SCHEMA =
      """
      CREATE SCHEMA shop;
      CREATE TYPE shop.state AS ENUM ('open', 'paid', 'shipped', 'cancelled');
      CREATE TABLE shop.orders (
          order_id bigint PRIMARY KEY, customer int NOT NULL, test bigint NOT NULL, status shop.state NOT NULL, paid_at timestamptz,
          amount numeric(12, 2), currency text NOT NULL DEFAULT 'EUR');
      CREATE TABLE shop.refunds (
          refund_no int PRIMARY KEY, customer int NOT NULL, test bigint NOT NULL, at timestamp NOT NULL, body jsonb);
      CREATE TABLE shop.log (
          id int PRIMARY KEY, who text NOT NULL, test bigint NOT NULL, at timestamptz NOT NULL, what text NOT NULL);
      CREATE TABLE shop.track (
          id int PRIMARY KEY, who text NOT NULL, ms bigint NOT NULL, name text NOT NULL, payload jsonb);
      GRANT USAGE ON SCHEMA shop TO experiment_etl_auditor;
      GRANT SELECT ON ALL TABLES IN SCHEMA shop TO experiment_etl_auditor;
      """;

  private static final String CONFIG =
      """
      source:
        tables:
          facts:
            - name: orders
              table: shop.orders
              columns: {id: order_id, user_id: [{constant: u}, customer], experiment_id: test, timestamp: paid_at}
              event_type: {constant: purchase}
              properties: [amount, currency]
              where: {status: [paid, shipped]}
              mutable: true
              retention: none
            - name: refunds
              table: shop.refunds
              columns: {id: refund_no, user_id: [{constant: u}, customer], experiment_id: test, timestamp: {column: at, zone: UTC}}
              event_type: {constant: purchase}
              properties: body
              retention: 30d
            - name: log
              table: shop.log
              columns: {user_id: who, experiment_id: test, timestamp: at}
              event_type: what
              mutable: true
            - name: track
              table: shop.track
              columns: {user_id: who, timestamp: {column: ms, unit: ms}}
              event_type: name
              properties: payload
              mutable: true
              retention: none
              experiment: assigned
      statistics:
        metrics:
          - {name: spent, kind: mean, event-type: sale, property: price, covariate: 30d}
          - {name: all, kind: mean, event-type: purchase, property: amount}
          - {name: ordered, kind: mean, event-type: purchase, property: amount, fact: orders, covariate: 30d}
          - {name: refunds, kind: count, event-type: purchase, fact: refunds}
          - {name: share, kind: ratio, event-type: purchase, property: amount, fact: refunds, denominator: {event-type: purchase, property: amount, fact: orders}}
      """;

  /** Noon of yesterday in UTC: no event is in the future. */
  private static final String NOON =
      "(date_trunc('day', now() AT TIME ZONE 'UTC') - interval '12 hours')";

  @TempDir private static Path folder;
  private JobOnServers job;

  @BeforeEach
  void start(@InjectMiniCluster MiniCluster flink) throws Exception {
    if (job != null) {
      return;
    }
    JobConfig config = ConfigBuilder.read(CONFIG);
    JobDatabases databases = JobDatabases.create(PLATFORM, folder, "facts");
    databases.execute(
        SCHEMA,
        CaptureSql.of(config.source().tables(), "experiment_etl", "experiment_etl").text(),
        "INSERT INTO experiments (id, key, name, status, seed) SELECT n, 'e' || n, 'E', 'ACTIVE', 's' FROM generate_series(1, 3) n",
        "INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control) SELECT n, n, 'a', 'A', 100, true FROM generate_series(1, 3) n",
        "INSERT INTO users (user_id) SELECT 'u:' || n FROM generate_series(1, 4) n",
        "INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at) SELECT 1, user_id, 1, "
            + ago(6)
            + " FROM users",
        "INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type) SELECT "
            + ago(5)
            + ", 1, user_id, 1, 'exposure' FROM users WHERE user_id != 'u:4'",
        sale(1, 1, 4, 1),
        order(1, 1, "paid", 3, "10"),
        order(2, 2, "open", 3, "5"),
        order(4, 3, "paid", 120, "64"),
        order(5, 3, "paid", 20, "32"),
        refund(1, 1, 3, "4"),
        refund(4, 3, 40, "1"));
    databases.makeSlotAnew();
    job =
        new JobOnServers(
            databases,
            config.source().tables(),
            config.statistics(),
            flink,
            folder,
            DeliveryConfig.defaults(),
            JobOnServers.GRACE);
    job.start(2);
    job.passSnapshot();
  }

  @AfterAll
  void auditIsEqual() throws Exception {
    job.closeBehindEqualAudit();
  }

  private static String ago(int days) {
    return "(%s - interval '%d days') AT TIME ZONE 'UTC'".formatted(NOON, days);
  }

  private static String order(int id, int user, String status, int daysAgo, String amount) {
    return "INSERT INTO shop.orders VALUES (%d, %d, 1, '%s', %s, %s)"
        .formatted(id, user, status, ago(daysAgo), amount);
  }

  private static String sale(int id, int user, int daysAgo, int price) {
    return "INSERT INTO shop.track VALUES (%d, 'u:%d', %s, 'sale', '{\"price\": %d}')"
        .formatted(id, user, millis(daysAgo), price);
  }

  private static String millis(int daysAgo) {
    return "(extract(epoch FROM " + ago(daysAgo) + ") * 1000)::bigint";
  }

  /** The assignment of a user, who is exposed on the same day. */
  private static String[] member(int experiment, int user, int daysAgo) {
    return new String[] {
      "INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at) VALUES (%1$d, 'u:%2$d', %1$d, %3$s)"
          .formatted(experiment, user, ago(daysAgo)),
      "INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type) VALUES (%3$s, %1$d, 'u:%2$d', %1$d, 'exposure')"
          .formatted(experiment, user, ago(daysAgo))
    };
  }

  private static String refund(int id, int user, int daysAgo, String amount) {
    return "INSERT INTO shop.refunds VALUES (%d, %d, 1, %s - interval '%d days', '{\"amount\": %s}')"
        .formatted(id, user, NOON, daysAgo, amount);
  }

  /** Days ago, users with a value, and the sums of values and of the denominator. */
  private void statistics(String metric, String answer) {
    job.awaitAnswer(
        """
        SELECT dateDiff('day', day, yesterday()) AS ago, sum(converting_users), sum(d_sum), sum(d_den_sum)
        FROM experiment_daily_stats FINAL WHERE experiment_id = 1 AND metric = '%s' AND (converting_users > 0 OR d_den_sum != 0)
        GROUP BY ago ORDER BY ago"""
            .formatted(metric),
        answer);
  }

  @Test
  @Order(1)
  void rowsOfTwoTablesWithTheSameNumbersAreDifferentEvents() {
    job.awaitAnswer(
        "SELECT fact, source_id, toString(event_id) = "
            + "if(fact = 'orders', '%s', '%s')".formatted(id("orders", 1), id("refunds", 1))
            + ", properties FROM events_processed FINAL WHERE source_id LIKE '%:1' AND fact != 'track' ORDER BY fact",
        """
        orders\torders:1\t1\t{"amount": 10.00, "currency": "EUR"}
        refunds\trefunds:1\t1\t{"amount": 4}""");
    statistics("all", "3\t1\t14\t0");
    statistics("ordered", "3\t1\t10\t0");
    statistics("refunds", "3\t1\t1\t0");
    statistics("share", "3\t1\t4\t10");
    job.awaitAnswer(
        "SELECT sum(d_x_sum) FROM experiment_daily_stats FINAL WHERE experiment_id = 1 AND metric = 'ordered'",
        "32");
  }

  private static EventId id(String table, int number) {
    return EventId.ofEntry(table, Integer.toString(number));
  }

  @Test
  @Order(2)
  void changedRowsRestateTheirDaysWithoutAFinding() throws Exception {
    job.execute(
        order(3, 3, "paid", 2, "7"),
        order(6, 3, "paid", 2, "8"),
        refund(2, 2, 1, "3"),
        // Another amount, a row that begins to count, another day, and one that stops to count.
        "UPDATE shop.orders SET amount = 12 WHERE order_id = 1",
        "UPDATE shop.orders SET status = 'shipped' WHERE order_id = 2",
        "UPDATE shop.orders SET paid_at = paid_at + interval '1 day' WHERE order_id = 3",
        "UPDATE shop.orders SET status = 'cancelled' WHERE order_id = 6");
    statistics("ordered", "1\t1\t7\t0\n3\t2\t17\t0");
    statistics("all", "1\t2\t10\t0\n3\t2\t21\t0");
    statistics("refunds", "1\t1\t1\t0\n3\t1\t1\t0");
    statistics("share", "1\t1\t3\t7\n3\t1\t4\t17");
    job.awaitAnswer(
        "SELECT count() FROM data_inconsistencies FINAL WHERE startsWith(code, 'C-')", "0");
    job.awaitAnswer(
        "SELECT DISTINCT _delete_reason FROM events_processed WHERE _deleted ORDER BY 1",
        "key-change\nmutable");
  }

  @Test
  @Order(3)
  void eachTableHasItsOwnRetention() throws Exception {
    job.execute("DELETE FROM shop.orders WHERE order_id IN (4, 5)");
    job.execute("DELETE FROM shop.refunds WHERE refund_no = 4");
    job.awaitAnswer(
        "SELECT source_id FROM events_processed FINAL WHERE user_id = 'u:3' AND fact IS NOT NULL ORDER BY 1",
        "orders:3\nrefunds:4");
    job.awaitAnswer(
        "SELECT sum(d_x_sum) FROM experiment_daily_stats FINAL WHERE experiment_id = 1 AND metric = 'ordered'",
        "0");
    job.awaitAnswer(
        "SELECT code FROM data_inconsistencies FINAL WHERE startsWith(code, 'C-')",
        "C-DELETE-RETENTION");
  }

  @Test
  @Order(4)
  void rowOfAnImmutableTableIsFlaggedWhenItChanges() throws Exception {
    job.execute("UPDATE shop.refunds SET body = '{\"amount\": 2}' WHERE refund_no = 2");
    statistics("all", "1\t2\t9\t0\n3\t2\t21\t0");
    job.awaitAnswer(
        "SELECT source_id FROM events_processed FINAL WHERE has(inconsistencies, 'C-UPDATE-IMMUTABLE')",
        "refunds:2");
  }

  @Test
  @Order(5)
  void changedRowThatIsNoExposureAnyMoreExposesNobody() throws Exception {
    job.execute("INSERT INTO shop.log VALUES (1, 'u:4', 1, " + ago(4) + ", 'exposure')");
    exposed("4");
    job.execute(refund(5, 4, 2, "1"));
    statistics("refunds", "1\t1\t1\t0\n2\t1\t1\t0\n3\t1\t1\t0");
    job.execute("UPDATE shop.log SET what = 'noted' WHERE id = 1");
    exposed("3");
    statistics("refunds", "1\t1\t1\t0\n3\t1\t1\t0");
  }

  private void exposed(String users) {
    job.awaitAnswer(
        "SELECT sum(new_users) FROM experiment_daily_stats FINAL WHERE experiment_id = 1 AND metric = 'refunds'",
        users);
  }

  /** Per experiment: the sum since the exposures, and the one before them. */
  private void spent(String answer) {
    job.awaitAnswer(
        "SELECT experiment_id, sum(d_sum), sum(d_x_sum) FROM experiment_daily_stats FINAL"
            + " WHERE metric = 'spent' GROUP BY experiment_id ORDER BY experiment_id",
        answer);
  }

  @Test
  @Order(6)
  void factWithoutAnExperimentCountsInEachExperimentOfItsUser() throws Exception {
    spent("1\t1\t0");
    job.execute(member(2, 1, 3));
    // The user is exposed to the third experiment later: what was sold before is the covariate.
    job.execute(member(3, 1, 1));
    spent("1\t1\t0\n2\t0\t1\n3\t0\t1");
    job.execute(sale(2, 1, 2, 10), sale(3, 1, 0, 100), sale(4, 2, 2, 1000));
    spent("1\t1111\t0\n2\t110\t1\n3\t100\t11");
    job.awaitAnswer(
        "SELECT source_id, experiment_id, experiment_key, assigned_variant_id, dateDiff('day', day, yesterday()), inconsistencies"
            + " FROM events_processed FINAL WHERE fact = 'track' AND user_id = 'u:1' ORDER BY 1",
        """
        track:1\t0\t\t\\N\t4\t[]
        track:2\t0\t\t\\N\t2\t[]
        track:3\t0\t\t\\N\t0\t[]""");
    job.awaitAnswer(
        "SELECT experiment_id, sum(total) FROM experiment_segments(dimension = 'plan', event_type = 'sale', property = 'price')"
            + " GROUP BY experiment_id ORDER BY experiment_id",
        "1\t1111\n2\t110\n3\t100");
  }

  @Test
  @Order(7)
  void changedFactWithoutAnExperimentRestatesAllOfThem() throws Exception {
    job.execute(
        "UPDATE shop.track SET payload = '{\"price\": 20}' WHERE id = 2",
        "DELETE FROM shop.track WHERE id = 3",
        // Before the exposure to the second experiment now.
        "UPDATE shop.track SET ms = " + millis(5) + " WHERE id = 2");
    spent("1\t1021\t0\n2\t0\t21\n3\t0\t21");
    // A late assignment, and one that is gone.
    job.execute(member(2, 2, 4));
    job.execute("DELETE FROM assignments WHERE experiment_id = 3");
    spent("1\t1021\t0\n2\t1000\t21");
    job.execute("UPDATE shop.track SET who = 'u:2' WHERE id = 2");
    spent("1\t1021\t0\n2\t1000\t21");
  }

  @Test
  @Order(8)
  void erasureTakesFactsOfNoExperimentAlong() throws Exception {
    job.execute(
        "BEGIN; DELETE FROM shop.track WHERE who = 'u:2'; DELETE FROM shop.orders WHERE customer = 2;"
            + " DELETE FROM shop.refunds WHERE customer = 2; DELETE FROM users WHERE user_id = 'u:2'; COMMIT");
    spent("1\t1\t0\n2\t0\t1");
    job.awaitAnswer(
        "SELECT source_id FROM events_processed FINAL WHERE fact = 'track' ORDER BY 1", "track:1");
  }
}
