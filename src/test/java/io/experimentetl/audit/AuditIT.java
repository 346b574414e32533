package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.RetentionSql;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.LocalDate;
import java.time.YearMonth;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Rows and daily statistics. */
class AuditIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private AuditRun run;
  private AuditFixture fixture;

  @BeforeEach
  void twoExperimentsOfFortyUsers() throws Exception {
    run = AuditRun.create(PLATFORM);
    fixture = run.fixture();
  }

  @AfterEach
  void close() throws Exception {
    run.close();
  }

  @Test
  void equalSidesExitWithZero() throws Exception {
    run.rest();

    AuditRun.Verified verify = run.verify();

    assertThat(verify.err()).isEmpty();
    assertThat(verify.exitCode()).isZero();
    assertThat(verify.out())
        .contains("EQUAL, after one fence")
        .containsPattern("users +all +40 +40 +equal")
        .containsPattern("statistics +2 experiments, \\d+ cells: equal");
  }

  @Test
  void columnThatPostgresNoLongerHasIsNamedAndSkipped() throws Exception {
    fixture
        .clickHouse()
        .query(
            "ALTER TABLE events_processed UPDATE device_id = 'phone' WHERE user_id = 'u7' SETTINGS mutations_sync = 1");
    fixture.sql("ALTER TABLE events DROP COLUMN device_id");
    fixture.sql("ALTER TABLE users DROP COLUMN name");
    fixture.sql("ALTER TABLE assignments DROP COLUMN enrolled_at");
    fixture.sql("ALTER TABLE experiments DROP COLUMN ends_at");
    run.rest();

    AuditRun.Verified verify = run.verify();

    assertThat(verify.err()).isEmpty();
    assertThat(verify.out())
        .contains("events.device_id", "users.name", "assignments.enrolled_at, ")
        .contains("the job reads them as NULL, and they were not compared");
    assertThat(verify.exitCode()).as(verify.out()).isZero();
  }

  @Test
  void numberIsComparedByItsValueAndNotByItsDecimals() throws Exception {
    fixture.sql("ALTER TABLE variants ALTER COLUMN allocation_pct TYPE numeric(5,2)");
    fixture.sql("ALTER TABLE assignments ALTER COLUMN version TYPE numeric(9,3)");
    fixture.sql("ALTER TABLE events ALTER COLUMN session_id TYPE numeric(5,2) USING 5.10");
    fixture.sql("ALTER TABLE events ALTER COLUMN request_id TYPE numeric(7,2) USING 700");
    fixture
        .clickHouse()
        .query(
            "ALTER TABLE events_processed UPDATE session_id = '5.1', request_id = '700.00' WHERE true SETTINGS mutations_sync = 1");
    run.rest();

    assertThat(run.audit().differences()).isEmpty();

    fixture.sql("UPDATE variants SET allocation_pct = 50.25 WHERE id = 11");
    assertThat(run.audit().differences().stream().map(AuditReport.Difference::toString))
        .contains(
            "variants: variant:11 is different in ClickHouse: allocation_pct is 50000000, in PostgreSQL 50250000");
  }

  @Test
  void databaseInLatin1IsComparedInUtf8() throws Exception {
    try (AuditRun latin1 = AuditRun.create(PLATFORM, AuditFixture.create(PLATFORM, "LATIN1"))) {
      latin1
          .fixture()
          .sql("INSERT INTO users (user_id, name) VALUES ('r\u00e9my', '\u00dcber \u00a7')");
      latin1.fixture().delivery().deliver(AuditRun.STATISTICS);
      latin1.rest();
      assertThat(latin1.audit().differences()).isEmpty();

      latin1.fixture().sql("UPDATE users SET name = '\u00dcber' WHERE user_id = 'r\u00e9my'");
      assertThat(latin1.audit().differences().stream().map(AuditReport.Difference::toString))
          .containsExactly(
              "users: user:r\u00e9my is different in ClickHouse: name is 8:\u00dcber \u00a7, in PostgreSQL 5:\u00dcber");
    }
  }

  @Test
  void databaseWithoutEncodingIsRefusedWithTheReason() throws Exception {
    try (AuditFixture bytes = AuditFixture.create(PLATFORM, "SQL_ASCII")) {
      assertThatThrownBy(() -> new Audit(bytes.settings(AuditRun.STATISTICS)).run())
          .isInstanceOf(CannotCompareException.class)
          .hasMessageContaining("SQL_ASCII")
          .hasMessageContaining("ENCODING 'UTF8'");
    }
  }

  @Test
  void changedRowIsReportedWithItsColumn() throws Exception {
    String id =
        fixture
            .clickHouse()
            .query(
                "SELECT event_id FROM events_processed WHERE user_id = 'u7' ORDER BY timestamp LIMIT 1");
    fixture
        .clickHouse()
        .query(
            "ALTER TABLE events_processed UPDATE session_id = 'x' WHERE event_id = '"
                + id
                + "' SETTINGS mutations_sync = 1");
    run.rest();

    AuditReport report = run.audit();

    assertThat(report.differences())
        .singleElement()
        .satisfies(
            difference -> {
              assertThat(difference.subject()).startsWith("event:" + id + "@");
              assertThat(difference.problem())
                  .isEqualTo("is different in ClickHouse: session_id is 1:x, in PostgreSQL -");
            });
    assertThat(report.fences()).isEqualTo(2);
  }

  @Test
  void droppedRowIsReportedWithTheFiguresItChanges() throws Exception {
    String event =
        fixture
            .clickHouse()
            .query(
                "SELECT concat(event_id, '@', toString(toUnixTimestamp64Micro(timestamp))) FROM events_processed"
                    + " WHERE user_id = 'u8' AND event_type = 'purchase' AND experiment_id = 2");
    fixture
        .clickHouse()
        .query("DELETE FROM events_processed WHERE event_id = '" + event.split("@", 2)[0] + "'");
    run.rest();

    AuditRun.Verified verify = run.verify();

    assertThat(verify.exitCode()).isEqualTo(1);
    assertThat(verify.out())
        .contains("event:" + event + " is missing in ClickHouse")
        .containsPattern(
            "statistics: experiment 2, metric revenue, variant 21, .* differs: .*"
                + "value_sum stored ([\\d.]+), from ClickHouse's rows [\\d.]+, from PostgreSQL's rows \\1");
  }

  @Test
  void duplicateRowIsReported() throws Exception {
    fixture.clickHouse().query("SYSTEM STOP MERGES " + fixture.clickHouse().database() + ".users");
    fixture.clickHouse().query("INSERT INTO users SELECT * FROM users WHERE user_id = 'u9'");
    run.rest();

    AuditReport report = run.audit();

    assertThat(report.differences())
        .singleElement()
        .satisfies(
            difference -> {
              assertThat(difference.subject()).isEqualTo("user:u9");
              assertThat(difference.problem()).startsWith("is in ClickHouse 2 times");
            });
  }

  @Test
  void changedDailySumIsReportedWithThreeValues() throws Exception {
    fixture
        .clickHouse()
        .query(
            "INSERT INTO experiment_daily_stats SELECT * REPLACE (value_sum + 0.000001 AS value_sum,"
                + " _version + 1 AS _version) FROM experiment_daily_stats FINAL WHERE experiment_id = 2"
                + " AND metric = 'revenue' AND variant_id = 21 AND value_sum > 0 ORDER BY day LIMIT 1");
    run.rest();

    AuditReport report = run.audit();

    assertThat(report.differences()).hasSize(1);
    assertThat(report.differences().get(0).toString())
        .startsWith("statistics: experiment 2, metric revenue, variant 21, ")
        .matches(
            ".* differs: value_sum stored 37\\.500001, from ClickHouse's rows 37\\.5, from PostgreSQL's rows 37\\.5");
  }

  @Test
  void everyFigureAndTheKindAreCompared() throws Exception {
    String moved =
        StatisticsFigures.NAMES.stream()
            .map(name -> name + " + 1 AS " + name)
            .collect(Collectors.joining(", "));
    fixture
        .clickHouse()
        .query(
            "INSERT INTO experiment_daily_stats SELECT * REPLACE ("
                + moved
                + ", 'ratio' AS kind, _version + 1 AS _version) FROM experiment_daily_stats FINAL"
                + " WHERE metric = 'revenue' ORDER BY experiment_id, variant_id, day LIMIT 1");
    run.rest();

    List<AuditReport.Difference> differences = run.audit().differences();

    assertThat(differences).hasSize(2);
    assertThat(differences.stream().map(AuditReport.Difference::toString))
        .anyMatch(
            text -> text.endsWith("metric revenue differs: kind stored ratio, configured mean"))
        .anyMatch(
            text ->
                StatisticsFigures.NAMES.stream()
                    .allMatch(name -> text.contains(name + " stored ")));
  }

  @Test
  void rowThatOnlyClickHouseHasIsReported() throws Exception {
    fixture
        .clickHouse()
        .query(
            "INSERT INTO assignments_processed SELECT * REPLACE (id + 1000 AS id, 'u99' AS user_id)"
                + " FROM (SELECT * FROM assignments_processed FINAL WHERE experiment_id = 1 AND user_id = 'u3')");
    fixture
        .clickHouse()
        .query(
            "INSERT INTO variants SELECT * REPLACE (999 AS id) FROM (SELECT * FROM variants FINAL WHERE id = 11)");
    run.rest();

    assertThat(run.audit().differences().stream().map(AuditReport.Difference::toString))
        .anySatisfy(
            line -> assertThat(line).endsWith("is in ClickHouse only").startsWith("assignments "))
        .anySatisfy(
            line -> assertThat(line).isEqualTo("variants: variant:999 is in ClickHouse only"));
  }

  @Test
  void missingUpdateAndMissingDeleteAreReported() throws Exception {
    fixture.sql("UPDATE experiments SET name = 'renamed' WHERE id = 1");
    fixture.sql("DELETE FROM users WHERE user_id = 'u12'");
    run.rest();

    assertThat(run.audit().differences().stream().map(AuditReport.Difference::toString))
        .contains(
            "experiments: experiment:1 is different in ClickHouse: name is 12:Experiment 1, in PostgreSQL 7:renamed",
            "users: user:u12 is in ClickHouse only");
  }

  @Test
  void rowsRemovedByRetentionAreExcludedAndCounted() throws Exception {
    fixture.experiment(3, "NULL", "NULL", "NULL");
    fixture.user("old");
    fixture.assignment(3, "old", 31, "hash", AuditRun.YESTERDAY.minusDays(400) + " 00:00Z", "NULL");
    fixture.event(
        null, 3, "old", AuditRun.YESTERDAY.minusDays(200) + " 00:00Z", "exposure", 31L, null);
    fixture.event(
        null, 3, "old", AuditRun.YESTERDAY.minusDays(200) + " 01:00Z", "conversion", 31L, null);
    fixture.delivery().deliver(AuditRun.STATISTICS);
    fixture.sql(RetentionSql.WATERMARK);
    fixture.sql("CALL retention_delete()");
    fixture.delivery().retain("events_processed", "assignments_processed");
    run.rest();

    AuditReport report = run.audit();

    assertThat(report.differences()).isEmpty();
    assertThat(report.retainedExperiments()).containsExactly(3L);
    assertThat(report.lines())
        .filteredOn(line -> line.retained() > 0)
        .extracting(AuditReport.TableLine::table, AuditReport.TableLine::retained)
        .containsExactlyInAnyOrder(tuple("assignments", 1L), tuple("events", 2L));
  }

  @Test
  void rowsOfArchivedMonthsMayBeAbsentAndOthersMayNot() throws Exception {
    fixture.experiment(3, "NULL", "NULL", "NULL");
    fixture.user("old");
    fixture.assignment(3, "old", 31, "hash", AuditRun.YESTERDAY.minusDays(200) + " 00:00Z", "NULL");
    LocalDate archived = YearMonth.from(AuditRun.YESTERDAY.minusDays(180)).atDay(1);
    fixture.event(null, 3, "old", archived + " 00:00Z", "exposure", 31L, null);
    fixture.event(null, 3, "old", archived.plusDays(27) + " 00:00Z", "conversion", 31L, null);
    fixture.event(null, 3, "old", archived.plusMonths(1) + " 00:00Z", "page_view", 31L, null);
    fixture.delivery().deliver(AuditRun.STATISTICS);
    fixture.delivery().lose("events_processed", "user_id = 'old'");
    run.rest();
    fixture.archive(
        PLATFORM.directory().resolve("cold"), "events_processed", YearMonth.from(archived));

    AuditReport report = run.audit();

    assertThat(report.differences())
        .extracting(AuditReport.Difference::toString)
        .as("the month that is not archived")
        .singleElement()
        .asString()
        .contains("is missing in ClickHouse");
    assertThat(report.lines())
        .filteredOn(line -> line.retained() > 0)
        .extracting(AuditReport.TableLine::table, AuditReport.TableLine::retained)
        .containsExactly(tuple("events", 1L), tuple("events", 1L));
    assertThat(report.expiredExperiments()).contains(3L);
  }

  @Test
  void statisticsThatOutliveTheirRowsAreNotRecomputed() {
    fixture
        .clickHouse()
        .query(
            "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, exposures) VALUES (9, 91, 'revenue', '"
                + AuditRun.YESTERDAY.minusDays(800)
                + "', 5), (9, 91, 'revenue', '"
                + AuditRun.YESTERDAY.minusDays(700)
                + "', 5)");
    run.rest();

    AuditReport report = run.audit();

    assertThat(report.differences()).isEmpty();
    assertThat(report.expiredExperiments()).containsExactly(9L);
  }

  @Test
  void undeliverableRowWithFindingIsExcluded() throws Exception {
    fixture.event(
        "00000000-0000-4000-8000-0000000000aa", 1, "u1", "infinity", "conversion", null, null);
    run.rest();
    assertThat(run.audit().differences().stream().map(AuditReport.Difference::toString))
        .containsExactly(
            "events: event:00000000-0000-4000-8000-0000000000aa@9223372036854775807 is missing in ClickHouse");

    fixture
        .clickHouse()
        .query(
            "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, severity, status, dead_letter_since) VALUES ('S-UNPARSEABLE',"
                + " 'event', '00000000-0000-4000-8000-0000000000aa@9223372036854775807', 'ERROR', 'OPEN', now())");

    AuditReport report = run.audit();
    assertThat(report.differences()).isEmpty();
    assertThat(report.lines().stream().mapToLong(AuditReport.TableLine::flagged).sum())
        .isEqualTo(1);
  }

  @Test
  void rowsLoadedTwiceAreReported() throws Exception {
    keepParts("events_processed", "assignments_processed");
    // u6: a change of the stream once more; u7: read from the table once more.
    insertAgain("events_processed", "u6", "_version + 1024 AS _version");
    insertAgain("events_processed", "u7", "_version + 1024 AS _version, 0 AS _lsn");
    insertAgain("assignments_processed", "u8", "_version + 1024 AS _version");
    insertAgain("assignments_processed", "u9", "_version + 1024 AS _version, 0 AS _lsn");
    String second =
        fixture
            .clickHouse()
            .query("SELECT min(event_id) FROM events_processed WHERE user_id = 'u7'");
    run.rest();

    AuditReport report = run.audit();

    assertThat(report.differences())
        .hasSize(24)
        .allSatisfy(
            difference ->
                assertThat(difference.problem())
                    .startsWith("is in ClickHouse in 2 versions although nothing changed it"))
        .anySatisfy(
            difference ->
                assertThat(difference.subject()).startsWith("event:" + second.strip() + "@"));
  }

  /** PostgreSQL sends each of these, so each has an LSN of its own. */
  @Test
  void rowsThatComeAgainUnchangedAreNotReported() throws Exception {
    fixture
        .clickHouse()
        .query(
            "ALTER TABLE events_processed UPDATE _lsn = 0 WHERE user_id = 'u8' SETTINGS mutations_sync = 1");
    keepParts("events_processed", "assignments_processed");
    insertAgain("events_processed", "u6", "_version + 1 AS _version");
    // Deleted and inserted again, and the tombstone is merged away.
    insertAgain("events_processed", "u7", "_version + 1024 AS _version, _lsn + 1 AS _lsn");
    insertAgain("assignments_processed", "u7", "_version + 1024 AS _version, _lsn + 1 AS _lsn");
    // Read from the table, deleted, and inserted again.
    insertAgain("events_processed", "u8", "_version + 1024 AS _version, 1 AS _deleted");
    insertAgain("events_processed", "u8", "_version + 1024 AS _version, 0 AS _deleted, 9 AS _lsn");
    run.rest();

    assertThat(run.audit().differences()).isEmpty();
  }

  private void keepParts(String... tables) {
    for (String table : tables) {
      fixture
          .clickHouse()
          .query("SYSTEM STOP MERGES " + fixture.clickHouse().database() + "." + table);
    }
  }

  /** Inserts the user's newest rows again as the sink does, with other values in these columns. */
  private void insertAgain(String table, String user, String replaced) {
    fixture
        .clickHouse()
        .query(
            "INSERT INTO %1$s SELECT * REPLACE (%2$s) FROM (SELECT * FROM %1$s WHERE user_id = '%3$s' AND _version = (SELECT max(_version) FROM %1$s WHERE user_id = '%3$s')) SETTINGS optimize_on_insert = 0"
                .formatted(table, replaced, user));
  }

  @Test
  void auditDuringWritesFindsOnlyTheLostRow() throws Exception {
    try (Connection connection = fixture.postgres().connect()) {
      AtomicLong written = new AtomicLong();
      Future<?> writes =
          run.background()
              .scheduleWithFixedDelay(
                  () -> write(connection, written.incrementAndGet()), 0, 25, TimeUnit.MILLISECONDS);
      run.every(20, () -> fixture.delivery().deliver(AuditRun.STATISTICS));

      AuditReport whole = run.audit();
      fixture.delivery().lose("assignments_processed", "experiment_id = 2 AND user_id = 'u30'");
      AuditReport broken = run.audit();
      assertThat(writes.isDone()).as("writers wrote all the time").isFalse();
      writes.cancel(false);

      assertThat(whole.differences()).as(AuditFixture.printed(whole)).isEmpty();
      assertThat(broken.differences().stream().map(AuditReport.Difference::toString))
          .as(AuditFixture.printed(broken))
          .anySatisfy(
              line ->
                  assertThat(line).startsWith("assignments ").endsWith("is missing in ClickHouse"));
    }
  }

  /** Inserts, updates, moves and deletes. */
  private static void write(Connection connection, long number) {
    String user = "'u" + (1 + number % 29) + "'";
    try {
      AuditFixture.sql(
          connection,
          "INSERT INTO events (\"timestamp\", experiment_id, user_id, event_type, properties) VALUES (now(), "
              + (1 + number % 2)
              + ", "
              + user
              + ", 'purchase', '{\"revenue\": "
              + number
              + "}')");
      AuditFixture.sql(
          connection,
          "UPDATE users SET name = '" + number + "', updated_at = now() WHERE user_id = " + user);
      AuditFixture.sql(connection, "UPDATE experiments SET updated_at = now() WHERE id = 2");
      if (number % 10 == 0) {
        AuditFixture.sql(
            connection,
            "DELETE FROM events WHERE id = (SELECT id FROM events WHERE user_id = "
                + user
                + " LIMIT 1)");
        AuditFixture.sql(
            connection,
            "UPDATE assignments SET assigned_at = assigned_at + interval '7 hours' WHERE user_id = "
                + user);
      }
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }
}
