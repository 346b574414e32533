package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.audit.AuditReport;
import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.config.DeliveryMode;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.SqlFiles;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.MethodOrderer.MethodName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/**
 * Changed keys and users' new ids, from PostgreSQL to ClickHouse. The cases share one running job;
 * each has an experiment and users of its own, and the audit follows them all.
 */
@TestMethodOrder(MethodName.class)
class ChangedKeysIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  @TempDir private static Path folder;
  private static final Instant NOW = Instant.now().truncatedTo(ChronoUnit.MICROS);

  private static JobOnServers job;

  /** Before the first case: only there is the cluster the environment's. */
  @BeforeEach
  void start(@InjectMiniCluster MiniCluster flink) throws Exception {
    if (job != null) {
      return;
    }
    job =
        new JobOnServers(
            PLATFORM,
            flink,
            folder,
            new DeliveryConfig(DeliveryMode.EXACTLY_ONCE, Duration.ofMillis(50)),
            JobOnServers.GRACE);
    // Foreign keys as platforms have them whose users may change their ids.
    execute(
        """
        ALTER TABLE assignments DROP CONSTRAINT assignments_user_id_fkey;
        ALTER TABLE assignments ADD FOREIGN KEY (user_id) REFERENCES users ON UPDATE CASCADE ON DELETE CASCADE;
        ALTER TABLE events DROP CONSTRAINT events_user_id_fkey;
        ALTER TABLE events ADD FOREIGN KEY (user_id) REFERENCES users ON UPDATE CASCADE ON DELETE CASCADE;
        """);
    experiment(9500, "snapshot");
    job.start(2);
    job.passSnapshot();
  }

  @AfterAll
  static void close() throws Exception {
    job.close();
  }

  /** An experiment with two variants, and ten users with an assignment and an exposure each. */
  private static void experiment(int id, String prefix) throws Exception {
    execute(
        """
        INSERT INTO experiments (id, key, name, status, seed, starts_at)
        VALUES (%1$d, '%2$s', '%2$s', 'ACTIVE', 's', now() - interval '300 days');
        INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
        VALUES (%1$d0, %1$d, 'c', 'C', 50, true), (%1$d1, %1$d, 't', 'T', 50, false);
        INSERT INTO users (user_id) SELECT '%2$s-' || n FROM generate_series(1, 10) n;
        INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at)
        SELECT %1$d, '%2$s-' || n, %1$d0 + n %% 2, now() - interval '200 days' FROM generate_series(1, 10) n;
        INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type)
        SELECT now() - interval '30 days', %1$d, '%2$s-' || n, %1$d0 + n %% 2, 'exposure'
        FROM generate_series(1, 10) n;
        """
            .formatted(id, prefix));
  }

  private static String event(
      int number, String age, int experiment, String user, int variant, String type) {
    return """
        INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
        VALUES ('%s', now() - interval '%s', %d, '%s', %d, '%s', '{"revenue": %d}');
        """
        .formatted(eventId(number), age, experiment, user, variant, type, number);
  }

  private static String eventId(int number) {
    return "00000000-0000-4000-8000-%012d".formatted(number);
  }

  /** Writes at {@link #NOW}, so that no day begins within a test. */
  private static void execute(String... statements) throws Exception {
    job.execute(
        Arrays.stream(statements)
            .map(sql -> sql.replace("now()", "timestamptz '" + NOW + "'"))
            .toArray(String[]::new));
  }

  private static String query(String sql) {
    return job.clickHouse.query(atNow(sql));
  }

  private static void awaitResult(String expected, String query) {
    job.awaitAnswer(atNow(query), expected);
  }

  private static String atNow(String sql) {
    String time = "toDateTime64('%s', 6, 'UTC')".formatted(NOW.toString().replace("Z", ""));
    return sql.replace("now()", time).replace("today()", "toDate(" + time + ")");
  }

  private static String rowsOf(int number) {
    return "SELECT user_id, dateDiff('day', timestamp, now()), count() FROM events_processed FINAL WHERE event_id = '%s' GROUP BY 1, 2 ORDER BY 1, 2 FORMAT CSV"
        .formatted(eventId(number));
  }

  private static String revenue(int experiment) {
    return "SELECT dateDiff('day', day, today()), sum(value_sum) FROM experiment_daily_stats FINAL WHERE experiment_id = %d AND metric = 'revenue' GROUP BY day HAVING sum(value_sum) != 0 ORDER BY day FORMAT CSV"
        .formatted(experiment);
  }

  /** Without those that an event's first version opens for ever. */
  private static String findings(int experiment) {
    return "SELECT code, count() FROM data_inconsistencies FINAL WHERE experiment_id = %d AND status = 'OPEN' AND code NOT IN ('T-LATE', 'T-NOT-RUNNING', 'T-EVENT-BEFORE-ASSIGNMENT') GROUP BY code ORDER BY code FORMAT CSV"
        .formatted(experiment);
  }

  @Test
  void eventsWhoseTimeIsCorrectedAcrossMonthsCountAtTheirNewTime() throws Exception {
    experiment(9501, "month");
    execute(
        event(40, "20000 days", 9501, "month-1", 95011, "purchase"),
        event(50, "100 days", 9501, "month-2", 95010, "purchase"));
    awaitResult(
        "1", "SELECT count() FROM events_processed FINAL WHERE event_id = '" + eventId(50) + "'");

    execute(
        "UPDATE events SET timestamp = now() - interval '2 days' WHERE id IN ('%s', '%s')"
            .formatted(eventId(40), eventId(50)));

    awaitResult("2,90", revenue(9501));
    assertThat(query(rowsOf(40))).isEqualTo("\"month-1\",2,1");
    assertThat(query(rowsOf(50))).isEqualTo("\"month-2\",2,1");
    // One finding for the transaction.
    assertThat(query(findings(9501))).isEqualTo("\"C-UPDATE-IMMUTABLE\",1");
  }

  @Test
  void rowsWithAnotherIdOrUserAndMonthAreOneUpdate() throws Exception {
    experiment(9502, "row");
    execute(
        event(60, "150 days", 9502, "row-1", 95021, "purchase"),
        event(61, "20 days", 9502, "row-2", 95020, "purchase"));
    awaitResult(
        "150",
        "SELECT max(dateDiff('day', timestamp, now())) FROM events_processed FINAL WHERE experiment_id = 9502");

    execute(
        // Another user together with the month.
        "UPDATE events SET timestamp = now() - interval '3 days', user_id = 'row-3', variant_id = 95021 WHERE id = '%s'"
            .formatted(eventId(60)),
        // Another id of the row itself.
        "UPDATE events SET id = '%s' WHERE id = '%s'".formatted(eventId(62), eventId(61)),
        "UPDATE assignments SET id = id + 1000000 WHERE user_id = 'row-4'",
        // Deleted and inserted again, with other rows between.
        """
        BEGIN;
        CREATE TEMPORARY TABLE moved ON COMMIT DROP AS SELECT * FROM events WHERE user_id IN ('row-5', 'row-6');
        DELETE FROM events WHERE user_id IN ('row-5', 'row-6');
        UPDATE moved SET timestamp = timestamp + interval '1 day';
        INSERT INTO events SELECT * FROM moved;
        COMMIT;
        """);

    awaitResult("\"row-3\",3,1", rowsOf(60));
    awaitResult("", rowsOf(61));
    assertThat(query(rowsOf(62))).isEqualTo("\"row-2\",20,1");
    awaitResult(
        "1000001",
        "SELECT intDiv(max(id), 1000000) * 1000000 + count() FROM assignments_processed FINAL WHERE user_id = 'row-4'");
    assertThat(query(findings(9502)))
        .doesNotContain("C-DELETE-UNEXPECTED")
        .doesNotContain("D-DUP-EVENT")
        .doesNotContain("C-DELETE-RETENTION");
  }

  @Test
  void newIdOfAUserTakesTheExposureBeyondRetentionAlong() throws Exception {
    experiment(9503, "id");
    execute(
        "DELETE FROM events WHERE experiment_id = 9503",
        event(70, "100 days", 9503, "id-1", 95031, "exposure"),
        event(71, "10 days", 9503, "id-1", 95031, "purchase"));
    awaitResult("10,71", revenue(9503));
    execute(
        "DELETE FROM events WHERE id = '%s'".formatted(eventId(70)),
        "UPDATE users SET user_id = 'id-1x' WHERE user_id = 'id-1'",
        event(72, "1 days", 9503, "id-1x", 95031, "purchase"));

    awaitResult("10,71\n1,72", revenue(9503));
    awaitResult("\"id-1x\",100,1", rowsOf(70));
    assertThat(query(rowsOf(71))).isEqualTo("\"id-1x\",10,1");
    assertThat(query("SELECT count() FROM events_processed FINAL WHERE user_id = 'id-1'"))
        .isEqualTo("0");
    assertThat(
            query("SELECT count() FROM data_inconsistencies FINAL WHERE code = 'C-DELETE-ERASURE'"))
        .isEqualTo("0");

    // Used again by another user, whom the erasure below must not concern.
    execute(
        "INSERT INTO users (user_id) VALUES ('id-1')",
        "INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at) VALUES (9503, 'id-1', 95030, now() - interval '9 days')",
        event(73, "8 days", 9503, "id-1", 95030, "exposure"),
        event(74, "7 days", 9503, "id-1", 95030, "purchase"));
    awaitResult("10,71\n7,74\n1,72", revenue(9503));
    execute("DELETE FROM users WHERE user_id = 'id-1x'");

    awaitResult("7,74", revenue(9503));
    assertThat(
            query(
                "SELECT user_id, count() FROM events_processed FINAL WHERE user_id IN ('id-1', 'id-1x') GROUP BY 1 FORMAT CSV"))
        .isEqualTo("\"id-1\",2");
    assertThat(
            query(
                "SELECT count() FROM assignments_processed FINAL WHERE user_id IN ('id-1', 'id-1x')"))
        .isEqualTo("1");
  }

  @Test
  void usersWhoSwapTheirIdsSwapTheirFacts() throws Exception {
    experiment(9504, "swap");
    execute(
        event(81, "120 days", 9504, "swap-1", 95041, "exposure"),
        event(82, "120 days", 9504, "swap-2", 95040, "exposure"),
        event(83, "5 days", 9504, "swap-1", 95041, "purchase"));
    awaitResult("5,83", revenue(9504));
    execute(
        "DELETE FROM events WHERE id IN ('%s', '%s')".formatted(eventId(81), eventId(82)),
        """
        BEGIN;
        UPDATE users SET user_id = 'swap-t' WHERE user_id = 'swap-1';
        UPDATE users SET user_id = 'swap-1' WHERE user_id = 'swap-2';
        UPDATE users SET user_id = 'swap-2' WHERE user_id = 'swap-t';
        COMMIT;
        """);

    awaitResult("\"swap-2\",120,1", rowsOf(81));
    awaitResult("\"swap-1\",120,1", rowsOf(82));
    assertThat(query(rowsOf(83))).isEqualTo("\"swap-2\",5,1");
    assertThat(query(revenue(9504))).isEqualTo("5,83");
  }

  @Test
  void zzAuditIsEqualAndNamesTheVersionsThatPostgresDoesNotHave() throws Exception {
    AuditReport report = job.audit();
    assertThat(report.differences()).isEmpty();

    // What the job left before: the version beyond retention beside the corrected one.
    query(
        """
        INSERT INTO events_processed (event_id, timestamp, experiment_id, user_id, variant_id, event_type, day, _lsn, _version)
        VALUES ('%s', now() - INTERVAL 99 DAY, 9501, 'month-2', 95010, 'purchase', today() - 99, 1, 1)
        """
            .formatted(eventId(50)));
    assertThat(job.audit().differences())
        .anySatisfy(
            difference ->
                assertThat(difference.toString())
                    .contains(eventId(50))
                    .contains("although the event has another row"));
  }

  @Test
  void zzzCleanUpLeavesNothingOfAnErasedUserUnderAFormerId() throws Exception {
    query(
        "INSERT INTO etl_sink_progress (sequence_number, written_at) VALUES (0, now() + INTERVAL 2 DAY)");
    new SqlFiles(Path.of("sql")).forgetErasedUsers(job.clickHouse.login());

    assertThat(query("SELECT count() FROM events_processed WHERE user_id = 'id-1x'"))
        .isEqualTo("0");
    assertThat(
            query(
                "SELECT count() FROM events_processed WHERE event_id IN ('%s', '%s')"
                    .formatted(eventId(70), eventId(71))))
        .isEqualTo("0");
  }
}
