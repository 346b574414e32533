package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.HeartbeatRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import java.util.List;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The operator in a harness. It reads a real slot when it opens. */
class ContinuityOperatorIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static OneInputStreamOperatorTestHarness<
          Either<ReaderNotice, Change>, Either<ProgressMarker, Change>>
      harness(PostgresSourceSettings settings) throws Exception {
    var harness =
        new OneInputStreamOperatorTestHarness<>(
            new ContinuityOperator(settings, null),
            ReaderNotice.OR_CHANGE.createSerializer(new SerializerConfigImpl()));
    harness.setup(PostgresChanges.TYPE.createSerializer(new SerializerConfigImpl()));
    return harness;
  }

  private static Either<ReaderNotice, Change> beat(
      ChangeKind kind, long previousCommit, long lsn, long txId) {
    return Either.Right(
        new Change(
            SourceTable.ETL_HEARTBEAT,
            kind,
            0,
            kind == ChangeKind.READ
                ? new SourcePosition(0, 0, 0, 0, 9)
                : new SourcePosition(previousCommit, lsn, txId, 0, lsn * 10),
            null,
            new HeartbeatRow("source", lsn)));
  }

  @Test
  void markerPrecedesTheBarrierAndRestartDropsRepeatedRows() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "harness");
    long base = database.number("SELECT (pg_current_wal_lsn() - '0/0')::bigint");
    database.execute("SELECT pg_logical_emit_message(true, 'wal', repeat('x', 100000))");
    OperatorSubtaskState state;
    OperatorSubtaskState behindSnapshot;
    try (var harness = harness(database.settings())) {
      harness.open();
      harness.processElement(beat(ChangeKind.READ, 0, 0, 0), 0);
      harness.processElement(Either.Left(ReaderNotice.of(new ReaderProgress(true, 0, base))), 0);
      harness.processElement(beat(ChangeKind.INSERT, 0, base + 104, 7), 0);
      harness.processElement(beat(ChangeKind.INSERT, base + 200, base + 160, 8), 0);
      harness.prepareSnapshotPreBarrier(1);
      state = harness.snapshot(1, 0);
      assertThat(sequenceNumbers(harness.extractOutputValues()))
          .containsExactly(1L, base + 104, base + 160);
      assertThat(last(harness.extractOutputValues()).left())
          .isEqualTo(
              new ProgressMarker(base + 161, base + 200, (base + 160) * 10, false, false, true));
      long snapshotEnd = database.number("SELECT (pg_current_wal_lsn() - '0/0')::bigint");
      harness.processElement(
          Either.Left(ReaderNotice.of(new ReaderProgress(false, snapshotEnd, snapshotEnd))), 0);
      harness.prepareSnapshotPreBarrier(2);
      assertThat(last(harness.extractOutputValues()).left())
          .isEqualTo(new ProgressMarker(base + 162, snapshotEnd, (base + 160) * 10, true, false));
      harness.notifyOfCompletedCheckpoint(1);
      assertThat(replayStable(harness, 3)).as("after a checkpoint of the snapshot").isFalse();
      harness.notifyOfCompletedCheckpoint(3);
      assertThat(replayStable(harness, 4)).isTrue();
      behindSnapshot = harness.snapshot(4, 0);
    }
    try (var harness = harness(database.settings())) {
      harness.initializeState(behindSnapshot);
      harness.open();
      assertThat(replayStable(harness, 5)).isTrue();
    }
    try (var harness = harness(database.settings())) {
      harness.initializeState(state);
      harness.open();
      harness.processElement(beat(ChangeKind.INSERT, base + 200, base + 160, 8), 0);
      assertThat(harness.extractOutputValues()).isEmpty();
      harness.processElement(beat(ChangeKind.INSERT, base + 300, base + 256, 9), 0);
      assertThat(sequenceNumbers(harness.extractOutputValues())).containsExactly(base + 256);
    }
    database.execute(
        "SELECT pg_replication_slot_advance('" + database.slot() + "', pg_current_wal_lsn())");
    try (var harness = harness(database.settings())) {
      harness.initializeState(state);
      assertThatThrownBy(harness::open)
          .isInstanceOf(SuppressRestartsException.class)
          .hasRootCauseInstanceOf(DiscontinuityException.class)
          .rootCause()
          .hasMessageContaining("advanced by another process");
    }
  }

  private static boolean replayStable(
      OneInputStreamOperatorTestHarness<
              Either<ReaderNotice, Change>, Either<ProgressMarker, Change>>
          harness,
      long checkpoint)
      throws Exception {
    harness.prepareSnapshotPreBarrier(checkpoint);
    return last(harness.extractOutputValues()).left().replayStable();
  }

  private static Either<ProgressMarker, Change> last(List<Either<ProgressMarker, Change>> values) {
    return values.get(values.size() - 1);
  }

  private static List<Long> sequenceNumbers(List<Either<ProgressMarker, Change>> values) {
    return values.stream()
        .filter(Either::isRight)
        .map(value -> value.right().sequenceNumber())
        .toList();
  }
}
