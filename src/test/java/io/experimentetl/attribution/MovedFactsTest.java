package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.USER;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.event;
import static io.experimentetl.attribution.UserScenario.userRow;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.StateConfig;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.SourceTable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.junit.jupiter.api.Test;

/** The operator moves the facts of renamed users that their source has not moved. */
class MovedFactsTest extends AttributeOperatorHarness {
  private static final String NEW = "u1x";

  private final List<EventProcessed> rows = new ArrayList<>();
  private final List<AssignmentProcessed> assignments = new ArrayList<>();

  private final List<EventProcessed> archived = new ArrayList<>();

  private AttributeOperator operator(Duration evictAfter) {
    return new AttributeOperator(
        ConfigBuilder.defaults().with(StateConfig::evictAfter, evictAfter).build(),
        Set.of(),
        () -> new StoredRows(rows, assignments, archived));
  }

  private void start(Duration evictAfter) throws Exception {
    harness.close();
    harness = newHarness(operator(evictAfter));
    harness.open();
    harness.setProcessingTime(1_000);
    sendDimensions();
    send(SourceTable.USERS, userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
  }

  private void rename() throws Exception {
    harness.processElement1(
        new StreamRecord<>(
            change(SourceTable.USERS, ChangeKind.RENAME, userRow(), userRow().withUserId(NEW))
                .underUserKey(USER)));
  }

  private void restart(OperatorSubtaskState snapshot, Duration evictAfter) throws Exception {
    harness.close();
    harness = newHarness(operator(evictAfter));
    harness.initializeState(snapshot);
    harness.open();
    harness.setProcessingTime(10_000);
  }

  private void show() {
    rows.addAll(events());
    assignments.addAll(assignments());
    harness.getOutput().clear();
  }

  private List<String> sent() {
    return events().stream()
        .map(row -> (row.version().deleted() ? "-" : "+") + row.event().userId())
        .toList();
  }

  @Test
  void visibleFactsAreMovedBeforeTheBarrierBehindTheTransaction() throws Exception {
    start(null);
    show();
    rename();
    lsn += 100;
    barrier(1, "2026-01-14T00:00:00Z");

    assertThat(sent()).containsExactly("-" + USER, "+" + NEW);
    assertThat(markers().get(markers().size() - 1).lsn()).isEqualTo(lsn);
  }

  @Test
  void factOfTheOpenCheckpointIsMovedLaterAndHoldsTheMarker() throws Exception {
    start(null);
    rename();
    long before = lsn - 10;
    lsn += 100;
    barrier(1, "2026-01-14T00:00:00Z");
    assertThat(sent()).containsExactly("+" + USER);
    assertThat(markers().get(markers().size() - 1).lsn()).isEqualTo(before);
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    show();
    restart(snapshot, null);
    barrier(2, "2026-01-14T00:00:00Z");

    assertThat(sent()).containsExactly("-" + USER, "+" + NEW);
    assertThat(harness.numProcessingTimeTimers()).isLessThanOrEqualTo(1);
    harness.setProcessingTime(20_000);
    assertThat(harness.numProcessingTimeTimers()).isZero();
  }

  @Test
  void archivedRowsAreMovedWithTheSecondTry() throws Exception {
    start(null);
    archived.addAll(events());
    assignments.addAll(assignments());
    harness.getOutput().clear();
    rename();
    lsn += 100;
    barrier(1, "2026-01-14T00:00:00Z");
    assertThat(sent()).isEmpty();

    harness.notifyOfCompletedCheckpoint(1);
    barrier(2, "2026-01-14T00:00:00Z");

    assertThat(sent()).containsExactly("-" + USER, "+" + NEW);
  }

  @Test
  void evictedFactsAreMovedToo() throws Exception {
    start(Duration.ofDays(2));
    sendDates("2026-01-09T00:00:00Z");
    show();
    barrier(1, "2026-01-14T00:00:01Z");
    rename();
    lsn += 100;
    barrier(2, "2026-01-14T00:00:01Z");

    assertThat(sent()).containsExactly("-" + USER, "+" + NEW);
    assertThat(assignments())
        .filteredOn(row -> !row.version().deleted())
        .last()
        .satisfies(row -> assertThat(row.assignment().userId()).isEqualTo(NEW));
  }
}
