package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.USER;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.JobConfig;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TestEvent;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Facts that name no experiment, in the operator's state. */
class SharedFactsOperatorTest extends AttributeOperatorHarness {
  private static final JobConfig SHARING =
      UserScenario.sharing(UserScenario.config(CrossoverPolicy.EXCLUDE));

  @BeforeEach
  void share() throws Exception {
    harness.close();
    harness = newHarness(SHARING);
    harness.open();
    harness.setProcessingTime(1_000);
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
  }

  static EventRow sale(int number, String occurredAt, String revenue) {
    return TestEvent.of(
            EventId.ofEntry("orders", Integer.toString(number)),
            at(occurredAt),
            EventRow.SHARED,
            USER,
            "purchase")
        .with("properties", "{\"revenue\": " + revenue + "}")
        .with("fact", "orders")
        .row();
  }

  /** An exposed user buys for 5. */
  private void exposeAndSell() throws Exception {
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    send(SourceTable.EVENTS, sale(1, "2026-01-08T11:00:00Z", "5"));
    marker();
  }

  private DailySums revenue() {
    return contributions().stream()
        .filter(sent -> sent.key().metric().equals("revenue"))
        .map(sent -> sent.sums())
        .reduce(DailySums.ZERO, DailySums::plus);
  }

  @Test
  void restoredFactsCountForALateAssignment() throws Exception {
    send(SourceTable.EVENTS, sale(1, "2026-01-08T11:00:00Z", "5"));
    send(SourceTable.EVENTS, sale(2, "2026-01-08T09:00:00Z", "7"));
    marker();
    assertThat(contributions()).isEmpty();
    assertThat(events()).hasSize(2).allMatch(row -> row.inconsistencies().length == 0);

    OperatorSubtaskState snapshot = harness.snapshot(1, 0);
    harness.close();
    restore(snapshot, new AttributeOperator(SHARING));
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    marker();
    assertThat(revenue().dSum()).isEqualTo(UserScenario.units(5));
    assertThat(events()).hasSize(1);
  }

  @Test
  void erasedUserLeavesNoState() throws Exception {
    exposeAndSell();
    delete(SourceTable.USERS, UserScenario.userRow());
    marker();
    assertThat(revenue().isZero()).isTrue();
    assertThat(events()).filteredOn(row -> row.version().deleted()).hasSize(2);
    assertThat(harness.numKeyedStateEntries()).isZero();
    assertThat(harness.numProcessingTimeTimers()).isZero();
  }

  @Test
  void erasingRowLeavesAMarkUntilItIsDeleted() throws Exception {
    exposeAndSell();
    harness.processElement1(
        new StreamRecord<>(
            change(SourceTable.USERS, ChangeKind.ERASE, UserScenario.userRow(), null)));
    commit(USER, false);
    marker();
    assertThat(revenue().isZero()).isTrue();
    assertThat(events()).filteredOn(row -> row.version().deleted()).hasSize(2);
    int marks = harness.numKeyedStateEntries();
    send(SourceTable.EVENTS, sale(2, "2026-01-08T12:00:00Z", "7"));
    marker();
    assertThat(harness.numKeyedStateEntries()).isEqualTo(marks);
    delete(SourceTable.USERS, UserScenario.userRow());
    marker();
    assertThat(harness.numKeyedStateEntries()).isZero();
  }
}
