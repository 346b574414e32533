package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.model.SourceTable.ASSIGNMENTS;
import static io.experimentetl.model.SourceTable.EVENTS;
import static io.experimentetl.model.SourceTable.USERS;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TestEvent;
import io.experimentetl.model.TransactionEnd;
import io.experimentetl.model.UserRow;
import java.util.List;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.junit.jupiter.api.Test;

/** A truncate reaches all users of a subtask, behind the rows before it and at the commit. */
class TruncatesOfAllUsersTest extends AttributeOperatorHarness {
  private static final int USERS_OF_TWO_BATCHES = 700;

  private static UserRow user(int number) {
    return new UserRow("u" + number, null, null, null, true, 0, 0);
  }

  private static EventRow exposureOf(int number) {
    return TestEvent.of(UserScenario.id(number), at(JAN_8), EXPERIMENT, "u" + number, "exposure")
        .with("variant_id", CONTROL)
        .row();
  }

  private void insertUsers(int count) throws Exception {
    sendDimensions();
    for (int i = 0; i < count; i++) {
      send(USERS, user(i));
      send(
          ASSIGNMENTS,
          new AssignmentRow(
              i + 1, EXPERIMENT, "u" + i, CONTROL, 1, "hash", null, at(JAN_8), null, 0, 0));
      send(EVENTS, exposureOf(i));
    }
  }

  /** It arrives once for each key group. */
  private void truncate(SourceTable table) throws Exception {
    lsn += 10;
    for (String key : List.of("key-group-1", "key-group-2")) {
      harness.processElement1(
          new StreamRecord<>(
              new Change(
                  table,
                  ChangeKind.TRUNCATE,
                  lsn,
                  new SourcePosition(lsn - 10, lsn, txId, 0, at("2026-01-08T12:00:00Z")),
                  null,
                  new TransactionEnd(key, true))));
    }
  }

  private void commitOfAll() throws Exception {
    commit("key-group-1", true);
    commit("key-group-2", true);
  }

  private long tombstones() {
    return events().stream().map(EventProcessed::version).filter(v -> v.deleted()).count();
  }

  @Test
  void everyUserLosesWhatIsNotWrittenAgain() throws Exception {
    insertUsers(USERS_OF_TWO_BATCHES);
    truncate(EVENTS);
    send(EVENTS, exposureOf(5));
    assertThat(tombstones()).as("before the commit").isZero();
    commitOfAll();

    assertThat(tombstones()).isEqualTo(USERS_OF_TWO_BATCHES - 1);
    assertThat(events())
        .filteredOn(row -> row.version().deleted())
        .extracting(row -> row.event().userId())
        .doesNotContain("u5")
        .doesNotHaveDuplicates();
    assertThat(keysIn("user")).as("no key group is a user").isEqualTo(700);
  }

  @Test
  void openTruncateSurvivesARestart() throws Exception {
    insertUsers(3);
    truncate(EVENTS);
    send(EVENTS, exposureOf(1));
    marker();
    OperatorSubtaskState state = harness.snapshot(1, 1);
    harness.close();
    restore(state, new AttributeOperator(UserScenario.config(CrossoverPolicy.EXCLUDE)));
    send(EVENTS, exposureOf(2));
    commitOfAll();

    assertThat(events())
        .filteredOn(row -> row.version().deleted())
        .extracting(row -> row.event().userId())
        .containsExactly("u0");

    send(EVENTS, exposureOf(0));
    commitOfAll();
    assertThat(tombstones()).as("the next transaction has no truncate").isOne();
  }

  @Test
  void truncateOfUsersErasesThoseAbsentAtTheCommit() throws Exception {
    insertUsers(3);
    truncate(USERS);
    truncate(ASSIGNMENTS);
    truncate(EVENTS);
    send(USERS, user(1));
    send(EVENTS, exposureOf(1));
    commitOfAll();

    assertThat(side(AttributeOperator.TRUNCATED_USERS))
        .extracting(user -> user.row().userId())
        .containsExactlyInAnyOrder("u0", "u2");
    assertThat(events())
        .filteredOn(row -> row.version().deleted())
        .extracting(row -> row.event().userId() + " " + row.version().deleteReason())
        .containsExactlyInAnyOrder("u0 erasure", "u2 erasure");
    assertThat(assignments())
        .filteredOn(row -> row.version().deleted())
        .extracting(row -> row.assignment().userId() + " " + row.version().deleteReason())
        .containsExactlyInAnyOrder("u0 erasure", "u1 truncate", "u2 erasure");
    marker();
    assertThat(keysIn("user")).isOne();
  }
}
