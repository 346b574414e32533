package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.cdc.RouteOperator;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import java.util.List;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.Test;

/** State, timers and routing of the operator. */
class AttributeOperatorTest extends AttributeOperatorHarness {
  @Test
  void contributionsAreAddedUpAndSentBeforeTheBarrier() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    send(SourceTable.EVENTS, event(2, "conversion", CONTROL, JAN_8, null));
    assertThat(contributions()).isEmpty();
    marker();
    assertThat(contributions()).hasSize(2);
    assertThat(markers()).hasSize(1);
  }

  @Test
  void erasedUserLeavesNeitherStateNorTimer() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    marker();
    assertThat(keysIn("user")).isOne();
    delete(SourceTable.USERS, UserScenario.userRow());
    marker();
    assertThat(harness.numKeyedStateEntries()).isZero();
    assertThat(harness.numProcessingTimeTimers()).isZero();
  }

  @Test
  void deleteAwaitsItsTransactionsEndAlsoThroughARescale() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    harness.processElement1(
        new StreamRecord<>(
            change(SourceTable.USERS, ChangeKind.DELETE, UserScenario.userRow(), null)));
    marker();
    assertThat(events()).noneMatch(row -> row.version().deleted());
    assertThat(contributions()).isNotEmpty();
    OperatorSubtaskState state = harness.snapshot(1, 0);

    int tombstones = 0;
    for (int subtask = 0; subtask < 2; subtask++) {
      harness.close();
      harness =
          new KeyedTwoInputStreamOperatorTestHarness<>(
              new AttributeOperator(UserScenario.config(CrossoverPolicy.EXCLUDE)),
              RouteOperator::userOf,
              null,
              Types.STRING,
              128,
              2,
              subtask);
      harness.setup(AttributeOperator.EVENTS_TYPE.createSerializer(new SerializerConfigImpl()));
      harness.initializeState(
          AbstractStreamOperatorTestHarness.repartitionOperatorState(state, 128, 1, 2, subtask));
      harness.open();
      String anyKey = keyOf(subtask);
      commit(anyKey, true);
      marker();
      tombstones += events().size();
      assertThat(events()).allMatch(row -> row.version().deleted());
      assertThat(harness.numKeyedStateEntries()).isZero();
    }
    assertThat(tombstones).isOne();
  }

  private static String keyOf(int subtask) {
    int i = 0;
    while (KeyGroupRangeAssignment.assignKeyToParallelOperator("key" + i, 128, 2) != subtask) {
      i++;
    }
    return "key" + i;
  }

  @Test
  void timerDeliversPendingEventAndIsGone() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    marker();
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    assertThat(events()).isEmpty();
    assertThat(harness.numProcessingTimeTimers()).isOne();
    harness.setProcessingTime(20_000);
    assertThat(events()).hasSize(1);
    assertThat(harness.numProcessingTimeTimers()).isZero();
  }

  @Test
  void missingReferenceIsOnlyLateDuringTheSnapshot() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    harness.setProcessingTime(60_000);
    assertThat(events()).isEmpty();
    marker();
    harness.setProcessingTime(120_000);
    assertThat(events()).hasSize(1);
  }

  @Test
  void checkpointInABulkDeleteHoldsNoContentsOfRows() throws Exception {
    int rows = 50;
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    String contents = "{\"revenue\": 5, \"note\": \"%s\"}".formatted("x".repeat(5_000));
    for (int i = 1; i <= rows; i++) {
      send(SourceTable.EVENTS, event(i, "purchase", CONTROL, JAN_8, contents));
    }
    marker();
    long before = harness.snapshot(1, 0).getStateSize();
    for (int i = 1; i <= rows; i++) {
      harness.processElement1(
          new StreamRecord<>(
              change(
                  SourceTable.EVENTS,
                  ChangeKind.DELETE,
                  event(i, "purchase", CONTROL, JAN_8, contents),
                  null)));
    }
    marker();
    assertThat(harness.snapshot(2, 0).getStateSize() - before).isLessThan(rows * 500L);
    commit(UserScenario.USER, false);
    assertThat(events()).filteredOn(row -> row.version().deleted()).hasSize(rows);
  }

  @Test
  void bulkDeleteOfOneUserLeavesNothingOfTheEvents() throws Exception {
    int rows = 21_000;
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    for (int i = 1; i <= rows; i++) {
      send(SourceTable.EVENTS, event(i, "exposure", CONTROL, JAN_8, null));
    }
    marker();
    for (int i = 1; i <= rows; i++) {
      harness.processElement1(
          new StreamRecord<>(
              change(
                  SourceTable.EVENTS,
                  ChangeKind.DELETE,
                  event(i, "exposure", CONTROL, JAN_8, null),
                  null)));
    }
    commit(UserScenario.USER, false);
    marker();
    assertThat(events()).filteredOn(row -> row.version().deleted()).hasSize(rows);
    assertThat(contributions().stream().mapToLong(sent -> sent.sums().exposures()).sum()).isZero();
    assertThat(keysIn("undecided-changes")).isZero();
  }

  @Test
  void restoredOperatorKnowsItsUsersAndDimensions() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    marker();
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();

    harness = newHarness(CrossoverPolicy.EXCLUDE);
    harness.initializeState(snapshot);
    harness.open();
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    assertThat(events()).as("the row is a repetition").isEmpty();
    send(SourceTable.EVENTS, event(2, "conversion", CONTROL, JAN_8, null));
    assertThat(events().get(0).experimentKey()).isEqualTo("exp");
    marker();
    assertThat(contributions()).hasSize(1);
    assertThat(contributions().get(0).sums().newConverters()).isOne();
    assertThat(contributions().get(0).sums().newUsers()).isZero();
  }

  @Test
  void spilledEventIsCorrectedAfterARestartAndLeavesNoState() throws Exception {
    harness.close();
    harness = newHarness(UserScenario.holding(1));
    harness.open();
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    marker();
    for (int i = 1; i <= 4; i++) {
      send(SourceTable.EVENTS, event(i, "exposure", CONTROL, JAN_8, null));
    }
    assertThat(events()).hasSize(3);
    marker();
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();

    harness = newHarness(UserScenario.holding(1));
    harness.initializeState(snapshot);
    harness.open();
    assertThat(keysIn("spilled-events")).isOne();
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    assertThat(events())
        .hasSize(4)
        .allMatch(row -> row.inconsistencies().length == 0 && row.assignedVariantId() == CONTROL);
    marker();
    assertThat(keysIn("user")).isOne();
    assertThat(keysIn("spilled-events")).isZero();
  }

  @Test
  void progressStaysAfterARestartUntilPendingRowsAreDelivered() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    long before = lsn;
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    marker();
    assertThat(markers().get(0).lsn()).isEqualTo(before);
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();

    harness = newHarness(CrossoverPolicy.EXCLUDE);
    harness.setProcessingTime(1_000);
    harness.initializeState(snapshot);
    harness.open();
    marker();
    assertThat(markers().get(0).lsn()).isEqualTo(before);
    harness.setProcessingTime(60_000);
    marker();
    assertThat(markers().get(1).lsn()).isEqualTo(lsn);
  }

  @Test
  void missingExperimentIsClosedAlsoAfterItsOnlyEventWasDeleted() throws Exception {
    marker();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    harness.setProcessingTime(120_000);
    delete(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    assertThat(lastOf(FindingCode.R_ORPHAN_EXPERIMENT).open()).isTrue();
    sendDimensions();
    assertThat(lastOf(FindingCode.R_ORPHAN_EXPERIMENT).open()).isFalse();
    assertThat(lastOf(FindingCode.R_ORPHAN_VARIANT).open()).isFalse();
  }

  @Test
  void changedDatesRestateTheUsersOfTheExperiment() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    marker();
    int sent = contributions().size();
    ExperimentRow later =
        new ExperimentRow(
            EXPERIMENT,
            "exp",
            "Exp",
            null,
            "ACTIVE",
            null,
            2,
            null,
            at("2026-01-09T00:00:00Z"),
            null,
            0,
            0);
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(change(SourceTable.EXPERIMENTS, ChangeKind.UPDATE, later, later))));
    marker();
    assertThat(contributions().subList(sent, contributions().size()))
        .hasSize(2)
        .allMatch(contribution -> contribution.sums().newUsers() == -1);
    assertThat(events()).as("no row is sent again").hasSize(1);
  }

  private void sendStatus(String status) throws Exception {
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(
                change(
                    SourceTable.EXPERIMENTS,
                    ChangeKind.UPDATE,
                    null,
                    new ExperimentRow(
                        EXPERIMENT,
                        "exp",
                        "Exp",
                        null,
                        status,
                        null,
                        1,
                        null,
                        null,
                        null,
                        0,
                        0)))));
  }

  @Test
  void eventOfAPausedExperimentIsReportedAfterARestart() throws Exception {
    sendDimensions();
    sendStatus("PAUSED");
    OperatorSubtaskState saved = harness.snapshot(1, 1);
    harness.close();
    harness = newHarness(CrossoverPolicy.EXCLUDE);
    harness.initializeState(saved);
    harness.open();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "page_view", CONTROL, "2026-01-08T12:00:00Z", null));
    send(SourceTable.EVENTS, event(2, "page_view", CONTROL, JAN_8, null));
    assertThat(events())
        .extracting(row -> List.of(row.inconsistencies()).contains(FindingCode.T_NOT_RUNNING))
        .containsExactly(true, false);
  }
}
