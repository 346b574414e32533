package io.experimentetl.cdc;

import static io.experimentetl.model.ChangeKind.DELETE;
import static io.experimentetl.model.ChangeKind.INSERT;
import static io.experimentetl.model.ChangeKind.READ;
import static io.experimentetl.model.ChangeKind.RETENTION_DELETE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.UsersTruncate;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HeartbeatRow;
import io.experimentetl.model.OutboxRow;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.TestEvent;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;
import java.util.List;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Retention transactions and truncates on their way through {@code route}. */
class TruncateRoutingTest {
  private RouteHarness harness;

  @BeforeEach
  void open() throws Exception {
    harness = RouteHarness.opened();
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  private static Change user(long lsn, long createdAt, ChangeKind kind) {
    UserRow row = new UserRow("u1", null, null, null, true, createdAt, 0);
    boolean gone = kind == ChangeKind.DELETE;
    return new Change(
        SourceTable.USERS,
        kind,
        lsn,
        new SourcePosition(lsn - 10, lsn, lsn, 0, lsn * 1_000_000),
        gone ? row : null,
        gone ? null : row);
  }

  private static Either<ProgressMarker, Change> commit(long lsn, long txId) {
    return Either.Right(
        new Change(
            null, ChangeKind.COMMIT, lsn, new SourcePosition(0, lsn, txId, 0, lsn), null, null));
  }

  private static Change of(
      SourceTable table, ChangeKind kind, long txId, long lsn, SourceRow before, SourceRow after) {
    return new Change(table, kind, lsn, new SourcePosition(0, lsn, txId, 0, lsn), before, after);
  }

  private static Change marker(long txId, long lsn) {
    return of(
        SourceTable.ETL_HEARTBEAT, INSERT, txId, lsn, null, new HeartbeatRow("retention:9", 0));
  }

  private static Change delete(SourceTable table, long txId, long lsn) {
    SourceRow row =
        switch (table) {
          case USERS -> new UserRow("u1", null, null, null, true, 0, 0);
          case EVENTS -> TestEvent.of(new EventId(0, 1, null), 0, 7, "u1", "click").row();
          case ASSIGNMENTS -> new AssignmentRow(1, 7, "u1", 71, 1, "hash", null, 0, null, 0, 0);
          case EXPERIMENTS ->
              new ExperimentRow(7, "key", "name", null, "ACTIVE", null, 1, null, null, null, 0, 0);
          case VARIANTS -> new VariantRow(71, 7, "key", "name", null, 50, true, null, 0, 0);
          case OUTBOX_EVENTS -> new OutboxRow(1, "a", "t", "EVENT_CREATED", "{}", 0, null);
          case REPLICATED -> new ReplicatedRow("t:1", "t", "2:id", "1:1");
          case ETL_HEARTBEAT -> new HeartbeatRow("retention:9", 0);
        };
    return of(table, DELETE, txId, lsn, row, null);
  }

  private void process(Change... changes) throws Exception {
    for (Change change : changes) {
      harness.processElement(new StreamRecord<>(Either.Right(change)));
    }
  }

  private List<ChangeKind> kindsByUser() {
    return harness.extractOutputValues().stream()
        .map(Change::kind)
        .filter(kind -> kind != ChangeKind.COMMIT)
        .toList();
  }

  @Test
  void deletesBehindTheMarkerInItsTransactionAreRetention() throws Exception {
    process(
        delete(SourceTable.EVENTS, 5, 80),
        marker(6, 100),
        delete(SourceTable.ETL_HEARTBEAT, 6, 108),
        delete(SourceTable.EVENTS, 6, 116),
        delete(SourceTable.VARIANTS, 6, 124),
        delete(SourceTable.EXPERIMENTS, 6, 132),
        delete(SourceTable.OUTBOX_EVENTS, 6, 140));
    OperatorSubtaskState state = harness.snapshot(1, 0);
    assertThat(kindsByUser()).containsExactly(DELETE, RETENTION_DELETE);
    assertThat(harness.getSideOutput(RouteOperator.OUTBOX)).hasSize(1);
    harness = harness.restartedFrom(state);

    process(
        delete(SourceTable.ASSIGNMENTS, 6, 148),
        delete(SourceTable.USERS, 6, 156),
        delete(SourceTable.EVENTS, 7, 180),
        delete(SourceTable.EXPERIMENTS, 7, 188));

    assertThat(kindsByUser())
        .as("a user is erased in any transaction; the next transaction has no marker")
        .containsExactly(RETENTION_DELETE, DELETE, DELETE);
    assertThat(harness.sent(RouteOperator.DIMENSIONS)).hasSize(1);
  }

  @Test
  void deleteBeforeTheMarkerAndRowsOfTheSnapshotDoNotMakeRetention() throws Exception {
    process(
        delete(SourceTable.EVENTS, 6, 80),
        marker(6, 100),
        of(SourceTable.USERS, READ, 0, 0, null, new UserRow("u2", null, null, null, true, 0, 0)),
        delete(SourceTable.EVENTS, 6, 116),
        delete(SourceTable.OUTBOX_EVENTS, 6, 124));

    assertThat(kindsByUser()).containsExactly(DELETE, READ, RETENTION_DELETE);
    harness.close();
    harness = RouteHarness.opened();
    process(
        of(SourceTable.ETL_HEARTBEAT, READ, 0, 0, null, new HeartbeatRow("retention:9", 0)),
        of(SourceTable.ETL_HEARTBEAT, INSERT, 8, 200, null, new HeartbeatRow("verify-1", 0)),
        delete(SourceTable.EVENTS, 8, 208),
        delete(SourceTable.OUTBOX_EVENTS, 8, 216));
    assertThat(kindsByUser()).containsExactly(DELETE);
  }

  private static Change truncate(SourceTable table, long txId, long lsn) {
    return of(table, ChangeKind.TRUNCATE, txId, lsn, null, null);
  }

  private static Change variant(long id, long txId, long lsn) {
    VariantRow row = new VariantRow(id, 7, "key" + id, "name", null, 50, true, null, 0, 0);
    return of(SourceTable.VARIANTS, INSERT, txId, lsn, null, row);
  }

  private static List<ChangeKind> kinds(List<Change> changes) {
    return changes.stream().map(Change::kind).toList();
  }

  @Test
  void truncateOfFactsAndItsCommitReachEveryKeyGroupInOrder() throws Exception {
    process(
        user(100, 0, INSERT),
        truncate(SourceTable.EVENTS, 6, 116),
        truncate(SourceTable.ASSIGNMENTS, 6, 116),
        user(124, 0, INSERT));
    harness.processElement(commit(140, 6), 0);

    List<Change> sent = harness.extractOutputValues();
    assertThat(kinds(sent).subList(0, 129))
        .startsWith(INSERT, ChangeKind.TRUNCATE)
        .endsWith(ChangeKind.TRUNCATE);
    assertThat(sent)
        .filteredOn(change -> change.kind() == ChangeKind.TRUNCATE)
        .hasSize(256)
        .filteredOn(change -> change.table() == SourceTable.EVENTS)
        .extracting(RouteOperator::userOf)
        .extracting(key -> KeyGroupRangeAssignment.assignToKeyGroup(key, 128))
        .hasSize(128)
        .doesNotHaveDuplicates();
    assertThat(kinds(sent)).filteredOn(kind -> kind == ChangeKind.COMMIT).hasSize(128);
    assertThat(harness.findings())
        .extracting(finding -> finding.code() + " " + finding.subject().key())
        .containsExactly("C_TRUNCATE events", "C_TRUNCATE assignments");
  }

  @Test
  void truncateBehindTheMarkerIsRetention() throws Exception {
    process(variant(71, 5, 80), marker(6, 100));
    process(truncate(SourceTable.EVENTS, 6, 116), truncate(SourceTable.VARIANTS, 6, 116));
    harness.processElement(commit(140, 6), 0);

    assertThat(kinds(harness.extractOutputValues()))
        .contains(ChangeKind.RETENTION_TRUNCATE)
        .doesNotContain(ChangeKind.TRUNCATE);
    assertThat(kinds(harness.sent(RouteOperator.VARIANTS)))
        .containsExactly(INSERT, RETENTION_DELETE);
    assertThat(harness.sent(RouteOperator.DIMENSIONS)).hasSize(1);
    assertThat(harness.findings())
        .extracting(Finding::code)
        .containsOnly(FindingCode.C_DELETE_RETENTION);
  }

  /** Retention has deleted variant 71 before, and variant 73 is written again. */
  @Test
  void truncateOfADimensionDeletesEachRowThatWasThereAlsoAfterARestart() throws Exception {
    process(variant(71, 5, 80), variant(72, 5, 88), variant(73, 5, 96));
    process(marker(6, 104), delete(SourceTable.VARIANTS, 6, 112));
    process(truncate(SourceTable.VARIANTS, 7, 200));
    harness = harness.restarted();
    process(variant(73, 7, 208), variant(74, 7, 216));
    harness.processElement(commit(240, 7), 0);

    List<Change> sent = harness.sent(RouteOperator.VARIANTS);
    assertThat(kinds(sent)).containsExactly(INSERT, INSERT, DELETE);
    assertThat(((VariantRow) sent.get(2).before()).id()).isEqualTo(72);
    assertThat(sent.get(2).sequenceNumber()).as("below what is behind it").isEqualTo(200);
    assertThat(harness.sent(RouteOperator.DIMENSIONS)).hasSize(3);
    assertThat(harness.findings())
        .singleElement()
        .extracting(Finding::code)
        .isEqualTo(FindingCode.C_TRUNCATE);

    process(variant(75, 8, 300));
    harness.processElement(commit(340, 8), 0);
    assertThat(kinds(harness.sent(RouteOperator.VARIANTS))).as("once").hasSize(4);
  }

  @Test
  void truncateResolvesTheDeadLettersOfItsTable() throws Exception {
    SourceRow unreadable =
        new UnreadableRow(
            SourceTable.ASSIGNMENTS,
            Subject.assignment(8),
            null,
            FindingCode.S_UNPARSEABLE,
            "version",
            "it is no number");
    process(
        of(SourceTable.ASSIGNMENTS, INSERT, 5, 100, null, unreadable),
        truncate(SourceTable.ASSIGNMENTS, 6, 200));
    assertThat(harness.findings())
        .last()
        .satisfies(finding -> assertThat(finding.open()).isFalse());
  }

  @Test
  void truncateOfUsersIsRefusedWithItsRemedyUnlessConfigured() throws Exception {
    process(truncate(SourceTable.OUTBOX_EVENTS, 6, 100));
    assertThatThrownBy(() -> process(truncate(SourceTable.USERS, 6, 200)))
        .isInstanceOf(SuppressRestartsException.class)
        .rootCause()
        .hasMessageContaining("transaction 6 at LSN 0/C8")
        .hasMessageContaining("source.users-truncate: erase")
        .hasMessageContaining("resync");
    assertThat(harness.extractOutputValues()).as("nothing of it is applied").isEmpty();
    harness.close();
    harness = RouteHarness.opened(UsersTruncate.ERASE);
    process(truncate(SourceTable.USERS, 6, 200));
    assertThat(kinds(harness.extractOutputValues())).hasSize(128);
  }
}
