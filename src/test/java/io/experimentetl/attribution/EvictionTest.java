package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
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
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.junit.jupiter.api.Test;

class EvictionTest {
  private static final String JAN_8 = "2026-01-08T10:00:00Z";
  private static final String JAN_9 = "2026-01-09T10:00:00Z";

  /** The allowed lateness of the default settings, three days, ends a second before. */
  private static final String OVER = "2026-01-13T00:00:01Z";

  private final UserScenario history = ofEndedExperiment();

  private static UserScenario ofEndedExperiment() {
    UserScenario history =
        UserScenario.ofKnownUser(UserAttributionTest.config(CrossoverPolicy.EXCLUDE));
    end(history, "2026-01-10T00:00:00Z");
    history.committedAt = at(OVER);
    return history;
  }

  private static void end(UserScenario history, String endsAt) {
    history.changeDimensions(
        () ->
            history.dimensions.put(
                new ExperimentDimension(
                    EXPERIMENT,
                    "exp",
                    "Exp",
                    "UTC",
                    null,
                    at(endsAt),
                    0,
                    ExperimentDimension.NO_STATUSES)));
  }

  private static EventRow purchase(int id, String at, String revenue) {
    return event(id, "purchase", CONTROL, at, "{\"revenue\": " + revenue + "}");
  }

  /** An exposure and a purchase. */
  private static void live(UserScenario history) {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(event(1, "exposure", CONTROL, JAN_8, null));
    history.insert(purchase(2, JAN_8, "3"));
  }

  private static Set<FindingCode> codes(UserScenario history) {
    return Set.copyOf(history.out.openCodes());
  }

  private static int bytes(UserState state) throws IOException {
    DataOutputSerializer out = new DataOutputSerializer(1024);
    TypeInformation.of(UserState.class)
        .createSerializer(new SerializerConfigImpl())
        .serialize(state, out);
    return out.length();
  }

  @Test
  void whatRemainsOfAUserIsOfOneSizeHoweverManyEventsThereWere() throws Exception {
    live(history);
    UserScenario busy = ofEndedExperiment();
    live(busy);
    for (int i = 3; i < 3_000; i++) {
      busy.insert(purchase(i, JAN_9, "1"));
    }
    int before = bytes(busy.keptState());
    history.evict();
    busy.evict();

    assertThat(busy.keptState().experiments()).isEmpty();
    assertThat(busy.keptState().evicted()).hasSize(1);
    assertThat(before).isGreaterThan(100_000);
    assertThat(bytes(busy.keptState()))
        .isEqualTo(bytes(history.keptState()))
        .isLessThan(
            bytes(
                    UserScenario.ofKnownUser(UserAttributionTest.config(CrossoverPolicy.EXCLUDE))
                        .keptState())
                + 64);
  }

  @Test
  void factsStayUntilTheLatenessHasPassedByTheClockOfTheSource() {
    history.committedAt = at("2026-01-13T00:00:00Z");
    live(history);
    history.evict();
    assertThat(history.evicted()).isEmpty();
    history.committedAt = at(OVER);
    history.evict();
    assertThat(history.evicted()).hasSize(1);
  }

  @Test
  void factsStayOfAnExperimentWithoutAnEnd() {
    live(history);
    history.changeDimensions(
        () ->
            history.dimensions.put(
                new ExperimentDimension(
                    EXPERIMENT,
                    "exp",
                    "Exp",
                    "UTC",
                    null,
                    null,
                    0,
                    ExperimentDimension.NO_STATUSES)));
    history.evict();
    assertThat(history.evicted()).isEmpty();
  }

  @Test
  void factsStayWhileSomethingWaits() {
    live(history);
    history.insert(event(3, "exposure", 99L, JAN_9, null));
    history.evict();
    assertThat(history.evicted()).as("an event waits for its variant").isEmpty();
    history.afterGrace();
    history.evict();
    assertThat(history.evicted()).as("it went out flagged, and may be corrected").isEmpty();

    history.changeDimensions(
        () -> history.dimensions.put(new VariantDimension(99, EXPERIMENT, "x", "X", 0, false)));
    history.evict();
    assertThat(history.evicted()).hasSize(1);
  }

  @Test
  void factsStayWhileADeleteIsUndecidedOrAnErasureMayGoOn() {
    live(history);
    history.delete(purchase(2, JAN_8, "3"));
    history.evict();
    assertThat(history.evicted()).isEmpty();
    history.afterGrace();
    history.deleteUser();
    history.insert(SourceTable.USERS, UserScenario.userRow());
    live(history);
    history.evict();
    assertThat(history.evicted()).isEmpty();
    history.afterGrace();
    history.evict();
    assertThat(history.evicted()).hasSize(1);
  }

  @Test
  void factsStayThatLieAheadOfTheSourceOrAreAmbiguous() {
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

    live(history);
    history.insert(purchase(2, JAN_9, "3"));
    history.evict();
    assertThat(history.evicted()).isEmpty();
  }

  @Test
  void factsStayThatTheWarehouseDoesNotShowAsTheyAre() {
    live(history);
    history.update(purchase(2, JAN_8, "3"), purchase(2, JAN_8, "4"));
    history.warehouse.visibleEvents = 1;
    history.evict();
    assertThat(history.evicted()).as("a row is not visible yet").isEmpty();
    history.warehouse.visibleEvents = 2;
    history.evict();
    assertThat(history.evicted()).as("its update is not visible yet").isEmpty();
    history.warehouse.visibleEvents = 3;
    history.warehouse.visibleAssignments = 0;
    history.evict();
    assertThat(history.evicted()).as("nor is the assignment").isEmpty();
    history.warehouse.visibleAssignments = 1;
    history.evict();
    assertThat(history.evicted()).hasSize(1);
  }

  @Test
  void factsStayWhereTwoRowsOfOneKeyAndVersionDiffer() {
    live(history);
    EventProcessed row = history.out.eventRows.get(1);
    history.out.eventRows.add(
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
    history.evict();
    assertThat(history.evicted()).isEmpty();
  }

  @Test
  void aCorrectionThatIsVisibleOnlyAfterTheFactsHaveSettledIsNoLoss() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(event(1, "exposure", CONTROL, JAN_8, null));
    history.insert(event(2, "exposure", 99L, JAN_9, null));
    history.afterGrace();
    history.changeDimensions(
        () -> history.dimensions.put(new VariantDimension(99, EXPERIMENT, "x", "X", 0, false)));
    assertThat(history.out.eventRows).hasSize(3);
    history.warehouse.visibleEvents = 2;
    history.evict();
    assertThat(history.evicted()).hasSize(1);

    history.warehouse.visibleEvents = 3;
    history.insert(event(3, "page_view", CONTROL, JAN_9, null));
    assertThat(history.evicted()).isEmpty();
    assertThat(codes(history)).doesNotContain(FindingCode.T_LATE_BEYOND_STATE);
  }

  @Test
  void factsComeBackAsTheySettledWhateverRowsCameBehindThem() {
    live(history);
    history.evict();
    UserState checkpoint = history.keptState();
    history.insert(purchase(3, JAN_9, "4"));
    history.restart(checkpoint);
    history.insert(purchase(3, JAN_9, "4"));

    assertThat(codes(history)).doesNotContain(FindingCode.T_LATE_BEYOND_STATE);
    assertThat(history.evicted()).isEmpty();
    assertThat(history.keptState().experiments()[0].events().occurredAt()).hasSize(3);
  }

  @Test
  void aRowThatIsReadAgainIsKnownToBeThere() {
    live(history);
    history.evict();
    history.apply(SourceTable.EVENTS, ChangeKind.RETAINED, null, purchase(2, JAN_8, "7"));
    assertThat(history.out.eventRows).hasSize(2);
    assertThat(history.out.rehydrated).isOne();
  }

  @Test
  void aCleanUpOfTheSourceBringsNothingBack() {
    live(history);
    history.evict();
    history.committedAt = at("2027-06-01T00:00:00Z");
    history.delete(purchase(2, JAN_8, "3"));
    history.delete(assignment(CONTROL, "hash", JAN_8));
    assertThat(history.out.rehydrated).isZero();
    assertThat(history.evicted()).hasSize(1);
  }

  private Map<DailyKey, DailySums> evictAndLose() {
    live(history);
    history.evict();
    history.warehouse.loseEvents();
    return Map.copyOf(history.out.daily);
  }

  @Test
  void aRowWhoseUsersFactsAreLostIsDeliveredAndTheStatisticsStayAsTheyWere() {
    Map<DailyKey, DailySums> before = evictAndLose();
    EventRow late = purchase(3, JAN_9, "8");
    history.insert(late);
    history.update(late, purchase(3, JAN_9, "9"));
    AssignmentRow moved = assignment(TREATMENT, "hash", JAN_8);
    history.update(assignment(CONTROL, "hash", JAN_8), moved);

    assertThat(history.visible().values())
        .singleElement()
        .satisfies(row -> assertThat(row.event()).isEqualTo(purchase(3, JAN_9, "9")))
        .satisfies(
            row ->
                assertThat(row.inconsistencies()).containsExactly(FindingCode.T_LATE_BEYOND_STATE));
    assertThat(history.out.assignmentRows.get(1).assignment()).isEqualTo(moved);
    assertThat(history.out.openFindings())
        .contains(
            "T-LATE-BEYOND-STATE event:" + late.id() + "@" + late.occurredAt(),
            "T-LATE-BEYOND-STATE assignment:7");
    assertThat(history.out.daily).isEqualTo(before);

    history.delete(purchase(3, JAN_9, "9"));
    assertThat(history.visible()).isEmpty();
    assertThat(history.out.daily).isEqualTo(before);
  }

  @Test
  void factsThatWereLostOnceAreNotCountedAgainWithoutTheRowsInBetween() {
    live(history);
    history.evict();
    List<EventProcessed> rows = List.copyOf(history.out.eventRows);
    history.warehouse.loseEvents();
    history.insert(purchase(3, JAN_9, "8"));
    Map<DailyKey, DailySums> before = Map.copyOf(history.out.daily);

    history.out.eventRows.addAll(0, rows);
    history.throughState();
    history.insert(purchase(4, JAN_9, "8"));
    assertThat(history.out.daily).isEqualTo(before);
    assertThat(history.out.rehydrated).isZero();
  }

  @Test
  void anErasureOfAUserWhoseFactsAreLostForgetsAllThatIsThere() {
    live(history);
    history.insert(purchase(3, JAN_9, "1"));
    history.evict();
    Map<DailyKey, DailySums> before = Map.copyOf(history.out.daily);
    history.out.eventRows.remove(0);
    EventRow late = purchase(4, JAN_9, "8");
    history.insert(late);
    // The late row is sent, and not visible yet.
    history.warehouse.visibleEvents = 2;
    history.inOneTransaction(
        () -> {
          history.deleteUser();
          history.delete(late);
          history.delete(assignment(CONTROL, "hash", JAN_8));
        });

    assertThat(history.visible()).isEmpty();
    assertThat(history.out.assignmentRows.get(history.out.assignmentRows.size() - 1).version())
        .satisfies(version -> assertThat(version.deleted()).isTrue());
    assertThat(history.out.daily).isEqualTo(before);
    assertThat(history.out.openFindings()).contains("T-LATE-BEYOND-STATE experiment-user:1/u1");
    history.afterGrace();
    assertThat(history.keptState()).isNull();
  }

  @Test
  void datesThatMoveLeaveTheStatisticsOfLostFactsAndSaySo() {
    Map<DailyKey, DailySums> before = evictAndLose();
    end(history, "2026-01-08T09:00:00Z");
    assertThat(history.out.daily).isEqualTo(before);
    assertThat(history.out.openFindings()).contains("T-LATE-BEYOND-STATE experiment-user:1/u1");
  }

  @Test
  void aWarehouseThatDoesNotAnswerStopsTheTaskWithWhatToDo() {
    live(history);
    history.evict();
    history.warehouse.answers = false;
    assertThatThrownBy(() -> history.insert(purchase(3, JAN_9, "8")))
        .hasMessageContaining(
            "Evicted facts (experiments [1], users [u1] …) are needed again, and ClickHouse did not return them within 0 s (clickhouse.commit-deadline). Nothing is lost");
  }

  @Test
  void allAreLookedThroughWhenAnotherExperimentIsOverAndElseAfterAPauseThatGrows() {
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
