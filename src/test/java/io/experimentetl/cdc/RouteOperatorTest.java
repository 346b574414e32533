package io.experimentetl.cdc;

import static io.experimentetl.model.ChangeKind.DELETE;
import static io.experimentetl.model.ChangeKind.INSERT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.TestEvent;
import io.experimentetl.model.TransactionEnd;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import io.experimentetl.warehouse.WarehouseRange;
import java.util.List;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class RouteOperatorTest {
  private static final long NOT_SENT = Long.MAX_VALUE;

  private RouteHarness harness;

  @BeforeEach
  void open() throws Exception {
    harness = RouteHarness.opened();
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  @Test
  void experimentOfUnknownStatusIsFlaggedAndPassedOn() throws Exception {
    harness.processElement(new StreamRecord<>(Either.Right(experiment("HELD_BACK"))));

    assertThat(harness.findings())
        .singleElement()
        .satisfies(
            finding -> {
              assertThat(finding.code()).isEqualTo(FindingCode.S_UNKNOWN_ENUM);
              assertThat(finding.subject()).isEqualTo(Subject.experiment(7));
              assertThat(finding.experimentId()).isEqualTo(7);
              assertThat(finding.detail()).endsWith("does not know the value 'HELD_BACK'");
            });
    assertThat(harness.sent(RouteOperator.EXPERIMENTS)).hasSize(1);
    assertThat(harness.sent(RouteOperator.DIMENSIONS)).hasSize(1);
  }

  @Test
  void correctedStatusResolvesTheFinding() throws Exception {
    Change wrong = experiment("HELD_BACK");
    harness.processElement(new StreamRecord<>(Either.Right(wrong)));
    harness.processElement(
        new StreamRecord<>(
            Either.Right(
                wrong.as(ChangeKind.UPDATE, wrong.after(), experiment("PAUSED").after()))));

    assertThat(harness.findings())
        .extracting(finding -> finding.code(), finding -> finding.open())
        .endsWith(tuple(FindingCode.S_UNKNOWN_ENUM, false));
  }

  @Test
  void experimentOfKnownStatusIsNotFlagged() throws Exception {
    harness.processElement(new StreamRecord<>(Either.Right(experiment("ARCHIVED"))));

    assertThat(harness.findings()).isEmpty();
    assertThat(harness.sent(RouteOperator.EXPERIMENTS)).hasSize(1);
  }

  private static Change experiment(String status) {
    return new Change(
        SourceTable.EXPERIMENTS,
        ChangeKind.INSERT,
        100,
        new SourcePosition(0, 100, 1, 0, 1_000_000),
        null,
        new ExperimentRow(7, "key", "name", null, status, null, 1, null, null, null, 0, 0));
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

  @Test
  void erasureByARowIsSentAtOnceAndAwaitsItsTransactionsEnd() throws Exception {
    Change deleted = user(100, 0, ChangeKind.DELETE);
    Change erased = deleted.as(ChangeKind.ERASE, deleted.before(), null);
    harness.processElement(new StreamRecord<>(Either.Right(erased)));
    harness.processElement(new StreamRecord<>(Either.Right(user(200, 0, INSERT))));

    assertThat(harness.sent(RouteOperator.USERS))
        .extracting(Change::kind)
        .containsExactly(ChangeKind.ERASE, INSERT);
    assertThat(harness.extractOutputValues())
        .extracting(Change::kind)
        .containsExactly(ChangeKind.ERASE, ChangeKind.COMMIT, INSERT);
  }

  private static Change unreadableUser(long lsn) {
    return new Change(
        SourceTable.USERS,
        INSERT,
        lsn,
        new SourcePosition(lsn - 10, lsn, lsn, 0, lsn * 1_000_000),
        null,
        new UnreadableRow(
            SourceTable.USERS,
            Subject.user("u1"),
            null,
            FindingCode.S_UNPARSEABLE,
            "created_at",
            "The column created_at is not a timestamp."));
  }

  private static Change update(SourceTable table, SourceRow before, SourceRow after) {
    return new Change(
        table, ChangeKind.UPDATE, 100, new SourcePosition(0, 100, 1, 0, 1_000_000), before, after);
  }

  @Test
  void eventWhoseTimeClickHouseCannotHoldIsADeadLetter() throws Exception {
    EventRow event =
        TestEvent.of(EventId.of("e"), WarehouseRange.LAST + 1, 1, "u1", "exposure").row();
    harness.processElement(
        new StreamRecord<>(Either.Right(update(SourceTable.EVENTS, null, event))));

    assertThat(harness.extractOutputValues()).isEmpty();
    assertThat(harness.findings())
        .singleElement()
        .satisfies(
            finding -> {
              assertThat(finding.deadLetterSince()).isNotNull();
              assertThat(finding.detail())
                  .isEqualTo("column timestamp: the time is outside of 1900 to 2299");
            });
  }

  @Test
  void timeAtAnEndOfTheRangeIsFlaggedUntilItIsCorrected() throws Exception {
    UserRow old = new UserRow("u1", null, null, null, true, WarehouseRange.FIRST, 0);
    UserRow corrected = new UserRow("u1", null, null, null, true, 5, 0);

    harness.processElement(new StreamRecord<>(Either.Right(update(SourceTable.USERS, null, old))));
    harness.processElement(
        new StreamRecord<>(Either.Right(update(SourceTable.USERS, old, corrected))));

    assertThat(harness.findings())
        .extracting(Finding::code, Finding::subject, Finding::open)
        .containsExactly(
            tuple(FindingCode.T_OUT_OF_RANGE, Subject.user("u1"), true),
            tuple(FindingCode.T_OUT_OF_RANGE, Subject.user("u1"), false));
    assertThat(harness.findings().get(0).detail())
        .contains("created_at")
        .doesNotContain("updated_at");
    assertThat(harness.sent(RouteOperator.USERS)).hasSize(2);
  }

  @Test
  void zoneThatCannotBeReadIsFlaggedUntilItIsCorrected() throws Exception {
    for (String bad :
        List.of("{\"zone\": \"Europe/Berlyn\"}", "{\"zone\": 7}", "{\"zone\": [\"UTC\"]}")) {
      harness.processElement(
          new StreamRecord<>(Either.Right(update(SourceTable.EXPERIMENTS, null, inZone(bad)))));
      for (String good :
          List.of("{\"zone\": \"Europe/Berlin\"}", "{\"zone\": null}", "[\"zone\"]")) {
        harness.processElement(
            new StreamRecord<>(
                Either.Right(update(SourceTable.EXPERIMENTS, inZone(bad), inZone(good)))));
      }
    }

    assertThat(harness.findings())
        .hasSize(12)
        .allMatch(finding -> finding.code() == FindingCode.S_BAD_CONFIG)
        .allMatch(finding -> finding.subject().equals(Subject.experiment(7)))
        .extracting(Finding::open)
        .startsWith(true, false, false, false, true);
  }

  private static ExperimentRow inZone(String config) {
    return new ExperimentRow(7, "key", "name", null, "ACTIVE", null, 1, config, null, null, 0, 0);
  }

  @Test
  void undeliverableRowIsAFindingUntilDeliveredAlsoAfterARestart() throws Exception {
    harness.processElement(new StreamRecord<>(Either.Right(unreadableUser(100))));
    harness.processElement(new StreamRecord<>(Either.Right(unreadableUser(200))));
    assertThat(harness.findings())
        .hasSize(2)
        .allSatisfy(
            finding -> {
              assertThat(finding.subject()).isEqualTo(Subject.user("u1"));
              assertThat(finding.open()).isTrue();
              assertThat(finding.userId()).isEqualTo("u1");
              assertThat(finding.deadLetterSince()).isEqualTo(100_000_000);
              assertThat(finding.detail())
                  .isEqualTo("column created_at: The column created_at is not a timestamp.");
            });
    assertThat(harness.sent(RouteOperator.USERS)).isEmpty();
    harness = harness.restarted();

    harness.processElement(new StreamRecord<>(Either.Right(user(300, 0, INSERT))));
    harness.processElement(new StreamRecord<>(Either.Right(user(400, 0, INSERT))));

    assertThat(harness.findings())
        .singleElement()
        .satisfies(
            finding -> {
              assertThat(finding.code()).isEqualTo(FindingCode.S_UNPARSEABLE);
              assertThat(finding.subject()).isEqualTo(Subject.user("u1"));
              assertThat(finding.open()).isFalse();
              assertThat(finding.version()).isGreaterThan(200L << 10).isLessThan(300L << 10);
            });
    assertThat(harness.sent(RouteOperator.USERS)).hasSize(2);
  }

  @Test
  void undeliverableRowCanBeDeleted() throws Exception {
    harness.processElement(new StreamRecord<>(Either.Right(unreadableUser(100))));
    harness.processElement(new StreamRecord<>(Either.Right(user(200, NOT_SENT, DELETE))));
    // A delete is held until the next change, which may be its other half.
    harness.processElement(new StreamRecord<>(Either.Right(experiment("ACTIVE"))));

    assertThat(harness.findings())
        .last()
        .satisfies(finding -> assertThat(finding.open()).isFalse());
    assertThat(harness.sent(RouteOperator.USERS))
        .singleElement()
        .satisfies(
            change -> assertThat(((UserRow) change.before()).createdAt()).isEqualTo(200_000_000));
  }

  private static Either<ProgressMarker, Change> change(
      String userId, ChangeKind kind, long lsn, long txId, long previousCommit) {
    UserRow row = new UserRow(userId, null, null, null, true, 0, 0);
    boolean gone = kind == ChangeKind.DELETE;
    return Either.Right(
        new Change(
            SourceTable.USERS,
            kind,
            lsn,
            new SourcePosition(previousCommit, lsn, txId, 0, lsn),
            gone ? row : null,
            gone ? null : row));
  }

  private static Either<ProgressMarker, Change> commit(long lsn, long txId) {
    return Either.Right(
        new Change(
            null, ChangeKind.COMMIT, lsn, new SourcePosition(0, lsn, txId, 0, lsn), null, null));
  }

  /** The users' changes as {@code KIND user}; an end for all users has a {@code *} behind it. */
  private List<String> sentByUser() {
    return harness.extractOutputValues().stream()
        .map(
            change ->
                change.kind()
                    + " "
                    + RouteOperator.userOf(change)
                    + (change.after() instanceof TransactionEnd end && end.ofAllUsers() ? "*" : ""))
        .toList();
  }

  @Test
  void transactionEndsForTheUsersWhoseRowsItDeleted() throws Exception {
    harness.processElement(change("a", DELETE, 100, 7, 50), 0);
    harness.processElement(change("b", INSERT, 110, 7, 50), 0);
    harness.processElement(change("a", INSERT, 120, 7, 50), 0);
    harness.processElement(change("c", DELETE, 130, 7, 50), 0);
    OperatorSubtaskState state = harness.snapshot(1, 0);
    harness.processElement(commit(140, 7), 0);
    harness.processElement(change("b", INSERT, 150, 8, 140), 0);
    harness.processElement(commit(160, 8), 0);

    assertThat(sentByUser())
        .containsExactly(
            "DELETE a", "INSERT b", "INSERT a", "DELETE c", "COMMIT a", "COMMIT c", "INSERT b");

    harness = harness.restartedFrom(state);
    harness.processElement(commit(140, 7), 0);
    assertThat(sentByUser()).containsExactly("DELETE c", "COMMIT a", "COMMIT c");
    assertThat(harness.extractOutputValues().get(1).position())
        .isEqualTo(new SourcePosition(50, 140, 7, 0, 130));
  }

  @Test
  void transactionWithoutACommitEndsWithTheNextOneAlsoOfTheSameId() throws Exception {
    harness.processElement(change("a", DELETE, 100, 7, 50), 0);
    harness.processElement(change("a", INSERT, 110, 7, 0), 0);
    harness.processElement(change("b", DELETE, 200, 7, 140), 0);
    harness.processElement(change("c", INSERT, 300, 9, 0), 0);

    assertThat(sentByUser())
        .containsExactly("DELETE a", "INSERT a", "COMMIT a", "DELETE b", "COMMIT b", "INSERT c");
  }

  @Test
  void endOfATransactionWithManyUsersReachesEveryKeyGroup() throws Exception {
    for (int i = 0; i <= OpenTransaction.MAX_USERS; i++) {
      harness.processElement(change("u" + i, DELETE, 100 + i, 7, 50), 0);
    }
    harness.processElement(commit(400, 7), 0);
    harness.processElement(change("a", DELETE, 500, 8, 400), 0);
    harness.processElement(commit(600, 8), 0);

    List<String> sent = sentByUser().subList(OpenTransaction.MAX_USERS + 1, sentByUser().size());
    assertThat(sent.subList(0, 128)).allMatch(text -> text.startsWith("COMMIT key-group-"));
    assertThat(
            harness.extractOutputValues().stream()
                .filter(change -> change.after() instanceof TransactionEnd end && end.ofAllUsers())
                .map(
                    change ->
                        KeyGroupRangeAssignment.assignToKeyGroup(
                            RouteOperator.userOf(change), 128)))
        .hasSize(128)
        .doesNotHaveDuplicates();
    assertThat(sent.subList(128, sent.size())).containsExactly("DELETE a", "COMMIT a");
  }

  @Test
  void oldestOfTooManyDeadLettersAreForgottenAndCounted() {
    DeadLetterLedger deadLetters = new DeadLetterLedger(List.of());
    for (int i = 0; i <= DeadLetterLedger.MAX_ROWS; i++) {
      deadLetters.add(Subject.user("u" + i), FindingCode.S_UNPARSEABLE, 1);
    }

    assertThat(deadLetters.size()).isEqualTo(DeadLetterLedger.MAX_ROWS);
    assertThat(deadLetters.forgotten()).isOne();
    assertThat(deadLetters.of(Subject.user("u0"))).isNull();
  }
}
