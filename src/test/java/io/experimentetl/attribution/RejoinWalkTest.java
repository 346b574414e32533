package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.at;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.StateConfig;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TestEvent;
import io.experimentetl.model.UserRow;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.Test;

/** The operator writes an experiment's rows again when all of them are visible. */
class RejoinWalkTest extends AttributeOperatorHarness {
  private static final int USERS_OF_SEVERAL_BATCHES = 1_200;

  private final List<EventProcessed> rows = new ArrayList<>();
  private final List<AssignmentProcessed> assignments = new ArrayList<>();
  private final List<EventProcessed> archived = new ArrayList<>();
  private final StoredRows warehouse = new StoredRows(rows, assignments, archived);
  private long checkpoint;

  private AttributeOperator operator() {
    return new AttributeOperator(
        UserScenario.config(CrossoverPolicy.EXCLUDE), Set.of(), () -> warehouse);
  }

  private void openWithUsers(int count) throws Exception {
    harness.close();
    harness = newHarness(operator());
    harness.open();
    harness.setProcessingTime(1_000);
    sendDimensions();
    sendUsers(count);
    completeCheckpoint();
  }

  private void sendUsers(int count) throws Exception {
    for (int i = 0; i < count; i++) {
      send(SourceTable.USERS, new UserRow("u" + i, null, null, null, true, 0, 0));
      send(
          SourceTable.ASSIGNMENTS,
          new AssignmentRow(
              i + 1, EXPERIMENT, "u" + i, CONTROL, 1, "hash", null, at(JAN_8), null, 0, 0));
      send(
          SourceTable.EVENTS,
          TestEvent.of(UserScenario.id(i), at(JAN_8), EXPERIMENT, "u" + i, "exposure")
              .with("variant_id", CONTROL)
              .row());
    }
  }

  private static ExperimentRow experiment(String config) {
    return new ExperimentRow(
        EXPERIMENT, "exp", "Exp", null, "ACTIVE", null, 1, config, null, null, 0, 0);
  }

  private void sendExperiment(ChangeKind kind) throws Exception {
    sendExperiment(kind, null);
  }

  private void sendExperiment(ChangeKind kind, String config) throws Exception {
    boolean isDeleted = kind == ChangeKind.DELETE;
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(
                change(
                    SourceTable.EXPERIMENTS,
                    kind,
                    isDeleted ? experiment(config) : null,
                    isDeleted ? null : experiment(config)))));
    // Its users are counted again first.
    runTimers();
  }

  /** A checkpoint whose rows are visible when it completes. */
  private void completeCheckpoint() throws Exception {
    marker();
    rows.clear();
    rows.addAll(events());
    assignments.clear();
    assignments.addAll(assignments());
    harness.notifyOfCompletedCheckpoint(++checkpoint);
    runTimers();
  }

  private void runTimers() throws Exception {
    for (int i = 0; i < 20; i++) {
      harness.setProcessingTime(harness.getProcessingTime() + 60);
    }
  }

  private long orphans() {
    return events().stream().filter(row -> isOrphan(row.inconsistencies())).count()
        + assignments().stream().filter(row -> isOrphan(row.inconsistencies())).count();
  }

  private static boolean isOrphan(FindingCode[] codes) {
    return List.of(codes).contains(FindingCode.R_ORPHAN_EXPERIMENT);
  }

  private long visibleLsn() {
    return markers().get(markers().size() - 1).lsn();
  }

  private long findings() {
    return side(AttributeOperator.FINDINGS).stream()
        .filter(Either::isRight)
        .filter(finding -> finding.right().code() == FindingCode.R_ORPHAN_EXPERIMENT)
        .filter(finding -> finding.right().open())
        .count();
  }

  @Test
  void archivedRowsOfEvictedUsersAreReadBackAndWrittenAgain() throws Exception {
    harness.close();
    harness = newHarness(evicting());
    harness.open();
    harness.setProcessingTime(1_000);
    sendDimensions();
    sendDates("2026-01-09T00:00:00Z");
    sendUsers(3);
    for (int i = 0; i < 3; i++) {
      barrier(i, "2026-01-14T00:00:0%dZ".formatted(i));
      rows.addAll(events().subList(rows.size(), events().size()));
      assignments.addAll(assignments().subList(assignments.size(), assignments().size()));
    }
    assertThat(harness.numKeyedStateEntries()).as("the users, and their index").isEqualTo(9);
    warehouse.archiveEvents();
    sendExperiment(ChangeKind.DELETE);
    int read = events().size();
    for (int i = 3; i < 8; i++) {
      barrier(i, "2026-01-14T00:00:0%dZ".formatted(i));
      rows.addAll(events().subList(read, events().size()));
      read = events().size();
      harness.notifyOfCompletedCheckpoint(i);
      runTimers();
    }
    assertThat(archived).isEmpty();
    assertThat(orphans()).as("an event and an assignment of each").isEqualTo(6);
  }

  private AttributeOperator evicting() {
    JobConfig config =
        ConfigBuilder.defaults().with(StateConfig::evictAfter, Duration.ofDays(2)).build();
    return new AttributeOperator(config, Set.of(), () -> warehouse);
  }

  @Test
  void rowsAreWrittenAgainWhenAllAreVisibleAndTheProgressWaits() throws Exception {
    openWithUsers(USERS_OF_SEVERAL_BATCHES);
    long before = lsn;
    sendExperiment(ChangeKind.DELETE);
    completeCheckpoint();
    completeCheckpoint();
    assertThat(orphans()).isZero();
    assertThat(visibleLsn()).isEqualTo(before);

    completeCheckpoint();
    assertThat(orphans()).isEqualTo(2 * USERS_OF_SEVERAL_BATCHES);
    completeCheckpoint();
    assertThat(visibleLsn()).isEqualTo(lsn);
    assertThat(findings()).as("once per checkpoint at most").isLessThanOrEqualTo(2);
    completeCheckpoint();
    assertThat(orphans()).isEqualTo(2 * USERS_OF_SEVERAL_BATCHES);
  }

  @Test
  void restartGoesOnWithTheRowsThatRemain() throws Exception {
    openWithUsers(10);
    long before = lsn;
    sendExperiment(ChangeKind.DELETE);
    completeCheckpoint();
    OperatorSubtaskState snapshot = harness.snapshot(++checkpoint, 1);
    harness.close();
    harness = newHarness(operator());
    harness.initializeState(snapshot);
    harness.open();
    harness.setProcessingTime(100_000);
    marker();
    assertThat(visibleLsn()).isEqualTo(before);
    runTimers();
    for (int i = 0; i < 3; i++) {
      harness.notifyOfCompletedCheckpoint(++checkpoint);
    }
    runTimers();
    assertThat(orphans()).isEqualTo(20);
    marker();
    assertThat(visibleLsn()).isEqualTo(lsn);
  }

  @Test
  void experimentThatIsBackBeforeItsRowsWereWrittenChangesNoRow() throws Exception {
    openWithUsers(10);
    sendExperiment(ChangeKind.DELETE);
    completeCheckpoint();
    sendExperiment(ChangeKind.INSERT);
    for (int i = 0; i < 4; i++) {
      completeCheckpoint();
    }
    assertThat(orphans()).isZero();
    assertThat(events()).hasSize(10);
    assertThat(visibleLsn()).isEqualTo(lsn);
  }

  @Test
  void experimentThatIsBackTakesTheCodeFromTheRows() throws Exception {
    openWithUsers(10);
    sendExperiment(ChangeKind.DELETE);
    for (int i = 0; i < 4; i++) {
      completeCheckpoint();
    }
    assertThat(orphans()).isEqualTo(20);
    OperatorSubtaskState snapshot = harness.snapshot(++checkpoint, 1);
    List<EventProcessed> sentBefore = events();
    List<AssignmentProcessed> assignmentsBefore = assignments();
    harness.close();
    harness = newHarness(operator());
    harness.initializeState(snapshot);
    harness.open();
    harness.setProcessingTime(100_000);
    rows.clear();
    rows.addAll(sentBefore);
    assignments.clear();
    assignments.addAll(assignmentsBefore);
    sendExperiment(ChangeKind.INSERT);
    marker();
    for (int i = 0; i < 3; i++) {
      harness.notifyOfCompletedCheckpoint(++checkpoint);
    }
    runTimers();
    assertThat(events()).hasSize(10).allMatch(row -> row.experimentKey().equals("exp"));
    assertThat(assignments()).hasSize(10).allMatch(row -> row.experimentKey().equals("exp"));
    assertThat(orphans()).isZero();
    marker();
    assertThat(visibleLsn()).isEqualTo(lsn);
  }

  @Test
  void rowsOfAnotherZoneAreWrittenAgainOnce() throws Exception {
    openWithUsers(10);
    int day = events().get(0).dayEpoch();
    long before = lsn;
    sendExperiment(ChangeKind.UPDATE, "{\"zone\": \"Pacific/Kiritimati\"}");
    completeCheckpoint();
    completeCheckpoint();
    assertThat(visibleLsn()).isEqualTo(before);
    for (int i = 0; i < 3; i++) {
      completeCheckpoint();
    }
    assertThat(events()).hasSize(20);
    assertThat(events().subList(10, 20)).allMatch(row -> row.dayEpoch() == day + 1);
    assertThat(assignments()).hasSize(20);
    assertThat(assignments().subList(10, 20)).allMatch(row -> row.dayEpoch() == day + 1);
    assertThat(visibleLsn()).isEqualTo(lsn);

    sendExperiment(ChangeKind.UPDATE, "{\"zone\": \"Pacific/Kiritimati\", \"owner\": 1}");
    for (int i = 0; i < 4; i++) {
      completeCheckpoint();
    }
    assertThat(events()).as("the zone is the same").hasSize(20);
  }

  @Test
  void warehouseThatDoesNotAnswerIsAskedBehindLaterCheckpoints() throws Exception {
    openWithUsers(10);
    sendExperiment(ChangeKind.DELETE);
    warehouse.answers = false;
    for (int i = 0; i < 4; i++) {
      completeCheckpoint();
    }
    assertThat(orphans()).isZero();
    warehouse.answers = true;
    for (int i = 0; i < 3; i++) {
      completeCheckpoint();
    }
    assertThat(orphans()).isEqualTo(20);
  }
}
