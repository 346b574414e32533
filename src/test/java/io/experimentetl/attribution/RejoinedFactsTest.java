package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.JAN_10;
import static io.experimentetl.attribution.UserScenario.JAN_8;
import static io.experimentetl.attribution.UserScenario.JAN_9;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
import static io.experimentetl.attribution.UserScenario.exposure;
import static io.experimentetl.attribution.UserScenario.purchase;
import static io.experimentetl.attribution.UserScenario.units;
import static io.experimentetl.attribution.UserScenario.userRow;
import static io.experimentetl.model.FindingCode.C_UPDATE_IMMUTABLE;
import static io.experimentetl.model.FindingCode.R_ORPHAN_ASSIGNMENT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_EXPERIMENT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_USER;
import static io.experimentetl.model.FindingCode.R_VARIANT_MISMATCH;
import static io.experimentetl.model.FindingCode.T_FUTURE;
import static io.experimentetl.model.FindingCode.T_LATE;
import static io.experimentetl.model.FindingCode.T_NOT_RUNNING;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import java.time.LocalDate;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Rows of facts whose experiment is deleted, comes back, or gets another zone. */
class RejoinedFactsTest {
  private final UserScenario scenario =
      UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));

  private void deleteExperiment() {
    scenario.changeDimensions(() -> scenario.dimensions.removeExperiment(EXPERIMENT));
    scenario.rejoin();
  }

  private void experimentIsBack() {
    scenario.experimentRuns(null, null);
    scenario.rejoin();
  }

  private EventProcessed row(EventRow event) {
    return scenario.visible().values().stream()
        .filter(row -> row.event().id().equals(event.id()))
        .reduce((a, b) -> b)
        .orElseThrow();
  }

  private Set<FindingCode> codes(EventRow event) {
    return Set.of(row(event).inconsistencies());
  }

  @Test
  void rowsOfADeletedExperimentAreOrphansInOneFinding() {
    EventRow first = exposure(1, CONTROL, JAN_8);
    EventRow second = purchase(2, JAN_10, "3");
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(first);
    scenario.insert(second);
    scenario.throughState();
    deleteExperiment();
    for (EventRow event : List.of(first, second)) {
      assertThat(codes(event)).contains(R_ORPHAN_EXPERIMENT);
      assertThat(row(event).experimentKey()).isEmpty();
      assertThat(row(event).event()).isEqualTo(event);
    }
    assertThat(scenario.out.visibleAssignments())
        .singleElement()
        .satisfies(
            row -> {
              assertThat(row.inconsistencies()).containsExactly(R_ORPHAN_EXPERIMENT);
              assertThat(row.experimentKey()).isEmpty();
            });
    assertThat(scenario.out.openFindings())
        .filteredOn(finding -> !finding.startsWith("T-LATE"))
        .containsExactly("R-ORPHAN-EXPERIMENT experiment:1");
    assertThat(scenario.out.rowsSentAgain()).isEmpty();
  }

  @Test
  void rowsOfAnExperimentThatIsBackAreOrphansNoLonger() {
    EventRow seen = exposure(1, TREATMENT, JAN_8);
    scenario.insert(assignment(TREATMENT, "api", JAN_8));
    scenario.insert(seen);
    deleteExperiment();
    scenario.throughState();
    experimentIsBack();
    assertThat(codes(seen)).containsOnly(T_LATE);
    assertThat(row(seen).experimentKey()).isEqualTo("exp");
    assertThat(scenario.out.visibleAssignments())
        .extracting(AssignmentProcessed::experimentKey)
        .containsExactly("exp");
    assertThat(scenario.out.visibleAssignments().get(0).inconsistencies()).isEmpty();
    assertThat(scenario.out.rowsSentAgain()).isEmpty();
  }

  @Test
  void rowsOfAnotherZoneGetItsDaysAndAreLateByThem() {
    EventRow punctual = purchase(2, "2026-01-10T11:00:00Z", "3");
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(punctual);
    scenario.throughState();
    assertThat(codes(punctual)).isEmpty();

    scenario.experimentMoves("Etc/GMT+12");
    assertThat(day(punctual)).isEqualTo("2026-01-09");
    assertThat(codes(punctual)).as("its day ended when it was committed").containsOnly(T_LATE);
    assertThat(scenario.out.openFindings()).contains("T-LATE experiment-day:1/2026-01-09");
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-09").valueSum()).isEqualTo(units(3));

    scenario.experimentMoves("Pacific/Kiritimati");
    assertThat(day(punctual)).isEqualTo("2026-01-11");
    assertThat(codes(punctual)).isEmpty();
    assertThat(scenario.out.visibleAssignments())
        .extracting(row -> LocalDate.ofEpochDay(row.dayEpoch()).toString())
        .containsExactly("2026-01-09");
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-09").valueSum()).isZero();
    assertThat(scenario.out.rowsSentAgain()).isEmpty();
  }

  private String day(EventRow event) {
    return LocalDate.ofEpochDay(row(event).dayEpoch()).toString();
  }

  /** As where the assignments are deleted by a cascade, and the events have no foreign key. */
  @Test
  void assignmentThatIsMissingWhenTheExperimentIsBackIsFound() {
    EventRow seen = exposure(1, CONTROL, JAN_9);
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(seen);
    scenario.delete(assignment(CONTROL, "hash", JAN_8));
    deleteExperiment();
    assertThat(codes(seen)).contains(R_ORPHAN_EXPERIMENT).doesNotContain(R_ORPHAN_ASSIGNMENT);
    experimentIsBack();
    assertThat(codes(seen)).contains(R_ORPHAN_ASSIGNMENT).doesNotContain(R_ORPHAN_EXPERIMENT);
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    assertThat(codes(seen)).containsOnly(T_LATE);
  }

  @Test
  void archivedRowsOfEvictedFactsComeBackAndAreOrphans() {
    EventRow first = exposure(1, CONTROL, JAN_8);
    EventRow second = purchase(2, JAN_8, "3");
    liveAndEnd(first, second);
    scenario.evict();
    scenario.warehouse.archiveEvents();
    assertThat(scenario.visible()).isEmpty();
    deleteExperiment();
    for (EventRow event : List.of(first, second)) {
      assertThat(codes(event)).contains(R_ORPHAN_EXPERIMENT);
    }
    experimentIsBack();
    for (EventRow event : List.of(first, second)) {
      assertThat(codes(event)).doesNotContain(R_ORPHAN_EXPERIMENT);
    }
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-08").valueSum()).isEqualTo(units(3));
    assertThat(scenario.out.rowsSentAgain()).isEmpty();
  }

  /** The archive keeps them: the facts are known without their rows. */
  @Test
  void archivedRowsOfFactsInStateStayAsTheyAre() {
    EventRow first = exposure(1, CONTROL, JAN_8);
    EventRow later = purchase(2, JAN_8, "3");
    liveAndEnd(first);
    scenario.warehouse.archiveEvents();
    scenario.insert(later);
    deleteExperiment();
    assertThat(codes(later)).contains(R_ORPHAN_EXPERIMENT);
    assertThat(scenario.visible()).hasSize(1);
    experimentIsBack();
    assertThat(codes(later)).doesNotContain(R_ORPHAN_EXPERIMENT);
    assertThat(scenario.visible()).hasSize(1);
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-08").valueSum()).isEqualTo(units(3));
  }

  /** The experiment is over, so that its facts may be evicted. */
  private void liveAndEnd(EventRow... events) {
    scenario.experimentRuns(null, JAN_9);
    scenario.committedAt = at("2026-01-20T00:00:00Z");
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    for (EventRow event : events) {
      scenario.insert(event);
    }
  }

  @Test
  void rowsAreNotHeldInStateUntilTheExperimentIsBack() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    for (int i = 1; i <= 200; i++) {
      scenario.insert(
          event(i, "page_view", CONTROL, JAN_9, "{\"page\": \"a long address %d\"}".formatted(i)));
    }
    scenario.changeDimensions(() -> scenario.dimensions.removeExperiment(EXPERIMENT));
    int before = scenario.keptState().bytes();
    scenario.rejoin();
    assertThat(scenario.visible().values())
        .allMatch(row -> List.of(row.inconsistencies()).contains(R_ORPHAN_EXPERIMENT));
    assertThat(scenario.keptState().bytes()).isEqualTo(before);
  }

  @Test
  void findingsThatNeedTheExperimentAreResolvedAndOthersStay() {
    scenario.experimentRuns(JAN_9, JAN_10);
    scenario.insert(assignment(TREATMENT, "hash", JAN_8));
    EventRow early = exposure(1, CONTROL, JAN_8);
    EventRow future = event(2, "page_view", TREATMENT, "2026-02-09T10:00:00Z", null);
    EventRow corrected = event(3, "page_view", TREATMENT, JAN_9, "{\"page\": 2}");
    scenario.insert(early);
    scenario.insert(future);
    scenario.insert(event(3, "page_view", TREATMENT, JAN_9, "{\"page\": 1}"));
    scenario.update(event(3, "page_view", TREATMENT, JAN_9, "{\"page\": 1}"), corrected);
    assertThat(codes(early)).contains(T_NOT_RUNNING, R_VARIANT_MISMATCH);
    deleteExperiment();
    assertThat(codes(early)).containsOnly(R_ORPHAN_EXPERIMENT, R_VARIANT_MISMATCH, T_LATE);
    assertThat(codes(future)).containsOnly(R_ORPHAN_EXPERIMENT, T_FUTURE);
    assertThat(codes(corrected)).contains(R_ORPHAN_EXPERIMENT, C_UPDATE_IMMUTABLE);
    assertThat(scenario.out.openCodes())
        .contains(R_ORPHAN_EXPERIMENT, R_VARIANT_MISMATCH, T_FUTURE)
        .doesNotContain(T_NOT_RUNNING);
    scenario.committedAt = UserScenario.at("2026-03-01T00:00:00Z");
    scenario.delete(future);
    assertThat(scenario.out.openCodes()).doesNotContain(T_FUTURE);
  }

  @Test
  void rowThatIsHeldForItsUserGetsTheCodeOnceAndWaitsOn() {
    UserScenario unknown = new UserScenario(UserScenario.config(CrossoverPolicy.EXCLUDE));
    unknown.knowDimensions();
    EventRow seen = exposure(1, CONTROL, JAN_9);
    unknown.insert(seen);
    unknown.afterGrace();
    unknown.changeDimensions(() -> unknown.dimensions.removeExperiment(EXPERIMENT));
    int sent = unknown.out.eventRows.size();
    unknown.rejoin();
    assertThat(unknown.out.eventRows).hasSize(sent);
    assertThat(unknown.visible().values())
        .singleElement()
        .extracting(row -> Set.of(row.inconsistencies()))
        .isEqualTo(Set.of(R_ORPHAN_EXPERIMENT, R_ORPHAN_USER, T_LATE));
    unknown.insert(SourceTable.USERS, userRow());
    assertThat(unknown.visible().values())
        .singleElement()
        .extracting(row -> Set.of(row.inconsistencies()))
        .isEqualTo(Set.of(R_ORPHAN_EXPERIMENT, T_LATE));
  }

  @Test
  void rowWhoseNewerVersionIsNotVisibleYetIsLeftToIt() {
    EventRow before = event(1, "page_view", CONTROL, JAN_9, "{\"page\": 1}");
    EventRow after = event(1, "page_view", CONTROL, JAN_9, "{\"page\": 2}");
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(before);
    scenario.warehouse.visibleEvents = scenario.out.eventRows.size();
    scenario.changeDimensions(() -> scenario.dimensions.removeExperiment(EXPERIMENT));
    scenario.update(before, after);
    int sent = scenario.out.eventRows.size();
    scenario.rejoin();
    assertThat(scenario.out.eventRows).hasSize(sent);
    assertThat(row(after).event()).isEqualTo(after);
    assertThat(codes(after)).contains(R_ORPHAN_EXPERIMENT);
  }

  @Test
  void assignmentThatWaitsForItsVariantStaysWhileItsFormerRowIsThere() {
    long missing = 99;
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.apply(
        SourceTable.ASSIGNMENTS,
        ChangeKind.RETENTION_DELETE,
        assignment(CONTROL, "hash", JAN_8),
        null);
    scenario.insert(assignment(missing, "hash", JAN_8));
    scenario.experimentMoves("Pacific/Kiritimati");
    scenario.variantArrives(missing);
    assertThat(scenario.out.visibleAssignments())
        .singleElement()
        .satisfies(
            row -> {
              assertThat(row.assignment().variantId()).isEqualTo(missing);
              assertThat(LocalDate.ofEpochDay(row.dayEpoch())).hasToString("2026-01-09");
            });
  }

  @Test
  void rowOfAnOpenTransactionWaitsForItsEnd() {
    EventRow seen = exposure(1, CONTROL, JAN_9);
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(seen);
    scenario.inOneTransaction(
        () -> {
          scenario.truncate(SourceTable.EVENTS);
          deleteExperiment();
          scenario.commitTruncates();
        });
    assertThat(scenario.visible()).as("no correction is above the tombstone").isEmpty();
    scenario.insert(seen);
    scenario.inOneTransaction(
        () -> {
          scenario.delete(seen);
          scenario.rejoin();
        });
    assertThat(scenario.visible()).isEmpty();
    scenario.rejoin();
    assertThat(scenario.out.visibleAssignments().get(0).inconsistencies())
        .containsExactly(R_ORPHAN_EXPERIMENT);
  }
}
