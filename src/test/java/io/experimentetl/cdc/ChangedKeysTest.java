package io.experimentetl.cdc;

import static io.experimentetl.model.ChangeKind.DELETE;
import static io.experimentetl.model.ChangeKind.INSERT;
import static io.experimentetl.model.ChangeKind.KEY_CHANGE;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TestEvent;
import io.experimentetl.model.UserRow;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ChangedKeysTest {
  private ChangedKeys keys = new ChangedKeys(List.of());
  private final List<String> passedOn = new ArrayList<>();
  private long lsn = 1000;
  private long txId = 7;

  private static EventRow event(int id, long occurredAt, String user) {
    return TestEvent.of(new EventId(0, id, null), occurredAt, 1, user, "purchase").row();
  }

  private static UserRow user(String id) {
    return new UserRow(id, null, null, null, true, 0, 0);
  }

  private static AssignmentRow assignment(long id, String user) {
    return new AssignmentRow(id, 1, user, 11, 1, "hash", null, 0, null, 0, 0);
  }

  private static SourceTable tableOf(SourceRow row) {
    if (row instanceof EventRow) {
      return SourceTable.EVENTS;
    }
    return row instanceof UserRow ? SourceTable.USERS : SourceTable.ASSIGNMENTS;
  }

  private void send(ChangeKind kind, SourceRow row) {
    lsn += 8;
    sendAtSamePosition(kind, row);
  }

  private void sendAtSamePosition(ChangeKind kind, SourceRow row) {
    boolean gone = kind != INSERT;
    Change change =
        new Change(
            tableOf(row),
            kind,
            lsn,
            new SourcePosition(1, lsn, txId, 0, 1),
            gone ? row : null,
            gone ? null : row);
    ChangedKeys.FirstHalf first = keys.completedBy(change);
    if (first != null) {
      passedOn.add(first.passedOn() ? "update of a delete" : "update");
      return;
    }
    Change held = keys.release(change.position());
    if (held != null) {
      passedOn.add("delete");
    }
    if (!keys.hold(change)) {
      passedOn.add("insert");
    }
  }

  private void nextTransaction() {
    txId++;
  }

  @Test
  void connectorsHalvesAreOneUpdate() {
    send(KEY_CHANGE, user("a"));
    sendAtSamePosition(INSERT, user("b"));
    send(KEY_CHANGE, assignment(1, "a"));
    sendAtSamePosition(INSERT, assignment(2, "a"));

    assertThat(passedOn).containsExactly("update", "update");
  }

  @Test
  void connectorsHalvesWithoutHeadersAreOneUpdate() {
    send(DELETE, user("a"));
    sendAtSamePosition(INSERT, user("b"));

    assertThat(passedOn).containsExactly("update");
  }

  @Test
  void moveAcrossPartitionsIsOneUpdateAlsoToAnotherUser() {
    send(DELETE, event(1, 10, "a"));
    send(INSERT, event(1, 20, "b"));

    assertThat(passedOn).containsExactly("update");
  }

  @Test
  void insertBehindOtherRowsCompletesThePassedOnDelete() {
    send(DELETE, event(1, 10, "a"));
    send(DELETE, event(2, 10, "a"));
    send(INSERT, event(3, 10, "a"));
    send(INSERT, event(1, 20, "a"));

    assertThat(passedOn).containsExactly("delete", "delete", "insert", "update of a delete");
  }

  @Test
  void deletedRowBeforeAnotherRowIsNoUpdate() {
    send(DELETE, event(1, 10, "a"));
    send(INSERT, event(2, 10, "a"));
    send(DELETE, assignment(1, "a"));
    send(INSERT, assignment(2, "a"));

    assertThat(passedOn).containsExactly("delete", "insert", "delete", "insert");
  }

  @Test
  void replacedUserIsNoUpdate() {
    send(DELETE, user("a"));
    send(INSERT, user("a"));

    assertThat(passedOn).containsExactly("delete", "insert");
  }

  @Test
  void rowOfALaterTransactionIsNoUpdate() {
    send(DELETE, event(1, 10, "a"));
    send(DELETE, event(2, 10, "a"));
    nextTransaction();
    send(INSERT, event(1, 20, "a"));
    send(INSERT, event(2, 20, "a"));

    assertThat(passedOn).containsExactly("delete", "delete", "insert", "insert");
  }

  @Test
  void halvesMeetAcrossARestart() {
    send(DELETE, event(1, 10, "a"));
    send(DELETE, event(2, 10, "a"));
    keys = new ChangedKeys(keys.state());
    send(INSERT, event(2, 20, "a"));
    send(INSERT, event(1, 20, "a"));

    assertThat(passedOn).containsExactly("delete", "update", "update of a delete");
  }

  /** Two rows with as many characters as all rows together may have, and one more. */
  private static EventRow largeEvent(int id) {
    return TestEvent.of(new EventId(0, id, null), 10, 1, "a", "purchase")
        .with(
            "properties",
            "{\"note\": \"%s\"}".formatted("x".repeat(ChangedKeys.MAX_CHARACTERS / 2)))
        .row();
  }

  private long charactersOf(List<ChangedKeys.FirstHalf> halves) {
    return halves.stream()
        .filter(half -> half.event().properties() != null)
        .mapToLong(half -> half.event().properties().length())
        .sum();
  }

  @Test
  void deletesBehindMuchContentAreRememberedByTheirKeysOnly() {
    for (int i = 0; i < 4; i++) {
      send(DELETE, largeEvent(i));
    }
    send(INSERT, event(9, 10, "a"));

    assertThat(charactersOf(keys.state())).isLessThan(2L * ChangedKeys.MAX_CHARACTERS);
    keys = new ChangedKeys(keys.state());
    assertThat(completed(3).isBeforeWhole()).isFalse();
    assertThat(completed(3)).isNull();
    assertThat(completed(0).isBeforeWhole()).isTrue();
    assertThat(completed(1).isBeforeWhole()).isTrue();
    nextTransaction();
    send(DELETE, largeEvent(5));
    send(DELETE, event(6, 10, "a"));
    assertThat(completed(5).isBeforeWhole()).as("another transaction begins anew").isTrue();
  }

  @Test
  void deletedAssignmentsAndDevicesBehindMuchContentAreRememberedByTheirKeysOnly() {
    String half = "x".repeat(ChangedKeys.MAX_CHARACTERS / 2);
    for (int i = 0; i < 4; i++) {
      send(DELETE, new AssignmentRow(i, 1, "a", 11, 1, "hash", half, 0, null, 0, 0));
    }
    send(INSERT, event(9, 10, "a"));

    assertThat(keys.state().stream().filter(each -> each.assignment().context() != null).count())
        .isEqualTo(2);
    assertThat(completedBy(assignment(3, "a")).isBeforeWhole()).isFalse();
    assertThat(completedBy(assignment(1, "a")).isBeforeWhole()).isTrue();
    nextTransaction();
    for (int i = 0; i < 4; i++) {
      send(
          DELETE,
          TestEvent.of(new EventId(0, i, null), 10, 1, "a", "exposure")
              .with("device_id", half)
              .row());
    }
    send(INSERT, event(9, 10, "a"));
    assertThat(keys.state().stream().filter(each -> each.event().deviceId() != null).count())
        .isEqualTo(2);
  }

  private Change completed(int id) {
    return completedBy(event(id, 20, "a"));
  }

  /** The update that the insert of the row completes, or null. */
  private Change completedBy(SourceRow row) {
    Change insert =
        new Change(
            tableOf(row), INSERT, lsn, new SourcePosition(1, lsn + 8, txId, 0, 1), null, row);
    ChangedKeys.FirstHalf first = keys.completedBy(insert);
    return first == null ? null : first.updateBy(insert);
  }

  @Test
  void oldestOfTooManyDeletesAreForgottenAndCounted() {
    for (int i = 0; i < ChangedKeys.MAX_REMEMBERED + 2; i++) {
      send(DELETE, event(i, 10, "a"));
    }
    passedOn.clear();
    send(INSERT, event(0, 20, "a"));
    send(INSERT, event(1, 20, "a"));

    assertThat(keys.forgotten()).isEqualTo(2);
    assertThat(passedOn).containsExactly("delete", "insert", "insert");
  }
}
