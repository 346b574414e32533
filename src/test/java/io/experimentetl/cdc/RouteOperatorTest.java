package io.experimentetl.cdc;

import static io.experimentetl.model.ChangeKind.DELETE;
import static io.experimentetl.model.ChangeKind.INSERT;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UserRow;
import java.util.List;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class RouteOperatorTest {
  private static final long INFINITY = Long.MAX_VALUE;

  private OneInputStreamOperatorTestHarness<Either<ProgressMarker, Change>, Change> harness;

  @BeforeEach
  void open() throws Exception {
    harness = newHarness();
    harness.open();
  }

  private static OneInputStreamOperatorTestHarness<Either<ProgressMarker, Change>, Change>
      newHarness() throws Exception {
    OneInputStreamOperatorTestHarness<Either<ProgressMarker, Change>, Change> harness =
        new OneInputStreamOperatorTestHarness<>(new RouteOperator());
    harness.setup(ChangeTypeInfo.INSTANCE.createSerializer(new SerializerConfigImpl()));
    return harness;
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  @Test
  void experimentOfUnknownStatusIsFlaggedAndPassedOn() throws Exception {
    harness.processElement(new StreamRecord<>(Either.Right(experiment("HELD_BACK"))));

    assertThat(findings())
        .singleElement()
        .satisfies(
            finding -> {
              assertThat(finding.code()).isEqualTo(FindingCode.S_UNKNOWN_ENUM);
              assertThat(finding.subject()).isEqualTo(Subject.experiment(7));
              assertThat(finding.experimentId()).isEqualTo(7);
              assertThat(finding.detail()).contains("status").doesNotContain("HELD_BACK");
            });
    assertThat(sideOutput(RouteOperator.EXPERIMENTS)).hasSize(1);
    assertThat(sideOutput(RouteOperator.DIMENSIONS)).hasSize(1);
  }

  @Test
  void experimentOfKnownStatusIsNotFlagged() throws Exception {
    harness.processElement(new StreamRecord<>(Either.Right(experiment("ARCHIVED"))));

    assertThat(findings()).isEmpty();
    assertThat(sideOutput(RouteOperator.EXPERIMENTS)).hasSize(1);
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
  void undeliverableRowIsAFindingUntilDeliveredAlsoAfterARestart() throws Exception {
    harness.processElement(new StreamRecord<>(Either.Right(user(100, INFINITY, INSERT))));
    harness.processElement(new StreamRecord<>(Either.Right(user(200, INFINITY, INSERT))));
    assertThat(findings())
        .hasSize(2)
        .allSatisfy(
            finding -> {
              assertThat(finding.subject()).isEqualTo(Subject.user("u1"));
              assertThat(finding.open()).isTrue();
              assertThat(finding.userId()).isEqualTo("u1");
              assertThat(finding.deadLetterSince()).isEqualTo(100_000_000);
              assertThat(finding.detail())
                  .isEqualTo("column created_at: the time is outside of 1900 to 2299");
            });
    assertThat(sideOutput(RouteOperator.USERS)).isEmpty();
    OperatorSubtaskState state = harness.snapshot(1, 0);
    harness.close();
    harness = newHarness();
    harness.initializeState(state);
    harness.open();

    harness.processElement(new StreamRecord<>(Either.Right(user(300, 0, INSERT))));
    harness.processElement(new StreamRecord<>(Either.Right(user(400, 0, INSERT))));

    assertThat(findings())
        .singleElement()
        .satisfies(
            finding -> {
              assertThat(finding.code()).isEqualTo(FindingCode.S_UNPARSEABLE);
              assertThat(finding.subject()).isEqualTo(Subject.user("u1"));
              assertThat(finding.open()).isFalse();
              assertThat(finding.version()).isGreaterThan(200L << 10).isLessThan(300L << 10);
            });
    assertThat(sideOutput(RouteOperator.USERS)).hasSize(2);
  }

  @Test
  void undeliverableRowCanBeDeleted() throws Exception {
    harness.processElement(new StreamRecord<>(Either.Right(user(100, INFINITY, INSERT))));
    harness.processElement(new StreamRecord<>(Either.Right(user(200, INFINITY, DELETE))));

    assertThat(findings()).last().satisfies(finding -> assertThat(finding.open()).isFalse());
    assertThat(sideOutput(RouteOperator.USERS))
        .singleElement()
        .satisfies(
            change -> assertThat(((UserRow) change.before()).createdAt()).isEqualTo(200_000_000));
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

  private List<Finding> findings() {
    return sideOutput(RouteOperator.FINDINGS);
  }

  private <T> List<T> sideOutput(OutputTag<Either<ProgressMarker, T>> tag) {
    var records = harness.getSideOutput(tag);
    return records == null
        ? List.of()
        : records.stream().map(record -> record.getValue().right()).toList();
  }
}
