package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UserRow;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class RereadRowsTest {
  private final RereadRows rows = new RereadRows(SourceTable.USERS, Set.of("u1", "u2"));

  private static UserRow user(String id) {
    return new UserRow(id, null, null, null, true, 0, 0);
  }

  private static Change change(ChangeKind kind, long lsn, UserRow before, UserRow after) {
    return new Change(
        SourceTable.USERS, kind, 0, new SourcePosition(0, lsn, 1, 0, 0), before, after);
  }

  private final Change first = change(ChangeKind.READ, 0, null, user("u1"));
  private final Change second = change(ChangeKind.READ, 0, null, user("u2"));

  @Test
  void rowsAreSentWhenTheStreamHasPassedWhatTheReadSaw() {
    assertThat(rows.isReady(Long.MAX_VALUE)).isFalse();
    rows.read(new RereadRows.Read(List.of(first, second), 100));

    assertThat(rows.isReady(99)).isFalse();
    assertThat(rows.isReady(100)).isTrue();
    assertThat(rows.unchangedMeanwhile()).containsExactly(first, second);
  }

  @Test
  void rowThatTheStreamChangedMeanwhileIsNotSent() {
    rows.observe(change(ChangeKind.UPDATE, 90, user("u1"), user("u1")));
    rows.read(new RereadRows.Read(List.of(first, second), 100));
    rows.observe(change(ChangeKind.DELETE, 110, user("u2"), null));

    assertThat(rows.unchangedMeanwhile()).isEmpty();
  }

  @Test
  void truncateOfTheTableMeanwhileLeavesNoRowToSend() {
    rows.read(new RereadRows.Read(List.of(first, second), 100));
    rows.observe(change(ChangeKind.TRUNCATE, 110, null, null));

    assertThat(rows.unchangedMeanwhile()).isEmpty();
  }

  @Test
  void rowsOfTheSnapshotAndOfOtherTablesChangeNothing() {
    rows.observe(change(ChangeKind.READ, 0, null, user("u1")));
    rows.observe(change(ChangeKind.INSERT, 90, null, user("u3")));
    rows.read(new RereadRows.Read(List.of(first), 100));

    assertThat(rows.unchangedMeanwhile()).containsExactly(first);
  }
}
