package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.local.PlatformExtension;
import java.time.LocalDate;
import java.time.YearMonth;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Columns, copied and joined. */
class EnrichmentAuditIT {
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

  private record Mutation(String table, String column, String value, String row, String named) {}

  @Test
  void everyColumnChangedByHandIsReported() throws Exception {
    for (int id = 101; id <= 112; id++) {
      fixture.experiment(id, "NULL", "NULL", "NULL");
    }
    fixture.delivery().deliver(AuditRun.STATISTICS);
    List<Mutation> mutations = new ArrayList<>();
    eventMutations(mutations);
    assignmentMutations(mutations);
    userMutations(mutations);
    experimentMutations(mutations);
    variantMutations(mutations);
    for (Mutation mutation : mutations) {
      fixture
          .clickHouse()
          .query(
              "ALTER TABLE "
                  + mutation.table()
                  + " UPDATE "
                  + mutation.column()
                  + " = "
                  + mutation.value()
                  + " WHERE "
                  + mutation.row()
                  + " SETTINGS mutations_sync = 1");
    }
    run.rest();

    List<String> lines =
        run.audit().differences().stream().map(AuditReport.Difference::toString).toList();

    assertThat(mutations)
        .allSatisfy(
            mutation ->
                assertThat(lines)
                    .as("%s", mutation)
                    .anyMatch(
                        line ->
                            line.contains(mutation.named())
                                && line.contains(" " + mutation.column() + " is ")));
  }

  private void eventMutations(List<Mutation> mutations) {
    int n = 0;
    for (String set :
        List.of(
            "variant_id = 21000",
            "event_type = 'x'",
            "assignment_at = now64(6)",
            "properties = '{\"a\": 1}'",
            "session_id = 's'",
            "request_id = 'r'",
            "fact = 'x'",
            "experiment_key = 'x'",
            "experiment_name = 'x'",
            "variant_key = 'x'",
            "variant_name = 'x'",
            "assigned_variant_id = 77",
            "assigned_variant_key = 'x'",
            "user_properties = '{}'",
            "day = day + 1",
            "inconsistencies = ['T-LATE']",
            "experiment_key = ''",
            "user_properties = NULL")) {
      String row = "user_id = 'u" + ++n + "' AND experiment_id = 2 AND event_type = 'conversion'";
      String id =
          fixture
              .clickHouse()
              .query("SELECT min(event_id) FROM events_processed WHERE " + row)
              .strip();
      mutations.add(mutation("events_processed", set, "event_id = '" + id + "'", "event:" + id));
    }
  }

  private void assignmentMutations(List<Mutation> mutations) {
    int n = mutations.size();
    for (String set :
        List.of(
            "variant_id = 21000",
            "version = 9",
            "source = 'forced'",
            "context = '{}'",
            "assigned_at = now64(6)",
            "enrolled_at = now64(6)",
            "created_at = now64(6)",
            "updated_at = now64(6)",
            "experiment_key = 'x'",
            "experiment_name = 'x'",
            "variant_key = 'x'",
            "variant_name = 'x'",
            "user_properties = '{}'",
            "day = day - 1",
            "inconsistencies = ['A-OVERRIDE']")) {
      String row = "user_id = 'u" + ++n + "' AND experiment_id = 1";
      String id =
          fixture.clickHouse().query("SELECT id FROM assignments_processed WHERE " + row).strip();
      mutations.add(mutation("assignments_processed", set, "id = " + id, "assignment:" + id + " "));
    }
  }

  private void userMutations(List<Mutation> mutations) {
    int n = mutations.size();
    for (String set :
        List.of(
            "email = 'x'",
            "name = 'x'",
            "properties = '{}'",
            "is_active = NOT is_active",
            "created_at = now64(6)",
            "updated_at = now64(6)")) {
      String id = "u" + ++n;
      mutations.add(mutation("users", set, "user_id = '" + id + "'", "user:" + id + " "));
    }
  }

  private void experimentMutations(List<Mutation> mutations) {
    int id = 100;
    for (String set :
        List.of(
            "key = 'x'",
            "name = 'x'",
            "description = 'x'",
            "status = 'DRAFT'",
            "seed = 'x'",
            "version = 9",
            "config = '{}'",
            "starts_at = now64(6)",
            "ends_at = now64(6)",
            "created_at = now64(6)",
            "updated_at = now64(6)")) {
      mutations.add(mutation("experiments", set, "id = " + ++id, "experiment:" + id + " "));
    }
  }

  private void variantMutations(List<Mutation> mutations) {
    int id = 1000;
    for (String set :
        List.of(
            "experiment_id = 112",
            "key = 'x'",
            "name = 'x'",
            "description = 'x'",
            "allocation_pct = 9",
            "is_control = NOT is_control",
            "config = '{}'",
            "created_at = now64(6)",
            "updated_at = now64(6)")) {
      id += 10;
      mutations.add(mutation("variants", set, "id = " + (id + 1), "variant:" + (id + 1) + " "));
    }
  }

  private static Mutation mutation(String table, String set, String row, String named) {
    String[] parts = set.split(" = ", 2);
    return new Mutation(table, parts[0], parts[1], row, named);
  }

  @Test
  void laterRenameIsNoDifferenceAndUndecidableRowsAreCounted() throws Exception {
    fixture.delivery().leaveJoinedColumns();
    fixture
        .clickHouse()
        .query("SYSTEM STOP MERGES " + fixture.clickHouse().database() + ".experiments");
    fixture.sql("UPDATE experiments SET name = 'renamed', updated_at = now() WHERE id = 1");
    fixture.sql("UPDATE users SET properties = '{}', updated_at = now() WHERE user_id = 'u5'");
    fixture.delivery().deliver(AuditRun.STATISTICS);
    run.rest();

    AuditReport unmerged = run.audit();
    assertThat(unmerged.differences()).as(AuditFixture.printed(unmerged)).isEmpty();

    fixture
        .clickHouse()
        .query("SYSTEM START MERGES " + fixture.clickHouse().database() + ".experiments");
    fixture.clickHouse().query("OPTIMIZE TABLE experiments FINAL");
    fixture.clickHouse().query("OPTIMIZE TABLE users FINAL");
    AuditReport merged = run.audit();

    assertThat(merged.differences()).as(AuditFixture.printed(merged)).isEmpty();
    assertThat(AuditFixture.printed(merged))
        .contains(
            "not judged: 200 rows of events_processed in experiment_key, experiment_name, because the experiment was changed",
            "not judged: 10 rows of events_processed in user_properties, because the user was changed",
            "not judged: 40 rows of assignments_processed in experiment_key, experiment_name");
  }

  @Test
  void rowJustAfterAMergedRenameMayHaveEitherName() throws Exception {
    fixture.delivery().leaveJoinedColumns();
    fixture.sql("UPDATE experiments SET name = 'renamed' WHERE id = 1");
    fixture.event(null, 1, "u1", AuditRun.YESTERDAY + " 10:00Z", "page_view", null, null);
    fixture.delivery().deliver(AuditRun.STATISTICS);
    fixture
        .clickHouse()
        .query(
            "ALTER TABLE events_processed UPDATE experiment_name = 'Experiment 1'"
                + " WHERE event_type = 'page_view' SETTINGS mutations_sync = 1");
    fixture.clickHouse().query("OPTIMIZE TABLE experiments FINAL");
    run.rest();

    AuditReport report = run.audit();

    assertThat(report.differences()).as(AuditFixture.printed(report)).isEmpty();
    assertThat(AuditFixture.printed(report))
        .contains(
            "not judged: 201 rows of events_processed in experiment_key, experiment_name, because the experiment was changed");
  }

  @Test
  void lateReferenceThatCorrectedNothingIsReported() throws Exception {
    fixture.event(null, 4, "u1", AuditRun.YESTERDAY + " 10:00Z", "exposure", null, null);
    fixture.delivery().deliver(AuditRun.STATISTICS);
    fixture.experiment(4, "'America/Los_Angeles'", "NULL", "NULL");
    fixture.assignment(4, "u1", 41, "hash", AuditRun.YESTERDAY + " 00:00Z", "NULL");
    fixture.delivery().withhold("events_processed");
    fixture.delivery().deliver(AuditRun.STATISTICS);
    run.rest();

    assertThat(run.audit().differences().stream().map(AuditReport.Difference::toString))
        .anyMatch(
            line ->
                line.startsWith("events_processed " + AuditRun.YESTERDAY)
                    && line.contains("experiment_key is empty and should be e4")
                    && line.contains("assigned_variant_id is empty and should be 41"));
  }

  @Test
  void codesThatFollowFromArchivedRowsAreNoDifference() throws Exception {
    LocalDate archived = YearMonth.from(AuditRun.YESTERDAY.minusDays(180)).atDay(1);
    String repeated = "00000000-0000-0000-0000-000000000001";
    fixture.experiment(3, "NULL", "NULL", "NULL");
    fixture.delivery().deliver(AuditRun.STATISTICS);
    for (String user : List.of("old", "repeating", "young")) {
      fixture.user(user);
    }
    fixture.assignment(3, "old", 31, "hash", archived + " 00:00Z", "NULL");
    fixture.assignment(3, "repeating", 31, "hash", archived + " 00:00Z", "NULL");
    fixture.assignment(3, "young", 31, "hash", AuditRun.YESTERDAY + " 00:00Z", "NULL");
    fixture.event(null, 3, "old", archived + " 01:00Z", "exposure", 31L, null);
    fixture.event(repeated, 3, "repeating", archived + " 02:00Z", "page_view", 31L, null);
    fixture.event(repeated, 3, "repeating", AuditRun.YESTERDAY + " 02:00Z", "page_view", 31L, null);
    fixture.event(null, 3, "old", AuditRun.YESTERDAY + " 03:00Z", "conversion", 31L, null);
    fixture.event(null, 3, "young", AuditRun.YESTERDAY + " 01:00Z", "exposure", 31L, null);
    fixture.event(null, 3, "young", AuditRun.YESTERDAY + " 03:00Z", "conversion", 31L, null);
    fixture.delivery().deliver(AuditRun.STATISTICS);
    flag(
        "events_processed",
        "T-CONVERSION-BEFORE-EXPOSURE",
        "user_id = 'young' AND event_type = 'conversion'");
    flag("assignments_processed", "A-DUP-ASSIGNMENT", "user_id = 'young'");
    fixture.delivery().deliver(AuditRun.STATISTICS);
    for (String table : List.of("events_processed", "assignments_processed")) {
      fixture.archive(PLATFORM.directory().resolve("coded"), table, YearMonth.from(archived));
    }
    fixture.delivery().lose("events_processed", "timestamp < '" + archived.plusMonths(1) + "'");
    run.rest();

    assertThat(run.audit().differences())
        .extracting(AuditReport.Difference::toString)
        .as("the code of the user whose exposure is there")
        .singleElement()
        .asString()
        .contains("inconsistencies is ['T-CONVERSION-BEFORE-EXPOSURE'] and should be []");
  }

  private void flag(String table, String code, String row) {
    fixture
        .clickHouse()
        .query(
            "ALTER TABLE %s UPDATE inconsistencies = ['%s'] WHERE %s SETTINGS mutations_sync = 1"
                .formatted(table, code, row));
  }

  @Test
  void rowsOfADeletedExperimentWithoutItsCodeAreReported() throws Exception {
    fixture.delivery().withhold("events_processed");
    fixture.sql("DELETE FROM experiments WHERE id = 2");
    fixture.delivery().deliver(AuditRun.STATISTICS);
    run.rest();

    assertThat(run.audit().differences().stream().map(AuditReport.Difference::toString))
        .anyMatch(
            line ->
                line.startsWith("events_processed ")
                    && line.contains("inconsistencies is [")
                    && line.contains("should be ['R-ORPHAN-EXPERIMENT'"));
  }
}
