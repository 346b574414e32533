package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.HeartbeatRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TestEvent;
import io.experimentetl.model.UserRow;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.Test;

/** What {@code route} makes of changed keys, in whatever form they arrive. */
class ChangedKeyRoutingTest {
  private RouteHarness harness;
  private final List<Change> routed = new ArrayList<>();
  private long lsn = 1000;
  private long txId = 7;

  private void open() throws Exception {
    harness = RouteHarness.opened();
    harness.processElement(
        new StreamRecord<>(Either.Left(new ProgressMarker(1, 1, 1, true, true))));
  }

  private void restart() throws Exception {
    collect();
    harness = harness.restarted();
  }

  private void collect() {
    for (Object record : harness.getOutput()) {
      if (record instanceof StreamRecord<?> change) {
        routed.add((Change) change.getValue());
      }
    }
    harness.getOutput().clear();
  }

  private static EventRow event(long id, long occurredAt, String user) {
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

  private void send(ChangeKind kind, SourceRow before, SourceRow after) throws Exception {
    lsn += 8;
    sendAtSamePosition(kind, before, after);
  }

  private void sendAtSamePosition(ChangeKind kind, SourceRow before, SourceRow after)
      throws Exception {
    SourceTable table = tableOf(before == null ? after : before);
    send(new Change(table, kind, lsn + 1, new SourcePosition(1, lsn, txId, 0, 1), before, after));
  }

  private void send(Change change) throws Exception {
    harness.processElement(new StreamRecord<>(Either.Right(change)));
  }

  private void connectorsHalves(SourceRow before, SourceRow after) throws Exception {
    send(ChangeKind.KEY_CHANGE, before, null);
    sendAtSamePosition(ChangeKind.INSERT, null, after);
  }

  private void nextTransaction() throws Exception {
    txId++;
    lsn += 8;
    send(
        new Change(
            SourceTable.ETL_HEARTBEAT,
            ChangeKind.UPDATE,
            lsn,
            new SourcePosition(1, lsn, txId, 0, 1),
            null,
            new HeartbeatRow("w", 0)));
    txId++;
  }

  private List<String> results() {
    collect();
    return routed.stream()
        .map(
            change ->
                change.kind()
                    + " "
                    + RouteOperator.userOf(change)
                    + (change.before() == null ? "" : " with before"))
        .toList();
  }

  @Test
  void everyFormOfAChangedKeyIsRoutedAlike() throws Exception {
    List<List<String>> forms = new ArrayList<>();
    for (int form = 0; form < 3; form++) {
      routed.clear();
      open();
      EventRow before = event(1, 10, "a");
      EventRow after = event(1, 20, "b");
      switch (form) {
        case 0 -> send(ChangeKind.UPDATE, before, after);
        case 1 -> connectorsHalves(before, after);
        default -> {
          send(ChangeKind.DELETE, before, null);
          send(ChangeKind.INSERT, null, after);
        }
      }
      forms.add(results());
      harness.close();
    }

    assertThat(forms)
        .containsOnly(List.of("KEY_CHANGE a with before", "UPDATE b with before"))
        .hasSize(3);
  }

  @Test
  void factsFollowTheirRenamedUserUnderTheFirstId() throws Exception {
    open();
    send(ChangeKind.INSERT, null, user("a"));
    nextTransaction();
    connectorsHalves(user("a"), user("b"));
    send(ChangeKind.UPDATE, assignment(1, "a"), assignment(1, "b"));
    send(ChangeKind.UPDATE, event(1, 10, "a"), event(1, 10, "b"));
    restart();
    nextTransaction();
    send(ChangeKind.INSERT, null, event(2, 20, "b"));
    send(ChangeKind.INSERT, null, user("a"));

    assertThat(results())
        .startsWith(
            "INSERT a",
            "RENAME a with before",
            "RENAME a with before",
            "RENAME a with before",
            "INSERT a")
        .last()
        .isNotEqualTo("INSERT a");
    harness.close();
  }

  /** The snapshot may have read the facts under the new id already. */
  @Test
  void factsOfAUserRenamedDuringTheSnapshotAreMovedOneByOne() throws Exception {
    harness = RouteHarness.opened();
    connectorsHalves(user("a"), user("b"));
    send(ChangeKind.UPDATE, event(1, 10, "a"), event(1, 10, "b"));

    assertThat(results())
        .containsExactly(
            "KEY_CHANGE a with before",
            "INSERT b",
            "KEY_CHANGE a with before",
            "UPDATE b with before");
    harness.close();
  }

  @Test
  void factOfTwoUsersThatChangesItsUserAloneIsMoved() throws Exception {
    open();
    send(ChangeKind.UPDATE, event(1, 10, "a"), event(1, 10, "b"));
    send(ChangeKind.UPDATE, assignment(1, "a"), assignment(1, "b"));

    assertThat(results())
        .containsExactly(
            "KEY_CHANGE a with before",
            "UPDATE b with before",
            "KEY_CHANGE a with before",
            "UPDATE b with before");
    harness.close();
  }

  @Test
  void erasureOfARenamedUserErasesTheFormerIdsInUsers() throws Exception {
    open();
    send(ChangeKind.INSERT, null, user("a"));
    connectorsHalves(user("a"), user("b"));
    nextTransaction();
    send(ChangeKind.DELETE, user("b"), null);
    nextTransaction();

    assertThat(harness.getSideOutput(RouteOperator.USERS))
        .extracting(StreamRecord::getValue)
        .filteredOn(Either::isRight)
        .extracting(Either::right)
        .filteredOn(change -> change.kind() == ChangeKind.DELETE)
        .extracting(change -> ((UserRow) change.before()).userId())
        .containsExactlyInAnyOrder("a", "b");
    harness.close();
  }

  /** Rows by id; what route sends must leave the same rows, whoever they are of. */
  @Property(tries = 150)
  void routedChangesLeaveTheRowsOfTheSource(@ForAll long seed) throws Exception {
    routed.clear();
    open();
    Random random = new Random(seed);
    Map<Long, EventRow> source = new HashMap<>();
    int genuineDeletes = 0;
    for (int step = 0; step < 40; step++) {
      long id = random.nextInt(6);
      EventRow before = source.get(id);
      EventRow after = event(id, random.nextInt(4), "u" + random.nextInt(3));
      if (before == null) {
        send(ChangeKind.INSERT, null, after);
        source.put(id, after);
      } else {
        switch (random.nextInt(4)) {
          case 0 -> {
            send(ChangeKind.DELETE, before, null);
            source.remove(id);
            genuineDeletes++;
            nextTransaction();
          }
          case 1 -> {
            send(ChangeKind.UPDATE, before, after);
            source.put(id, after);
          }
          case 2 -> {
            connectorsHalves(before, after);
            source.put(id, after);
          }
          default -> {
            send(ChangeKind.DELETE, before, null);
            if (random.nextBoolean()) {
              restart();
            }
            send(ChangeKind.INSERT, null, after);
            source.put(id, after);
          }
        }
      }
      if (random.nextInt(4) == 0) {
        nextTransaction();
      }
    }
    nextTransaction();
    collect();

    assertThat(left()).containsExactlyInAnyOrderElementsOf(source.values());
    assertThat(routed.stream().filter(change -> change.kind() == ChangeKind.DELETE))
        .hasSize(genuineDeletes);
    harness.close();
  }

  /** The rows that the routed changes leave. */
  private Collection<EventRow> left() {
    Map<String, EventRow> left = new HashMap<>();
    for (Change change : routed) {
      if (change.kind() == ChangeKind.COMMIT) {
        continue;
      }
      EventRow row = (EventRow) (change.after() == null ? change.before() : change.after());
      String key = row.userId() + "/" + row.id().low() + "@" + row.occurredAt();
      if (change.after() == null) {
        assertThat(left.remove(key)).as(key).isNotNull();
      } else {
        left.put(key, row);
      }
    }
    return left.values();
  }
}
