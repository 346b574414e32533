package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.operations.DeadLetters;
import io.experimentetl.operations.DeadLetters.Letter;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
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
 * Values that PostgreSQL holds and a warehouse finds hard: keys and times far from the ordinary,
 * and JSON beyond the limits of parsers. All cases share one running job; the last one is the
 * audit.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class HostileValuesIT {
  private static final String NEVER = "00000000-0000-0000-0000-0000000000f1";
  private static final String ROMAN = "00000000-0000-0000-0000-0000000000f2";

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  @TempDir static Path folder;

  private JobOnServers job;

  /** Once, but not before all tests: only a test has the mini cluster as its environment. */
  @BeforeEach
  void startOnce(@InjectMiniCluster MiniCluster flink) throws Exception {
    if (job != null) {
      return;
    }
    job = new JobOnServers(PLATFORM, flink, folder, DeliveryConfig.defaults(), JobOnServers.GRACE);
    experiment(1, "'2000-01-01'", "NULL", "NULL");
    users("s", 1, 2);
    job.execute(
        "INSERT INTO users (user_id, updated_at) VALUES ('read-by-snapshot', 'infinity')",
        event(ROMAN, 1, "s1", "'0200-03-01 12:00:00+00'", "exposure", "NULL"),
        event(NEVER, 1, "s1", "'infinity'", "exposure", "NULL"));
    job.start(2);
    job.passSnapshot();
  }

  @AfterAll
  void close() throws Exception {
    if (job != null) {
      job.close();
    }
  }

  /** An experiment with the variants 10 * id (control) and 10 * id + 1. */
  private void experiment(long id, String startsAt, String endsAt, String config)
      throws SQLException {
    job.execute(
        "INSERT INTO experiments (id, key, name, status, seed, starts_at, ends_at, config) VALUES (%1$d, 'e%1$d', 'E %1$d', 'ACTIVE', 's', %2$s, %3$s, %4$s)"
            .formatted(id, startsAt, endsAt, config),
        "INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control) VALUES (%1$d0, %1$d, 'c', 'C', 50, true), (%1$d1, %1$d, 't', 'T', 50, false)"
            .formatted(id));
  }

  private void users(String name, int from, int to) throws SQLException {
    job.execute(
        "INSERT INTO users (user_id) SELECT '%s' || i FROM generate_series(%d, %d) i"
            .formatted(name, from, to));
  }

  /** Assigns users 1 to count, ten days ago, and exposes them a day later. */
  private void population(long experiment, String name, int count) throws SQLException {
    job.execute(
        "INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at) SELECT %1$d, '%2$s' || i, %1$d0 + i %% 2, now() - interval '10 days' FROM generate_series(1, %3$d) i"
            .formatted(experiment, name, count),
        "INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type) SELECT now() - interval '9 days', %1$d, '%2$s' || i, %1$d0 + i %% 2, 'exposure' FROM generate_series(1, %3$d) i"
            .formatted(experiment, name, count));
  }

  private static String event(
      String id, long experiment, String user, String time, String type, String properties) {
    return "INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties) VALUES ('%s', %s, %d, '%s', %d0, '%s', %s)"
        .formatted(id, time, experiment, user, experiment, type, properties);
  }

  private long count(String sql) {
    return job.clickHouse.count("SELECT count() FROM " + sql);
  }

  private String figures(long experiment) {
    return "SELECT sum(new_users), sum(value_sum) FROM experiment_daily_stats FINAL WHERE metric = 'revenue' AND experiment_id = "
        + experiment;
  }

  private String finding(String code, String subject) {
    return "SELECT status FROM data_inconsistencies FINAL WHERE code = '%s' AND subject = '%s'"
        .formatted(code, subject);
  }

  @Test
  @Order(1)
  void idsOfAnyMagnitudeShareAHandfulOfPartitions() throws Exception {
    experiment(3, "now() - interval '20 days'", "NULL", "NULL");
    users("p", 1, 4_000);
    job.execute(
        "INSERT INTO assignments (id, experiment_id, user_id, variant_id) SELECT (i::bigint * 40 << 22) + 7 * 10^17::bigint, 3, 'p' || i, 30 + i % 2 FROM generate_series(1, 2000) i",
        "INSERT INTO assignments (id, experiment_id, user_id, variant_id) SELECT -i::bigint * 10^15::bigint, 3, 'p' || i, 30 + i % 2 FROM generate_series(2001, 3999) i",
        "INSERT INTO assignments (id, experiment_id, user_id, variant_id) VALUES (-9223372036854775808, 3, 'p4000', 30)");
    job.awaitAnswer(
        "SELECT count() FROM assignments_processed FINAL WHERE experiment_id = 3", "4000");

    assertThat(
            job.clickHouse.count(
                "SELECT uniqExact(partition) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'assignments_processed'"))
        .isLessThanOrEqualTo(4);

    job.execute("DELETE FROM assignments WHERE id = -9223372036854775808");
    job.awaitAnswer("SELECT count() FROM assignments_processed FINAL WHERE user_id = 'p4000'", "0");
  }

  @Test
  @Order(2)
  void eventsOfAllYearsAreDeliveredAndShareBoundedPartitions() throws Exception {
    // The retention of ClickHouse would remove the rows of past years.
    job.clickHouse.query("ALTER TABLE events_processed REMOVE TTL");
    experiment(4, "'1900-01-02'", "NULL", "NULL");
    users("y", 1, 10);
    job.execute(
        "INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type) SELECT '1900-02-01 00:00:00+00'::timestamptz + i * interval '1 year', 4, 'y' || i % 10 + 1, 40, 'page_view' FROM generate_series(0, 398) i",
        event("00000000-0000-0000-0000-0000000000a1", 4, "y1", "'1900-06-01'", "exposure", "NULL"),
        event("00000000-0000-0000-0000-0000000000a2", 4, "y1", "'2200-06-01'", "exposure", "NULL"));
    job.awaitAnswer("SELECT count() FROM events_processed FINAL WHERE experiment_id = 4", "401");

    assertThat(
            job.clickHouse.count(
                "SELECT uniqExact(partition) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'events_processed'"
                    + " AND partition IN (SELECT DISTINCT _partition_id FROM events_processed WHERE experiment_id = 4)"))
        .isEqualTo(38 + 30);

    // The tombstone of 2200 finds its row's partition; a deleted row of 1900 is retention, and
    // stays.
    job.execute("DELETE FROM events WHERE experiment_id = 4 AND event_type = 'exposure'");
    job.awaitAnswer("SELECT count() FROM events_processed FINAL WHERE experiment_id = 4", "400");
  }

  @Test
  @Order(3)
  void endOfInfinityIsAnOpenEndAndIsFlagged() throws Exception {
    experiment(18, "now() - interval '200 days'", "'infinity'", "NULL");
    users("o", 1, 20);
    population(18, "o", 20);
    job.awaitAnswer(figures(18), "20\t0");

    assertThat(job.clickHouse.query("SELECT ends_at FROM experiments FINAL WHERE id = 18"))
        .isEqualTo("2299-12-30 23:59:59.999999");
    assertThat(job.clickHouse.query(finding("T-OUT-OF-RANGE", "experiment:18"))).isEqualTo("OPEN");
    assertThat(
            count(
                "data_inconsistencies FINAL WHERE experiment_id = 18 AND dead_letter_since IS NOT NULL"))
        .isZero();
    assertThat(job.clickHouse.query(finding("T-OUT-OF-RANGE", "user:read-by-snapshot")))
        .isEqualTo("OPEN");

    job.execute("UPDATE experiments SET ends_at = NULL WHERE id = 18");
    job.awaitAnswer(finding("T-OUT-OF-RANGE", "experiment:18"), "RESOLVED");
  }

  @Test
  @Order(4)
  void startOfInfinityHasNotBegun() throws Exception {
    experiment(19, "'infinity'", "NULL", "NULL");
    users("n", 1, 4);
    population(19, "n", 4);
    job.awaitAnswer("SELECT count() FROM events_processed FINAL WHERE experiment_id = 19", "4");

    assertThat(job.clickHouse.query(figures(19))).isEqualTo("0\t0");
  }

  @Test
  @Order(5)
  void timesOutsideTheRangeAreFlaggedOnTheRowAndTheRowCounts() throws Exception {
    experiment(20, "now() - interval '200 days'", "NULL", "NULL");
    users("t", 1, 4);
    population(20, "t", 4);
    job.execute(
        "UPDATE assignments SET assigned_at = '-infinity', enrolled_at = '0001-01-01 BC' WHERE user_id = 't1'",
        "UPDATE assignments SET updated_at = '20260-01-01', created_at = '1899-12-31' WHERE user_id = 't2'",
        "UPDATE users SET updated_at = '294276-12-31', created_at = '-infinity' WHERE user_id = 't3'",
        "UPDATE variants SET updated_at = '2300-01-01' WHERE id = 200",
        "UPDATE events SET assignment_at = 'infinity' WHERE user_id = 't4'");
    job.awaitAnswer(finding("T-OUT-OF-RANGE", "variant:200"), "OPEN");
    job.awaitAnswer(
        "SELECT count() FROM assignments_processed FINAL WHERE has(inconsistencies, 'T-OUT-OF-RANGE')",
        "2");

    assertThat(job.clickHouse.query(figures(20))).isEqualTo("4\t0");
    assertThat(
            job.clickHouse.query(
                "SELECT assigned_at, enrolled_at, day FROM assignments_processed FINAL WHERE user_id = 't1'"))
        .isEqualTo("1900-01-02 00:00:00.000000\t1900-01-02 00:00:00.000000\t1900-01-02");
    assertThat(
            job.clickHouse.query(
                "SELECT created_at, updated_at FROM users FINAL WHERE user_id = 't3'"))
        .isEqualTo("1900-01-02 00:00:00.000000\t2299-12-30 23:59:59.999999");
    assertThat(
            job.clickHouse.query(
                "SELECT has(inconsistencies, 'T-OUT-OF-RANGE'), assignment_at FROM events_processed FINAL WHERE user_id = 't4'"))
        .isEqualTo("1\t2299-12-30 23:59:59.999999");

    job.execute(
        "UPDATE assignments SET updated_at = now(), created_at = now() WHERE user_id = 't2'",
        "UPDATE events SET assignment_at = NULL WHERE user_id = 't4'",
        "UPDATE users SET updated_at = now(), created_at = now() WHERE user_id = 't3'");
    job.awaitAnswer(
        "SELECT count() FROM data_inconsistencies FINAL WHERE code = 'T-OUT-OF-RANGE' AND status = 'RESOLVED' AND (user_id IN ('t2', 't4') OR subject = 'user:t3')",
        "3");
  }

  @Test
  @Order(6)
  void deadLetterHasOneKeyHoweverItWasReadAndCanBeDismissed() throws Exception {
    assertThat(DeadLetters.list(job.clickHouse.login())).hasSize(2);
    job.execute(
        "UPDATE events SET session_id = 's' WHERE id IN ('%s', '%s')".formatted(ROMAN, NEVER),
        event(
            "00000000-0000-0000-0000-0000000000f3",
            1,
            "s2",
            "'4713-11-25 00:00:00+00 BC'",
            "exposure",
            "NULL"));
    job.awaitAnswer(
        "SELECT count(), countIf(_lsn > 0) FROM data_inconsistencies FINAL WHERE dead_letter_since IS NOT NULL",
        "3\t3");

    List<Letter> letters = DeadLetters.list(job.clickHouse.login());
    DeadLetters.dismiss(job.clickHouse.login(), letters);

    assertThat(DeadLetters.list(job.clickHouse.login())).isEmpty();
    job.execute("UPDATE events SET session_id = 'again' WHERE id = '%s'".formatted(ROMAN));
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(
            () -> {
              job.checkpoint();
              assertThat(DeadLetters.list(job.clickHouse.login()))
                  .extracting(Letter::eventId)
                  .containsExactly(ROMAN);
            });
    assertThat(DeadLetters.replay(job.postgres.login(), SourceMapping.defaults("public"), letters))
        .isEmpty();
    DeadLetters.dismiss(job.clickHouse.login(), DeadLetters.list(job.clickHouse.login()));
  }

  @Test
  @Order(7)
  void longNumbersAndDeepValuesLeaveTheValuesBesideThem() throws Exception {
    experiment(22, "now() - interval '200 days'", "NULL", "NULL");
    users("j", 1, 30);
    population(22, "j", 30);
    String deep = "repeat('[', 1001) || repeat(']', 1001)";
    job.execute(
        event(
            "00000000-0000-0000-0000-000000000221",
            22,
            "j2",
            "now()",
            "purchase",
            "'{\"a\": 1e1200, \"revenue\": 5}'"),
        event(
            "00000000-0000-0000-0000-000000000222",
            22,
            "j4",
            "now()",
            "purchase",
            "('{\"a\":' || " + deep + " || ',\"revenue\":5}')::jsonb"),
        event(
            "00000000-0000-0000-0000-000000000223",
            22,
            "j6",
            "now()",
            "purchase",
            "'{\"revenue\": 5, \"zzzzzzzzz\": 1e1200}'"),
        event(
            "00000000-0000-0000-0000-000000000224",
            22,
            "j8",
            "now()",
            "purchase",
            "'{\"revenue\": 1e1200}'"),
        "INSERT INTO users (user_id, properties) VALUES ('deep', ('{\"a\":' || "
            + deep
            + " || '}')::jsonb)");
    job.awaitAnswer(figures(22), "30\t15");

    assertThat(
            job.clickHouse.query(
                "SELECT event_id FROM data_inconsistencies FINAL WHERE code = 'S-BAD-PROPERTY' AND experiment_id = 22"))
        .isEqualTo("00000000-0000-0000-0000-000000000224");
    assertThat(
            job.clickHouse.query(
                "SELECT sum(total) FROM experiment_segments(dimension = 'a', event_type = 'purchase', property = 'revenue') WHERE experiment_id = 22"))
        .isEqualTo("15");
  }

  @Test
  @Order(8)
  void segmentsReadPropertiesBesideIntegersBeyond64Bits() throws Exception {
    experiment(9, "now() - interval '200 days'", "NULL", "NULL");
    users("b", 1, 20);
    job.execute(
        "UPDATE users SET properties = '{\"country\": \"DE\", \"fb_id\": 99999999999999999999}' WHERE user_id IN ('b1', 'b2')",
        "UPDATE users SET properties = '{\"country\": \"DE\", \"fb_id\": 7}' WHERE user_id IN ('b3', 'b4')");
    population(9, "b", 20);
    job.execute(
        event(
            "00000000-0000-0000-0000-000000000091",
            9,
            "b14",
            "now()",
            "purchase",
            "'{\"revenue\": 10, \"order_no\": 18446744073709551616}'"),
        event(
            "00000000-0000-0000-0000-000000000092",
            9,
            "b16",
            "now()",
            "purchase",
            "'{\"revenue\": 10, \"order_no\": 1}'"));
    job.awaitAnswer(figures(9), "20\t20");

    assertThat(
            job.clickHouse.query(
                "SELECT sum(total), sumIf(n, value = 'DE') FROM experiment_segments(dimension = 'country', event_type = 'purchase', property = 'revenue') WHERE experiment_id = 9"))
        .isEqualTo("20\t4");
  }

  @Test
  @Order(9)
  void zoneBesideALongNumberCountsAndABadZoneIsAFinding() throws Exception {
    experiment(30, "NULL", "NULL", "'{\"zone\": \"Pacific/Kiritimati\", \"n\": 1e1200}'");
    experiment(31, "NULL", "NULL", "'{\"zone\": \"Europe/Berlyn\"}'");
    experiment(
        32,
        "NULL",
        "NULL",
        "'{\"zone\": 5, \"zone\": \"America/Los_Angeles\", \"n\": 18446744073709551616}'");
    users("z", 1, 1);
    for (long id : List.of(30L, 31L, 32L)) {
      job.execute(
          event(
              "00000000-0000-0000-0000-0000000003%d".formatted(id),
              id,
              "z1",
              "'2026-10-01 12:00:00+00'",
              "exposure",
              "NULL"));
    }
    job.awaitAnswer(
        "SELECT experiment_id, day FROM events_processed FINAL WHERE user_id = 'z1' ORDER BY 1",
        "30\t2026-10-02\n31\t2026-10-01\n32\t2026-10-01");

    assertThat(
            job.clickHouse.query(
                "SELECT id, zone FROM experiments FINAL WHERE id BETWEEN 30 AND 32 ORDER BY id"))
        .isEqualTo("30\tPacific/Kiritimati\n31\t\n32\tAmerica/Los_Angeles");
    assertThat(
            job.clickHouse.query(
                "SELECT subject, status FROM data_inconsistencies FINAL WHERE code = 'S-BAD-CONFIG'"))
        .isEqualTo("experiment:31\tOPEN");

    job.execute("UPDATE experiments SET config = '{\"zone\": \"Europe/Berlin\"}' WHERE id = 31");
    job.awaitAnswer(finding("S-BAD-CONFIG", "experiment:31"), "RESOLVED");
  }

  /**
   * Random documents, in which the wanted keys also stand in strings and in inner objects. Long
   * because it writes the documents and computes the segments in PostgreSQL.
   */
  @Test
  @Order(10)
  void segmentsOfRandomDocumentsAreThoseOfPostgres() throws Exception {
    experiment(40, "now() - interval '200 days'", "NULL", "NULL");
    RandomJson json = new RandomJson(new Random(40));
    List<String> inserts = new ArrayList<>();
    for (int i = 1; i <= 150; i++) {
      inserts.add(
          "INSERT INTO users (user_id, properties) VALUES ('r%d', %s)"
              .formatted(i, json.literal()));
    }
    job.execute(String.join(";", inserts));
    population(40, "r", 150);
    inserts.clear();
    for (int i = 1; i <= 150; i++) {
      inserts.add(
          event(
              "00000000-0000-0000-0040-%012d".formatted(i),
              40,
              "r" + i,
              "now()",
              "purchase",
              json.literal()));
    }
    job.execute(String.join(";", inserts));
    job.awaitAnswer(
        "SELECT count() FROM events_processed FINAL WHERE experiment_id = 40 AND event_type = 'purchase'",
        "150");

    List<String> expected = new ArrayList<>();
    List<Double> totals = new ArrayList<>();
    try (Connection connection = job.postgres.connect();
        Statement statement = connection.createStatement();
        ResultSet rows =
            statement.executeQuery(
                """
                SELECT coalesce(encode(convert_to(CASE jsonb_typeof(u.properties -> 'country') WHEN 'null' THEN 'null'
                         ELSE u.properties ->> 'country' END, 'UTF8'), 'hex'), '') AS value, a.variant_id, count(*),
                       coalesce(sum((e.properties ->> 'revenue')::numeric) FILTER (WHERE jsonb_typeof(e.properties -> 'revenue') = 'number'
                         AND (e.properties ->> 'revenue')::numeric >= 0 AND (e.properties ->> 'revenue')::numeric < 1000000000000::numeric), 0)::float8
                FROM assignments a JOIN users u USING (user_id)
                JOIN events e ON e.user_id = a.user_id AND e.event_type = 'purchase'
                WHERE a.experiment_id = 40
                GROUP BY 1, 2 ORDER BY 1, 2""")) {
      while (rows.next()) {
        expected.add(rows.getString(1) + "\t" + rows.getLong(2) + "\t" + rows.getLong(3));
        totals.add(rows.getDouble(4));
      }
    }
    String segments =
        " FROM experiment_segments(dimension = 'country', event_type = 'purchase', property = 'revenue') WHERE experiment_id = 40 ORDER BY lower(hex(value)), variant_id";
    assertThat(job.clickHouse.query("SELECT lower(hex(value)), variant_id, n" + segments).lines())
        .containsExactlyElementsOf(expected);
    List<String> actual = job.clickHouse.query("SELECT total" + segments).lines().toList();
    for (int i = 0; i < totals.size(); i++) {
      assertThat(Double.parseDouble(actual.get(i)))
          .as(expected.get(i))
          .isCloseTo(totals.get(i), within(1e-9 * Math.max(1, totals.get(i))));
    }
    assertThat(expected).hasSizeGreaterThan(10);
  }

  @Test
  @Order(11)
  void auditIsEqual() throws Exception {
    assertThat(job.audit().differences()).isEmpty();
  }
}
