package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.local.PlatformExtension;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.stream.IntStream;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the job says about experiments that are changed while they run. The platform's allocations
 * are exact decimals here. Each test has its own experiments and users; at the end the audit is
 * equal.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class JudgementsIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  /** The texts from j54-1 to j54-300 that are greater than j54-250. */
  private static final long DELETED =
      IntStream.rangeClosed(1, 300).filter(i -> ("j54-" + i).compareTo("j54-250") > 0).count();

  @TempDir private static Path folder;
  private JobOnServers job;

  /** Once: the extension lends its cluster to jobs of tests only. */
  @BeforeEach
  void start(@InjectMiniCluster MiniCluster flink) throws Exception {
    if (job != null) {
      return;
    }
    job = new JobOnServers(PLATFORM, flink, folder, DeliveryConfig.defaults(), JobOnServers.GRACE);
    job.execute(
        "ALTER TABLE variants ALTER COLUMN allocation_pct TYPE numeric",
        experiment(50, "33.3, 33.3, 33.3"),
        // Its allocation was changed before the first snapshot, behind the first assignments.
        experiment(51, "20, 80"),
        "UPDATE variants SET updated_at = created_at + interval '1 minute' WHERE experiment_id = 51",
        assignments(51, 1, 600, "1 + (i > 500)::int", "now() - interval '1 day'"));
    job.makeSlotAnew();
    job.start(2);
    job.passSnapshot();
  }

  @AfterAll
  void auditIsEqual() throws Exception {
    try {
      settle();
      assertThat(job.audit().differences()).isEmpty();
    } finally {
      job.close();
    }
  }

  /** Variants have the ids of the experiment times ten, plus 1, 2, … */
  private static String experiment(long id, String weights) {
    return """
        INSERT INTO experiments (id, key, name, status, seed, starts_at) VALUES (%1$d, 'e%1$d', 'E%1$d', 'ACTIVE', 's', now() - interval '10 days');
        INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
        SELECT %1$d * 10 + n, %1$d, 'v' || n, 'V' || n, w, n = 1 FROM unnest(ARRAY[%2$s]::numeric[]) WITH ORDINALITY AS x(w, n);
        """
        .formatted(id, weights);
  }

  /**
   * Users and their assignments.
   *
   * @param variant the number of the variant, an expression of i
   */
  private static String assignments(long experiment, int from, int to, String variant, String at) {
    return """
        INSERT INTO users (user_id) SELECT 'j%1$d-' || i FROM generate_series(%2$d, %3$d) i;
        INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at)
        SELECT %1$d, 'j%1$d-' || i, %1$d * 10 + %4$s, %5$s FROM generate_series(%2$d, %3$d) i;
        """
        .formatted(experiment, from, to, variant, at);
  }

  private static String allocate(long experiment, String weights) {
    return "UPDATE variants SET allocation_pct = w, updated_at = now() FROM unnest(ARRAY[%2$s]::numeric[]) WITH ORDINALITY AS x(w, n) WHERE id = %1$d * 10 + n;"
        .formatted(experiment, weights);
  }

  /** Waits until all that was committed before is visible, and judged at a later marker. */
  private void settle() throws SQLException {
    long committed;
    try (Connection connection = job.postgres.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("SELECT pg_current_wal_insert_lsn() - '0/0'")) {
      row.next();
      committed = row.getLong(1);
    }
    await()
        .atMost(Duration.ofSeconds(60))
        .until(
            () -> {
              job.checkpoint();
              return job.clickHouse
                  .query("SELECT ifNull(max(lsn), 0) >= " + committed + " FROM etl_progress")
                  .equals("1");
            });
    // The first brings the later marker; when the second completes, the first is committed.
    job.checkpoint();
    job.checkpoint();
  }

  private String findings(long experiment) {
    return job.clickHouse.query(
        "SELECT code, status, detail FROM data_inconsistencies FINAL WHERE experiment_id = %d AND code IN ('H-SRM', 'R-ALLOCATION-CHANGED', 'R-ALLOCATION-SUM', 'H-MISSING-VARIANT') ORDER BY code"
            .formatted(experiment));
  }

  private String sampleRatio(long experiment) {
    return job.clickHouse.query(
        "SELECT round(srm_chi_square, 9), srm_df, assigned_users, arrayMap(e -> round(e, 6), expected_users), weights FROM experiment_health_daily FINAL WHERE experiment_id = %d ORDER BY day DESC LIMIT 1"
            .formatted(experiment));
  }

  @Test
  void rampAndAssignmentsOfOneTransactionGoByTheirPlaceInIt() throws Exception {
    job.execute(
        experiment(52, "80, 20"),
        assignments(52, 1, 1_000, "1 + (i % 5 = 0)::int", "now() - interval '9 days'"));
    job.execute(
        "BEGIN; "
            + assignments(52, 1_001, 1_500, "1 + (i % 5 = 0)::int", "now()")
            + allocate(52, "50, 50")
            + assignments(52, 1_501, 2_500, "1 + i % 2", "now()")
            + "COMMIT;");
    settle();
    assertThat(sampleRatio(52)).isEqualTo("0\t2\t[1700,800]\t[1700,800]\t[50,50]");
    assertThat(findings(52)).isEqualTo("R-ALLOCATION-CHANGED\tOPEN\tfrom 80 : 20 to 50 : 50");
    assertThat(
            job.clickHouse.query(
                "SELECT phase, judged_as, from_sequence > 0, weights FROM experiment_allocations FINAL WHERE experiment_id = 52 ORDER BY phase DESC LIMIT 1"))
        .matches("\\d\\t\\d\\t1\\t\\[50,50]");
  }

  @Test
  void skewBehindARampIsAMismatch() throws Exception {
    job.execute(experiment(53, "1, 3"), assignments(53, 1, 400, "1 + (i % 4 > 0)::int", "now()"));
    job.execute(
        "BEGIN; "
            + allocate(53, "0.5, 0.5")
            + assignments(53, 401, 1_400, "1 + (i % 5 > 2)::int", "now()")
            + "COMMIT;");
    settle();
    assertThat(sampleRatio(53)).startsWith("40\t2\t[700,700]\t[600,800]");
    assertThat(findings(53))
        .isEqualTo(
            "H-SRM\tOPEN\tchi-square 40.00 with 2 degrees of freedom, p = 2.06e-09\n"
                + "R-ALLOCATION-CHANGED\tOPEN\tfrom 1 : 3 to 0.5 : 0.5");
  }

  @Test
  void equalThirdsNeedNotAddUpToAHundred() throws Exception {
    job.execute(assignments(50, 1, 999, "1 + i % 3", "now()"));
    settle();
    assertThat(sampleRatio(50)).isEqualTo("0\t2\t[333,333,333]\t[333,333,333]\t[33.3,33.3,33.3]");
    assertThat(findings(50)).isEmpty();
  }

  @Test
  void correctionOfManyRowsIsOneFinding() throws Exception {
    job.execute(
        experiment(54, "50, 50"),
        assignments(54, 1, 300, "1 + i % 2", "now() - interval '2 hours'"),
        "INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type) SELECT now() - interval '1 hour', 54, 'j54-' || i, 541 + i % 2, 'exposure' FROM generate_series(1, 300) i");
    settle();
    job.execute(
        "UPDATE events SET session_id = 'corrected' WHERE experiment_id = 54 AND user_id COLLATE \"C\" <= 'j54-250'",
        "DELETE FROM assignments WHERE experiment_id = 54 AND user_id COLLATE \"C\" > 'j54-250'");
    for (int i = 10; i < 13; i++) {
      job.execute(
          "UPDATE events SET request_id = 'again' WHERE experiment_id = 54 AND user_id = 'j54-"
              + i
              + "'");
    }
    settle();
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(
            () -> {
              job.checkpoint();
              assertThat(
                      job.clickHouse.query(
                          "SELECT code, sum(toUInt32OrZero(splitByChar(' ', detail)[1])), count() <= 3 FROM data_inconsistencies FINAL WHERE experiment_id = 54 AND code LIKE 'C-%' GROUP BY code ORDER BY code"))
                  .isEqualTo(
                      "C-DELETE-UNEXPECTED\t%d\t1\nC-UPDATE-IMMUTABLE\t%d\t1"
                          .formatted(DELETED, 300 - DELETED + 3));
            });
    assertThat(
            job.clickHouse.query(
                "SELECT count() FROM events_processed FINAL WHERE experiment_id = 54 AND has(inconsistencies, 'C-UPDATE-IMMUTABLE')"))
        .isEqualTo(Long.toString(300 - DELETED));
  }

  private static String events(long experiment, int from, int to, String at) {
    return "INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type) SELECT %4$s, %1$d, 'j%1$d-' || i, %1$d * 10 + 1 + i %% 2, 'exposure' FROM generate_series(%2$d, %3$d) i"
        .formatted(experiment, from, to, at);
  }

  /** Open findings of the codes: code, number, and the number of rows that the first one names. */
  private String open(long experiment, String codes) {
    return job.clickHouse.query(
        "SELECT code, count(), toUInt32OrZero(splitByChar(' ', any(detail))[1]) FROM data_inconsistencies FINAL WHERE experiment_id = %d AND status = 'OPEN' AND code IN (%s) GROUP BY code ORDER BY code"
            .formatted(experiment, codes));
  }

  @Test
  void bulkChangesAreOneFindingEachAndCausesThatAreCorrectedAreResolved() throws Exception {
    String times = "'T-EVENT-BEFORE-ASSIGNMENT', 'T-NOT-RUNNING'";
    job.execute(
        experiment(55, "50, 50"),
        assignments(55, 1, 200, "1 + i % 2", "now() - interval '2 hours'"),
        events(55, 1, 200, "now() - interval '1 hour'"),
        events(55, 1, 20, "now() - interval '20 days'"));
    settle();
    assertThat(open(55, times)).isEqualTo("T-EVENT-BEFORE-ASSIGNMENT\t20\t0\nT-NOT-RUNNING\t20\t0");

    job.execute(
        "UPDATE assignments SET variant_id = 551 + 552 - variant_id, updated_at = now() WHERE experiment_id = 55 AND user_id IN (SELECT 'j55-' || i FROM generate_series(1, 90) i)",
        "DELETE FROM events WHERE experiment_id = 55 AND user_id IN (SELECT 'j55-' || i FROM generate_series(101, 180) i)",
        "UPDATE experiments SET starts_at = now() - interval '40 days', updated_at = now() WHERE id = 55",
        "UPDATE assignments SET assigned_at = now() - interval '30 days', updated_at = now() WHERE experiment_id = 55 AND user_id IN (SELECT 'j55-' || i FROM generate_series(1, 20) i)");
    settle();
    assertThat(open(55, "'A-REASSIGNED', 'C-DELETE-UNEXPECTED'"))
        .isEqualTo("A-REASSIGNED\t1\t90\nC-DELETE-UNEXPECTED\t1\t80");
    assertThat(open(55, times)).isEmpty();
  }

  @Test
  void factsOfADeletedExperimentAreOrphansInOneFinding() throws Exception {
    job.execute(
        experiment(56, "50, 50"),
        assignments(56, 1, 30, "1 + i % 2", "now() - interval '2 hours'"),
        events(56, 1, 30, "now() - interval '1 hour'"));
    settle();
    job.execute("DELETE FROM experiments WHERE id = 56");
    settle();
    assertThat(open(56, "'R-ORPHAN-EXPERIMENT', 'C-DELETE-UNEXPECTED'"))
        .isEqualTo("C-DELETE-UNEXPECTED\t1\t30\nR-ORPHAN-EXPERIMENT\t1\t0");
    assertThat(orphans(56))
        .as("events; the cascade has deleted the assignments")
        .isEqualTo("30\t30");
    assertThat(
            job.clickHouse.query(
                "SELECT count() FROM experiment_daily_stats FINAL WHERE experiment_id = 56 AND new_users != 0"))
        .isEqualTo("0");

    job.execute(experiment(56, "50, 50"));
    settle();
    assertThat(orphans(56)).as("the experiment is back").isEqualTo("0\t30");
    assertThat(open(56, "'R-ORPHAN-EXPERIMENT'")).isEmpty();
  }

  /** Events of the experiment that say it is missing, and all. */
  private String orphans(long experiment) {
    return job.clickHouse.query(
        "SELECT countIf(experiment_key = '' AND has(inconsistencies, 'R-ORPHAN-EXPERIMENT')), count() FROM events_processed FINAL WHERE experiment_id = "
            + experiment);
  }

  @Test
  void anotherZoneGivesAllRowsAndFiguresOfTheExperimentItsDays() throws Exception {
    job.execute(
        experiment(57, "50, 50"),
        assignments(
            57, 1, 40, "1 + i % 2", "date_trunc('day', now()) - interval '3 days 13 hours'"),
        events(57, 1, 40, "date_trunc('day', now()) - interval '2 days 13 hours'"));
    settle();
    assertThat(daysAgo(57)).isEqualTo("3");
    job.execute(zone(57, "Etc/GMT+12"), zone(57, "Pacific/Kiritimati"));
    settle();
    assertThat(daysAgo(57)).isEqualTo("2");
  }

  private static String zone(long experiment, String zone) {
    return "UPDATE experiments SET config = '{\"zone\": \"%s\"}' WHERE id = %d"
        .formatted(zone, experiment);
  }

  /** The days of the experiment's events, counted from today in UTC. */
  private String daysAgo(long experiment) {
    return job.clickHouse.query(
        "SELECT DISTINCT dateDiff('day', day, toDate32(now('UTC'))) FROM events_processed FINAL WHERE experiment_id = "
            + experiment);
  }

  @Test
  void usersFromBeforeTheKnownAllocationAreNotJudged() throws Exception {
    settle();
    assertThat(sampleRatio(51)).isEqualTo("0\t0\t[500,100]\t[0,0]\t[20,80]");
    assertThat(findings(51)).isEmpty();
  }
}
