package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.mapping.DeclaredExperiments;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HeartbeatRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.VariantRow;
import java.util.List;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ArrivalOperatorTest {
  private KeyedOneInputStreamOperatorTestHarness<
          String, Tuple2<String, Either<SchemaDrift, Change>>, Either<ProgressMarker, Change>>
      harness;

  @BeforeEach
  void open() throws Exception {
    harness = harness(null);
    harness.open();
  }

  private static KeyedOneInputStreamOperatorTestHarness<
          String, Tuple2<String, Either<SchemaDrift, Change>>, Either<ProgressMarker, Change>>
      harness(DeclaredExperiments declared) throws Exception {
    KeyedOneInputStreamOperatorTestHarness<
            String, Tuple2<String, Either<SchemaDrift, Change>>, Either<ProgressMarker, Change>>
        harness =
            new KeyedOneInputStreamOperatorTestHarness<>(
                new ArrivalOperator(new SourceMapping("public", List.of(), declared)),
                row -> row.f0,
                Types.STRING);
    harness.setup(PostgresChanges.TYPE.createSerializer(new SerializerConfigImpl()));
    return harness;
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  private void send(String key, long commitBefore, long lsn, long committedAt) throws Exception {
    send(key, commitBefore, lsn, committedAt, 1);
  }

  private void send(String key, long commitBefore, long lsn, long committedAt, long txId)
      throws Exception {
    harness.processElement(
        new StreamRecord<>(
            Tuple2.of(
                key,
                Either.Right(
                    new Change(
                        SourceTable.ETL_HEARTBEAT,
                        lsn == 0 ? ChangeKind.READ : ChangeKind.INSERT,
                        0,
                        new SourcePosition(commitBefore, lsn, txId, 0, committedAt),
                        null,
                        new HeartbeatRow(key, 0))))));
  }

  private List<Long> sequenceNumbers() {
    return harness.extractOutputValues().stream()
        .filter(Either::isRight)
        .map(change -> change.right().sequenceNumber())
        .toList();
  }

  private ProgressMarker marker() throws Exception {
    harness.getOneInputOperator().prepareSnapshotPreBarrier(1);
    List<Either<ProgressMarker, Change>> values = harness.extractOutputValues();
    return values.get(values.size() - 1).left();
  }

  @Test
  void repeatedRecordsAreDroppedAlsoAfterARestart() throws Exception {
    send("a", 0, 0, 1);
    send("a", 90, 100, 2);
    send("b", 90, 101, 2);
    send("a", 101, 110, 3);
    send("a", 90, 100, 2);
    send("b", 90, 101, 2);
    assertThat(sequenceNumbers()).containsExactly(1L, 100L, 101L, 110L);

    OperatorSubtaskState state = harness.snapshot(1, 1);
    harness.close();
    harness = harness(null);
    harness.initializeState(state);
    harness.open();
    send("a", 101, 110, 3);
    send("b", 110, 120, 4);
    assertThat(sequenceNumbers()).containsExactly(120L);
  }

  @Test
  void sequenceNumbersIncreaseEvenIfLsnsDoNot() throws Exception {
    send("a", 90, 200, 2);
    send("b", 150, 100, 3);
    assertThat(sequenceNumbers()).containsExactly(200L, 201L);
  }

  @Test
  void driftedColumnBecomesFindingAndTakesNoSequenceNumber() throws Exception {
    send("a", 90, 200, 2);
    harness.processElement(
        new StreamRecord<>(
            Tuple2.of("a", Either.Left(new SchemaDrift("users", "email", "Missing.", 3)))));
    send("a", 90, 201, 2);
    assertThat(sequenceNumbers()).containsExactly(200L, 201L);
    assertThat(harness.getSideOutput(SourceStreams.FINDINGS))
        .extracting(StreamRecord::getValue)
        .containsExactly(
            Either.Right(
                Finding.opened(FindingCode.S_SCHEMA_DRIFT, Subject.column("users", "email"))
                    .detail("Missing.")
                    .at(3, 0, 200 << 10)));
  }

  @Test
  void progressMarkerClaimsOnlyTransactionsBeforeTheLastOne() throws Exception {
    send("a", 0, 0, 1);
    assertThat(marker()).isEqualTo(new ProgressMarker(2, 0, 0, false, false));
    send("a", 90, 100, 2);
    assertThat(marker()).isEqualTo(new ProgressMarker(101, 90, 2, true, false));
  }

  private void sendTransaction(long txId, int rows) throws Exception {
    for (int i = 0; i < rows; i++) {
      send("t" + txId + "-" + i, txId * 1_000 - 8, txId * 1_000 + 8L * i, txId, txId);
    }
  }

  /** A sorted bulk INSERT would look like a sample ratio mismatch halfway. */
  @Test
  void barrierInsideOfALargeTransactionSaysSoUntilTheNextTransaction() throws Exception {
    sendTransaction(1, 40);
    assertThat(marker().inTransaction()).isTrue();
    assertThat(marker().inTransaction()).isTrue();
    sendTransaction(2, 1);
    assertThat(marker().inTransaction()).isFalse();
  }

  @Test
  void platformThatWritesInLargeTransactionsOnlyIsJudgedNowAndThen() throws Exception {
    int judged = 0;
    for (int txId = 1; txId <= 22; txId++) {
      sendTransaction(txId, 40);
      judged += marker().inTransaction() ? 0 : 1;
    }
    assertThat(judged).isEqualTo(2);
  }

  @Test
  void restoredServerIsRefused() throws Exception {
    send("a", 90, 100, 2);
    assertThatThrownBy(() -> send("a", 40, 50, 3))
        .isInstanceOf(SuppressRestartsException.class)
        .hasRootCauseInstanceOf(DiscontinuityException.class)
        .rootCause()
        .hasMessageContaining("C-LSN-REGRESSION");
  }

  @Test
  void declaredExperimentsComeBeforeTheFirstRecordAndWhatARedeployChanges() throws Exception {
    harness.close();
    harness = harness(DeclaredRowsTest.declared("checkout", 1, 1));
    harness.open();
    send("a", 90, 100, 2);
    assertThat(sequenceNumbers()).containsExactly(1L, 2L, 3L, 100L);
    OperatorSubtaskState state = harness.snapshot(1, 1);
    harness.close();
    harness = harness(DeclaredRowsTest.declared("checkout", 1, 3));
    harness.initializeState(state);
    harness.open();
    assertThat(marker().sequenceNumber()).isEqualTo(102);
    Change changed = harness.extractOutputValues().get(0).right();
    assertThat(changed.kind()).isEqualTo(ChangeKind.UPDATE);
    assertThat(changed.sequenceNumber()).isEqualTo(101);
    assertThat(((VariantRow) changed.after()).allocation()).isEqualTo(3);
    assertThat(changed.position().lsn()).isEqualTo(90);
  }
}
