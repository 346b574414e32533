package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.local.PlatformExtension;
import java.time.LocalDate;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Health figures and findings. */
class FindingsAuditIT {
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
  void everyHealthFigureChangedByHandIsReported() throws Exception {
    fixture.experiment(3, "NULL", "NULL", "NULL");
    for (int day = 2; day <= 4; day++) {
      fixture.user("v" + day);
      fixture.assignment(
          3, "v" + day, 31, "hash", AuditRun.YESTERDAY.minusDays(day) + " 00:00Z", "NULL");
    }
    fixture.delivery().deliver(AuditRun.STATISTICS);
    String[] changes = {
      "exposures = exposures + 1",
      "crossover_users = crossover_users + 1",
      "assigned_users = arrayMap(n -> n + 1, assigned_users)",
      "exposed_users = arrayMap(n -> n + 1, exposed_users)",
      "srm_p = srm_p / 2",
      "weights = [90, 10]",
      "expected_users = [9, 1]",
    };
    List<String> days = new ArrayList<>();
    for (String change : changes) {
      String row =
          fixture
              .clickHouse()
              .query(
                  "SELECT experiment_id, day FROM experiment_health_daily FINAL ORDER BY day, experiment_id LIMIT 1 OFFSET "
                      + days.size())
              .strip();
      days.add("health: experiment " + row.replace("\t", ", "));
      fixture
          .clickHouse()
          .query(
              "ALTER TABLE experiment_health_daily UPDATE "
                  + change
                  + " WHERE (toString(experiment_id), toString(day)) = ('"
                  + row.replace("\t", "', '")
                  + "') SETTINGS mutations_sync = 1");
    }
    run.rest();

    List<String> lines =
        run.audit().differences().stream().map(AuditReport.Difference::toString).toList();

    assertThat(lines).hasSameSizeAs(days);
    assertThat(days).allSatisfy(day -> assertThat(lines).anyMatch(line -> line.startsWith(day)));
    assertThat(lines)
        .anyMatch(line -> line.contains("1=90.0, ") && line.contains("2=10.0} and should be {"))
        .anyMatch(line -> line.contains("srm_chi_square, srm_df, srm_p, expected_users are "));
  }

  @Test
  void missingFindingsAndFalselyOpenFindingsAreReported() throws Exception {
    String missing = "00000000-0000-4000-8000-000000000001";
    String closed = "00000000-0000-4000-8000-000000000002";
    String clean = "00000000-0000-4000-8000-000000000003";
    fixture.event(missing, 1, "u1", AuditRun.YESTERDAY + " 10:00Z", "exposure", null, null);
    fixture.event(closed, 1, "u2", AuditRun.YESTERDAY + " 10:00Z", "exposure", null, null);
    fixture.event(clean, 1, "u3", AuditRun.YESTERDAY + " 10:00Z", "exposure", 12L, null);
    fixture.event(null, 1, "u5", AuditRun.YESTERDAY + " 10:00Z", "exposure", 11L, null);
    fixture.delivery().deliver(AuditRun.STATISTICS);
    fixture
        .clickHouse()
        .query("DELETE FROM data_inconsistencies WHERE event_id = '" + missing + "'");
    fixture
        .clickHouse()
        .query(
            "ALTER TABLE data_inconsistencies UPDATE status = 'RESOLVED' WHERE event_id = '"
                + closed
                + "' SETTINGS mutations_sync = 1");
    String at = "@" + AuditRun.YESTERDAY.atTime(10, 0).toEpochSecond(ZoneOffset.UTC) + "000000";
    insertFalselyOpenFindings(clean, at);
    run.rest();

    List<String> lines =
        run.audit().differences().stream().map(AuditReport.Difference::toString).toList();

    assertThat(lines)
        .hasSize(12)
        .anyMatch(l -> l.contains("R-VARIANT-NULL event:" + missing + at + " is not open"))
        .anyMatch(l -> l.contains("R-VARIANT-NULL event:" + closed + at + " is not open"))
        .anyMatch(l -> l.contains("A-CROSSOVER experiment-user:1/u5 is not open"))
        .anyMatch(l -> l.contains("R-VARIANT-MISMATCH event:" + clean + at + " is open"))
        .anyMatch(l -> l.contains("S-BAD-PROPERTY event:00000000-0000-4000-8000-00000000000f"))
        .anyMatch(l -> l.contains("A-CROSSOVER experiment-user:1/u8 is open"))
        .anyMatch(l -> l.contains("A-OVERRIDE assignment:3 is open"))
        .anyMatch(l -> l.contains("R-ORPHAN-EXPERIMENT experiment:1 is open"))
        .anyMatch(l -> l.contains("R-ORPHAN-VARIANT variant:11 is open"))
        .anyMatch(l -> l.contains("R-ORPHAN-USER user:u8 is open"))
        .anyMatch(l -> l.contains("R-ORPHAN-ASSIGNMENT experiment-user:1/u8 is open"))
        .anyMatch(l -> l.contains("H-SRM experiment:1 is open"));
  }

  private void insertFalselyOpenFindings(String clean, String at) {
    // An older version would be that of an earlier event with the same id. Versions count bytes of
    // PostgreSQL's log, so how large they are depends on the tests that ran before.
    String version =
        fixture.clickHouse().query("SELECT max(_version) + 1 FROM events_processed").strip();
    fixture
        .clickHouse()
        .query(
            "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, status, experiment_id, user_id, event_id, event_timestamp, _version) VALUES"
                + " ('R-VARIANT-MISMATCH', 'event', '"
                + clean
                + at
                + "', 'OPEN', 1, 'u3', '"
                + clean
                + "', '"
                + AuditRun.YESTERDAY
                + " 10:00:00', "
                + version
                + "),"
                + " ('S-BAD-PROPERTY', 'event', '00000000-0000-4000-8000-00000000000f"
                + at
                + "', 'OPEN', 1, 'u3', '00000000-0000-4000-8000-00000000000f', '"
                + AuditRun.YESTERDAY
                + " 10:00:00', "
                + version
                + ")");
    fixture
        .clickHouse()
        .query(
            "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, status, experiment_id, user_id, event_id, _version) VALUES"
                + " ('A-CROSSOVER', 'experiment-user', '1/u8', 'OPEN', 1, 'u8', NULL, "
                + version
                + "),"
                + " ('A-OVERRIDE', 'assignment', '3', 'OPEN', 1, 'u8', NULL, "
                + version
                + "),"
                + " ('R-ORPHAN-EXPERIMENT', 'experiment', '1', 'OPEN', 1, NULL, NULL, "
                + version
                + "),"
                + " ('R-ORPHAN-VARIANT', 'variant', '11', 'OPEN', 1, NULL, NULL, "
                + version
                + "),"
                + " ('R-ORPHAN-USER', 'user', 'u8', 'OPEN', 1, 'u8', NULL, "
                + version
                + "),"
                + " ('R-ORPHAN-ASSIGNMENT', 'experiment-user', '1/u8', 'OPEN', 1, 'u8', NULL, "
                + version
                + "),"
                + " ('H-SRM', 'experiment', '1', 'OPEN', 1, NULL, NULL, "
                + version
                + ")");
  }

  /** Its user and the event were inserted again after the user's erasure. */
  @Test
  void findingOfAnEarlierEventWithTheSameIdIsNoDifference() throws Exception {
    String again = "00000000-0000-4000-8000-000000000003";
    fixture.event(again, 1, "u3", AuditRun.YESTERDAY + " 10:00Z", "exposure", 12L, null);
    fixture.delivery().deliver(AuditRun.STATISTICS);
    fixture
        .clickHouse()
        .query(
            "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, status, experiment_id, user_id, event_id, event_timestamp, _version)"
                + " SELECT 'R-VARIANT-MISMATCH', 'event', concat(event_id, '@', toString(toUnixTimestamp64Micro(timestamp))),"
                + " 'OPEN', 1, 'u3', event_id, timestamp, _version - 1024 FROM events_processed WHERE event_id = '"
                + again
                + "'");
    run.rest();
    assertThat(run.audit().differences()).isEmpty();
  }

  @Test
  void findingsThatFollowFromArchivedExposuresAreNoDifference() throws Exception {
    LocalDate archived = YearMonth.from(AuditRun.YESTERDAY.minusDays(180)).atDay(1);
    fixture.experiment(3, "NULL", "NULL", "NULL");
    String first = archived + " 01:00Z";
    for (String user : List.of("enrolled", "former", "crossing")) {
      fixture.user(user);
      fixture.assignment(3, user, 31, "hash", archived + " 00:00Z", "'" + first + "'");
      fixture.event(null, 3, user, first, "exposure", 31L, null);
      fixture.event(null, 3, user, AuditRun.YESTERDAY + " 01:00Z", "exposure", 31L, null);
    }
    fixture.delivery().deliver(AuditRun.STATISTICS);
    fixture
        .clickHouse()
        .query(
            "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, status, experiment_id, user_id, _lsn, _version) VALUES ('A-CROSSOVER', 'experiment-user', '3/former', 'OPEN', 3, 'former', 1, 1024)");
    fixture.event(null, 3, "crossing", AuditRun.YESTERDAY + " 02:00Z", "exposure", 32L, null);
    fixture.delivery().deliver(AuditRun.STATISTICS);
    for (String table : List.of("events_processed", "assignments_processed")) {
      fixture.archive(PLATFORM.directory().resolve("found"), table, YearMonth.from(archived));
    }
    fixture.delivery().lose("events_processed", "timestamp < '" + archived.plusMonths(1) + "'");
    run.rest();

    assertThat(run.audit().differences())
        .extracting(AuditReport.Difference::toString)
        .as("the crossover that the other exposures show")
        .singleElement()
        .asString()
        .contains("A-CROSSOVER experiment-user:3/crossing is not open");
  }

  @Test
  void findingsOfAnExperimentAreComparedWithItsRows() throws Exception {
    fixture.sql("UPDATE variants SET is_control = false, allocation_pct = 40 WHERE id = 11");
    fixture.event(null, 1, "u5", AuditRun.YESTERDAY + " 10:00Z", "exposure", 11L, null);
    fixture.delivery().deliver(AuditRun.STATISTICS);
    fixture
        .clickHouse()
        .query(
            "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, status, experiment_id, user_id, event_id) VALUES"
                + " ('H-CROSSOVER-RATE', 'experiment', '1', 'OPEN', 1, NULL, NULL),"
                + " ('H-MISSING-VARIANT', 'experiment-variant', '1/12', 'OPEN', 1, NULL, NULL),"
                + " ('H-NO-EXPOSURES', 'experiment', '1', 'OPEN', 1, NULL, NULL),"
                + " ('H-METRIC-MISSING', 'experiment-metric', '1/conversion', 'OPEN', 1, NULL, NULL),"
                + " ('H-OUTLIER', 'experiment-metric', '1/revenue', 'OPEN', 1, NULL, NULL),"
                + " ('H-VOLUME', 'experiment', '1', 'OPEN', 1, NULL, NULL),"
                + " ('R-MULTI-CONTROL', 'experiment', '1', 'OPEN', 1, NULL, NULL)");
    run.rest();

    List<String> lines =
        run.audit().differences().stream().map(AuditReport.Difference::toString).toList();

    assertThat(lines)
        .hasSize(10)
        .as("one crossover is too few for a rate")
        .anyMatch(l -> l.contains("A-CROSSOVER experiment-user:1/u5 is not open"))
        .anyMatch(l -> l.contains("R-NO-CONTROL experiment:1 is not open"))
        .anyMatch(l -> l.contains("R-ALLOCATION-SUM experiment:1 is not open"))
        .anyMatch(l -> l.contains("H-CROSSOVER-RATE experiment:1 is open"))
        .anyMatch(l -> l.contains("H-MISSING-VARIANT experiment-variant:1/12 is open"))
        .anyMatch(l -> l.contains("H-NO-EXPOSURES experiment:1 is open"))
        .anyMatch(l -> l.contains("H-METRIC-MISSING experiment-metric:1/conversion is open"))
        .anyMatch(l -> l.contains("H-OUTLIER experiment-metric:1/revenue is open"))
        .anyMatch(l -> l.contains("H-VOLUME experiment:1 is open"))
        .anyMatch(l -> l.contains("R-MULTI-CONTROL experiment:1 is open"));
  }
}
