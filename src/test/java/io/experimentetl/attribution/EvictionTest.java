package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
import static io.experimentetl.attribution.UserScenario.units;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class EvictionTest {
  private static final String JAN_8 = "2026-01-08T10:00:00Z";
  private static final String JAN_9 = "2026-01-09T10:00:00Z";

  /** One second after the allowed lateness of the default settings, which is three days. */
  private static final String OVER = "2026-01-13T00:00:01Z";

  private final UserScenario scenario = ofEndedExperiment();

  private static UserScenario ofEndedExperiment() {
    UserScenario scenario = UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));
    scenario.experimentRuns(null, "2026-01-10T00:00:00Z");
    scenario.committedAt = at(OVER);
    return scenario;
  }

  private static EventRow purchase(int id, String at, String revenue) {
    return event(id, "purchase", CONTROL, at, "{\"revenue\": " + revenue + "}");
  }

  /** An exposure and a purchase. */
  private static void live(UserScenario scenario) {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(event(1, "exposure", CONTROL, JAN_8, null));
    scenario.insert(purchase(2, JAN_8, "3"));
  }

  private static Set<FindingCode> codes(UserScenario scenario) {
    return Set.copyOf(scenario.out.openCodes());
  }

  @Test
  void summaryHasOneSizeForAnyNumberOfEvents() throws Exception {
    live(scenario);
    UserScenario busy = ofEndedExperiment();
    live(busy);
    for (int i = 3; i < 3_000; i++) {
      busy.insert(purchase(i, JAN_9, "1"));
    }
    int before = busy.keptState().bytes();
    scenario.evict();
    busy.evict();

    assertThat(busy.evicted()).hasSize(1);
    assertThat(before).isGreaterThan(100_000);
    assertThat(busy.keptState().bytes())
        .isEqualTo(scenario.keptState().bytes())
        .isLessThan(
            UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE))
                    .keptState()
                    .bytes()
                + 72);
  }

  @Test
  void whatFactsDoNotShowIsKnownAgainWhenTheyAreRehydrated() {
    EventRow future = event(1, "page_view", CONTROL, "2026-01-12T10:00:00Z", "[1]");
    EventRow purchase = purchase(2, "2026-01-12T11:00:00Z", "3");
    scenario.committedAt = at(JAN_9);
    scenario.insert(assignment(CONTROL, "hash", "2026-01-11T10:00:00Z"));
    scenario.insert(future);
    scenario.insert(purchase);
    assertThat(codes(scenario)).contains(FindingCode.T_FUTURE, FindingCode.S_UNPARSEABLE);
    scenario.committedAt = at(OVER);
    scenario.evict();
    assertThat(scenario.evicted()).hasSize(1);

    scenario.delete(future);
    assertThat(codes(scenario)).doesNotContain(FindingCode.S_UNPARSEABLE);
    scenario.changeKey(purchase, purchase(2, JAN_9, "3"));
    scenario.delete(assignment(CONTROL, "hash", "2026-01-11T10:00:00Z"));
    assertThat(codes(scenario)).doesNotContain(FindingCode.T_FUTURE);
  }

  @Test
  void evictedFactsAreKnownAgainWhenAllRowsThatTheWarehouseHadLostAreBack() {
    live(scenario);
    scenario.evict();
    scenario.out.eventRows.clear();
    scenario.reread(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    scenario.reread(SourceTable.EVENTS, purchase(2, JAN_8, "3"));
    assertThat(scenario.visible()).hasSize(2);
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-08").valueSum()).isEqualTo(units(3));

    scenario.insert(purchase(3, JAN_8, "4"));
    assertThat(scenario.evicted()).isEmpty();
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-08").valueSum()).isEqualTo(units(7));
  }

  @Test
  void factsStayUntilTheLatenessEndsByCommitTime() {
    scenario.committedAt = at("2026-01-13T00:00:00Z");
    live(scenario);
    scenario.evict();
    assertThat(scenario.evicted()).isEmpty();
    scenario.committedAt = at(OVER);
    scenario.evict();
    assertThat(scenario.evicted()).hasSize(1);
  }

  @Test
  void factsOfAnExperimentWithoutAnEndStay() {
    live(scenario);
    scenario.experimentRuns(null, null);
    scenario.evict();
    assertThat(scenario.evicted()).isEmpty();
  }

  @Test
  void factsStayWhileOneIsPendingOrFlagged() {
    live(scenario);
    scenario.insert(event(3, "exposure", 99L, JAN_9, null));
    scenario.evict();
    assertThat(scenario.evicted()).as("an event is pending").isEmpty();
    scenario.afterGrace();
    scenario.evict();
    assertThat(scenario.evicted()).as("it was delivered flagged, and may be corrected").isEmpty();

    scenario.variantArrives(99);
    scenario.evict();
    assertThat(scenario.evicted()).hasSize(1);
  }

  @Test
  void factsStayUntilADeletesTransactionEnds() {
    live(scenario);
    scenario.inOneTransaction(
        () -> {
          scenario.delete(purchase(2, JAN_8, "3"));
          scenario.evict();
          assertThat(scenario.evicted()).isEmpty();
        });
    scenario.evict();
    assertThat(scenario.evicted()).hasSize(1);
  }

  @Test
  void futureOrAmbiguousFactsStay() {
    UserScenario ahead = ofEndedExperiment();
    live(ahead);
    ahead.insert(event(3, "page_view", CONTROL, "2026-01-13T00:00:02Z", null));
    ahead.evict();
    assertThat(ahead.evicted()).isEmpty();

    UserScenario twice = ofEndedExperiment();
    live(twice);
    twice.insert(
        new AssignmentRow(8, EXPERIMENT, "u1", TREATMENT, 1, "api", null, at(JAN_9), null, 0, 0));
    twice.evict();
    assertThat(twice.evicted()).isEmpty();

    live(scenario);
    scenario.insert(purchase(2, JAN_9, "3"));
    scenario.evict();
    assertThat(scenario.evicted()).isEmpty();
  }

  @Test
  void factsStayIfTheWarehouseShowsOtherRows() {
    live(scenario);
    scenario.update(purchase(2, JAN_8, "3"), purchase(2, JAN_8, "4"));
    scenario.warehouse.visibleEvents = 1;
    scenario.evict();
    assertThat(scenario.evicted()).as("a row is not visible yet").isEmpty();
    scenario.warehouse.visibleEvents = 2;
    scenario.evict();
    assertThat(scenario.evicted()).as("its update is not visible yet").isEmpty();
    scenario.warehouse.visibleEvents = 3;
    scenario.warehouse.visibleAssignments = 0;
    scenario.evict();
    assertThat(scenario.evicted()).as("nor is the assignment").isEmpty();
    scenario.warehouse.visibleAssignments = 1;
    scenario.evict();
    assertThat(scenario.evicted()).hasSize(1);
  }

  @Test
  void factsStayIfTwoRowsOfOneKeyAndVersionDiffer() {
    live(scenario);
    EventProcessed row = scenario.out.eventRows.get(1);
    scenario.out.eventRows.add(
        new EventProcessed(
            purchase(2, JAN_8, "5"),
            "",
            "",
            "",
            "",
            null,
            "",
            null,
            0,
            FindingCode.NO_CODES,
            row.version()));
    scenario.evict();
    assertThat(scenario.evicted()).isEmpty();
  }

  @Test
  void correctionThatBecomesVisibleAfterTheEvictionIsNoLoss() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(event(1, "exposure", CONTROL, JAN_8, null));
    scenario.insert(event(2, "exposure", 99L, JAN_9, null));
    scenario.afterGrace();
    scenario.variantArrives(99);
    assertThat(scenario.out.eventRows).hasSize(3);
    scenario.warehouse.visibleEvents = 2;
    scenario.evict();
    assertThat(scenario.evicted()).hasSize(1);

    scenario.warehouse.visibleEvents = 3;
    scenario.insert(event(3, "page_view", CONTROL, JAN_9, null));
    assertThat(scenario.evicted()).isEmpty();
    assertThat(codes(scenario)).doesNotContain(FindingCode.T_LATE_BEYOND_STATE);
  }

  @Test
  void factsAreRehydratedWithoutLaterRows() {
    live(scenario);
    scenario.evict();
    KeptUsers checkpoint = scenario.keptState();
    scenario.insert(purchase(3, JAN_9, "4"));
    scenario.restart(checkpoint);
    scenario.insert(purchase(3, JAN_9, "4"));

    assertThat(codes(scenario)).doesNotContain(FindingCode.T_LATE_BEYOND_STATE);
    assertThat(scenario.evicted()).isEmpty();
    assertThat(scenario.keptState().experiments(UserScenario.USER).get(0).events()).isEqualTo(3);
  }

  @Test
  void retainedRowOfEvictedFactsIsNotSentAgain() {
    live(scenario);
    scenario.evict();
    scenario.apply(SourceTable.EVENTS, ChangeKind.RETAINED, null, purchase(2, JAN_8, "7"));
    assertThat(scenario.out.eventRows).hasSize(2);
    assertThat(scenario.out.rehydrated).isOne();
  }

  @Test
  void retentionDeleteRehydratesNothing() {
    live(scenario);
    scenario.evict();
    scenario.committedAt = at("2027-06-01T00:00:00Z");
    scenario.delete(purchase(2, JAN_8, "3"));
    scenario.delete(assignment(CONTROL, "hash", JAN_8));
    assertThat(scenario.out.rehydrated).isZero();
    assertThat(scenario.evicted()).hasSize(1);
  }

  @Test
  void truncateTakesEvictedFactsAndLeavesThoseOlderThanTheirRetention() {
    live(scenario);
    scenario.evict();
    scenario.committedAt = at("2027-06-01T00:00:00Z");
    scenario.truncate(SourceTable.EVENTS);
    scenario.commitTruncates();
    assertThat(scenario.out.rehydrated).as("retention may have deleted them before").isZero();
    assertThat(scenario.visible()).isNotEmpty();

    scenario.committedAt = at("2026-03-01T00:00:00Z");
    scenario.truncate(SourceTable.EVENTS);
    scenario.commitTruncates();
    assertThat(scenario.out.rehydrated).isOne();
    assertThat(scenario.visible()).isEmpty();
    assertThat(scenario.out.daily).isEmpty();
  }

  @Test
  void truncateDeletesTheVisibleRowsOfLostFactsAndTheStatisticsStay() {
    Map<DailyKey, DailySums> before = evictAndLose();
    scenario.truncate(SourceTable.ASSIGNMENTS);
    scenario.commitTruncates();
    assertThat(scenario.out.assignmentRows.get(1).version().deleted()).isTrue();
    assertThat(scenario.out.daily).isEqualTo(before);
    assertThat(codes(scenario)).contains(FindingCode.T_LATE_BEYOND_STATE);
  }

  @Test
  void factsThatMustRememberARetentionTransactionAreNotEvicted() {
    live(scenario);
    scenario.apply(SourceTable.EVENTS, ChangeKind.RETENTION_DELETE, purchase(2, JAN_8, "3"), null);
    scenario.evict();
    assertThat(scenario.evicted()).isEmpty();
    scenario.committedAt = at("2027-06-01T00:00:00Z");
    scenario.evict();
    assertThat(scenario.evicted()).hasSize(1);
  }

  private Map<DailyKey, DailySums> evictAndLose() {
    live(scenario);
    scenario.evict();
    scenario.warehouse.loseEvents();
    return Map.copyOf(scenario.out.daily);
  }

  @Test
  void rowOfLostFactsIsDeliveredAndTheStatisticsStay() {
    Map<DailyKey, DailySums> before = evictAndLose();
    EventRow late = purchase(3, JAN_9, "8");
    scenario.insert(late);
    scenario.update(late, purchase(3, JAN_9, "9"));
    AssignmentRow moved = assignment(TREATMENT, "hash", JAN_8);
    scenario.update(assignment(CONTROL, "hash", JAN_8), moved);

    assertThat(scenario.visible().values())
        .singleElement()
        .satisfies(row -> assertThat(row.event()).isEqualTo(purchase(3, JAN_9, "9")))
        .satisfies(
            row ->
                assertThat(row.inconsistencies()).containsExactly(FindingCode.T_LATE_BEYOND_STATE));
    assertThat(scenario.out.assignmentRows.get(1).assignment()).isEqualTo(moved);
    assertThat(scenario.out.openFindings())
        .contains(
            "T-LATE-BEYOND-STATE event:" + late.id() + "@" + late.occurredAt(),
            "T-LATE-BEYOND-STATE assignment:7");
    assertThat(scenario.out.daily).isEqualTo(before);

    scenario.delete(purchase(3, JAN_9, "9"));
    assertThat(scenario.visible()).isEmpty();
    assertThat(scenario.out.daily).isEqualTo(before);
  }

  @Test
  void archivedFactsAreRecalledForALateChange() {
    live(scenario);
    scenario.insert(purchase(4, JAN_9, "1"));
    scenario.evict();
    scenario.warehouse.archiveEvents();
    scenario.insert(purchase(3, JAN_9, "8"));

    UserScenario unevicted = ofEndedExperiment();
    live(unevicted);
    unevicted.insert(purchase(4, JAN_9, "1"));
    unevicted.insert(purchase(3, JAN_9, "8"));
    assertThat(codes(scenario)).doesNotContain(FindingCode.T_LATE_BEYOND_STATE);
    assertThat(scenario.out.daily).isEqualTo(unevicted.out.daily);
  }

  @Test
  void recallThatTheArchiveUndoesIsRepeated() {
    live(scenario);
    scenario.insert(purchase(4, JAN_9, "1"));
    scenario.evict();
    scenario.warehouse.archiveEvents();
    scenario.warehouse.removeRecalled(2);
    scenario.insert(purchase(3, JAN_9, "8"));

    assertThat(codes(scenario)).doesNotContain(FindingCode.T_LATE_BEYOND_STATE);
  }

  @Test
  void erasureFindsRowsWhoseRecallTheArchiveUndoes() {
    live(scenario);
    scenario.evict();
    int rows = scenario.out.eventRows.size();
    scenario.warehouse.archiveEvents();
    scenario.warehouse.removeRecalled(2);
    scenario.inOneTransaction(scenario::deleteUser);

    assertThat(scenario.out.eventRows.stream().filter(row -> row.version().deleted()))
        .as("tombstones")
        .hasSize(rows);
  }

  @Test
  void erasureReachesTheRowsOfArchivedFacts() {
    live(scenario);
    scenario.evict();
    int rows = scenario.out.eventRows.size();
    scenario.warehouse.archiveEvents();
    scenario.inOneTransaction(scenario::deleteUser);

    assertThat(scenario.visible()).isEmpty();
    assertThat(scenario.out.eventRows.stream().filter(row -> row.version().deleted()))
        .as("tombstones")
        .hasSize(rows);
  }

  @Test
  void lostFactsAreNotCountedWhenTheyReappear() {
    live(scenario);
    scenario.evict();
    List<EventProcessed> rows = List.copyOf(scenario.out.eventRows);
    scenario.warehouse.loseEvents();
    scenario.insert(purchase(3, JAN_9, "8"));
    Map<DailyKey, DailySums> before = Map.copyOf(scenario.out.daily);

    scenario.out.eventRows.addAll(0, rows);
    scenario.throughState();
    scenario.insert(purchase(4, JAN_9, "8"));
    assertThat(scenario.out.daily).isEqualTo(before);
    assertThat(scenario.out.rehydrated).isZero();
  }

  @Test
  void erasureOfLostFactsDeletesAllVisibleRows() {
    live(scenario);
    scenario.insert(purchase(3, JAN_9, "1"));
    scenario.evict();
    Map<DailyKey, DailySums> before = Map.copyOf(scenario.out.daily);
    scenario.out.eventRows.remove(0);
    EventRow late = purchase(4, JAN_9, "8");
    scenario.insert(late);
    // The late row is sent, and not visible yet.
    scenario.warehouse.visibleEvents = 2;
    scenario.inOneTransaction(
        () -> {
          scenario.deleteUser();
          scenario.delete(late);
          scenario.delete(assignment(CONTROL, "hash", JAN_8));
        });

    assertThat(scenario.visible()).isEmpty();
    assertThat(scenario.out.assignmentRows.get(scenario.out.assignmentRows.size() - 1).version())
        .satisfies(version -> assertThat(version.deleted()).isTrue());
    assertThat(scenario.out.daily).isEqualTo(before);
    assertThat(scenario.out.openFindings()).contains("T-LATE-BEYOND-STATE experiment-user:1/u1");
    scenario.afterGrace();
    assertThat(scenario.keptState().isEmpty()).isTrue();
  }

  @Test
  void changedDatesLeaveTheStatisticsOfLostFactsAndReportIt() {
    Map<DailyKey, DailySums> before = evictAndLose();
    scenario.experimentRuns(null, "2026-01-08T09:00:00Z");
    assertThat(scenario.out.daily).isEqualTo(before);
    assertThat(scenario.out.openFindings()).contains("T-LATE-BEYOND-STATE experiment-user:1/u1");
  }

  @Test
  void silentWarehouseStopsTheTaskWithTheRemedy() {
    live(scenario);
    scenario.evict();
    scenario.warehouse.answers = false;
    assertThatThrownBy(() -> scenario.insert(purchase(3, JAN_9, "8")))
        .hasMessageContaining(
            "Evicted facts (experiments [1], users [u1] …) are needed again, and ClickHouse did not return them within 0 s (clickhouse.commit-deadline). Nothing is lost");
  }

  @Test
  void passIsDueForAnotherExperimentOrAfterAGrowingPause() {
    EvictionPasses passes = new EvictionPasses();
    assertThat(passes.isDue(Set.of(), 0)).isFalse();
    assertThat(passes.isDue(Set.of(1L), 0)).isTrue();
    passes.begin(Set.of(1L));
    passes.end(true, 0);
    assertThat(passes.isDue(Set.of(1L), 9_999)).isFalse();
    assertThat(passes.isDue(Set.of(1L, 2L), 9_999)).isTrue();
    assertThat(passes.isDue(Set.of(1L), 10_000)).isTrue();
    passes.begin(Set.of(1L));
    passes.end(false, 10_000);
    assertThat(passes.isDue(Set.of(1L), 29_999)).isFalse();
    for (int i = 0; i < 20; i++) {
      passes.end(false, 0);
    }
    assertThat(passes.isDue(Set.of(1L), 6 * 3_600_000)).isTrue();
  }
}
