package io.experimentetl.cdc;

import io.experimentetl.clickhouse.MetricScope;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Lsn;
import io.experimentetl.quality.FindingReporter;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.StateTtlConfig;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;

/**
 * {@code arrival}: the continuity step of the Kafka source, keyed by table and primary key. It
 * drops changes that were sent before (Debezium sends at least once), assigns every change its
 * sequence number, and sends a {@link ProgressMarker} before each barrier. The LSNs of one row's
 * changes increase, because a change locks the row: a change with a lower or equal LSN is a
 * repetition.
 */
final class ArrivalOperator extends AbstractStreamOperator<Either<ProgressMarker, Change>>
    implements OneInputStreamOperator<
        Tuple2<String, Either<SchemaDrift, Change>>, Either<ProgressMarker, Change>> {
  private static final long serialVersionUID = 1L;

  /**
   * How long a row is remembered after its last change. Debezium repeats changes that are minutes
   * old.
   */
  private static final Duration REMEMBERED = Duration.ofDays(7);

  /** Users of so few rows do not make a judgement that the whole transaction would not. */
  private static final int FEW_ROWS = 10;

  /** A platform that writes in large transactions only is judged at every such barrier. */
  private static final int MAX_UNJUDGED_MARKERS = 10;

  private final SourceMapping mapping;

  private transient ListState<ArrivalState> arrivalState;
  private transient ListState<DeclaredRows.State> declaredState;
  private transient DeclaredRows declared;
  private transient ValueState<SeenChange> seenState;
  private transient FindingReporter findings;
  private transient Counter resentRows;
  private transient Counter lateRows;
  private transient long sequenceNumber;
  private transient long completeLsn;
  private transient long committedAt;
  private transient boolean snapshotDone;

  /** The last row's transaction, and how many of its rows have come; 0: it has ended. */
  private transient long txId;

  private transient long rowsOfTransaction;

  /** The transaction at the last marker, and how many markers in a row were inside of another. */
  private transient long txIdAtMarker;

  private transient int unjudgedMarkers;

  ArrivalOperator(SourceMapping mapping) {
    this.mapping = mapping;
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    arrivalState =
        context
            .getOperatorStateStore()
            .getListState(
                new ListStateDescriptor<>("arrival", TypeInformation.of(ArrivalState.class)));
    Iterator<ArrivalState> restored = arrivalState.get().iterator();
    ArrivalState state = restored.hasNext() ? restored.next() : ArrivalState.START;
    declaredState = context.getOperatorStateStore().getListState(DeclaredRows.descriptor());
    declared = DeclaredRows.of(mapping.declared(), declaredState.get(), context.isRestored());
    sequenceNumber = state.sequenceNumber();
    completeLsn = state.completeLsn();
    committedAt = state.committedAt();
    snapshotDone = state.snapshotDone();
  }

  @Override
  public void open() throws Exception {
    super.open();
    ValueStateDescriptor<SeenChange> seen =
        new ValueStateDescriptor<>("seen", TypeInformation.of(SeenChange.class));
    seen.enableTimeToLive(StateTtlConfig.newBuilder(REMEMBERED).build());
    seenState = getPartitionedState(seen);
    MetricGroup metrics = MetricScope.of(getMetricGroup());
    findings =
        new FindingReporter(
            output, SourceStreams.FINDINGS, metrics, EnumSet.of(FindingCode.S_SCHEMA_DRIFT));
    resentRows = metrics.counter("resent_rows_total");
    lateRows = metrics.counter("late_rows_total");
    metrics.gauge("commit_lag_seconds", () -> MetricScope.secondsSince(committedAt));
  }

  @Override
  public void processElement(StreamRecord<Tuple2<String, Either<SchemaDrift, Change>>> record)
      throws Exception {
    sendDeclaredRows();
    if (record.getValue().f1.isLeft()) {
      findings.report(record.getValue().f1.left().finding(sequenceNumber));
      return;
    }
    Change change = record.getValue().f1.right();
    long lsn = change.position().lsn();
    if (lsn != 0) {
      if (wasSeen(change)) {
        resentRows.inc();
        return;
      }
      if (change.position().previousCommitLsn() < completeLsn) {
        lateRows.inc();
      }
      completeLsn = Math.max(completeLsn, change.position().previousCommitLsn());
      committedAt = Math.max(committedAt, change.position().committedAt());
      snapshotDone = true;
      note(change);
    }
    output.collect(
        new StreamRecord<>(Either.Right(change.assignSequenceNumber(nextSequenceNumber(lsn)))));
  }

  private void sendDeclaredRows() {
    for (Change change : declared.changes(completeLsn)) {
      output.collect(
          new StreamRecord<>(Either.Right(change.assignSequenceNumber(nextSequenceNumber(0)))));
    }
  }

  /**
   * Topics hold no commits: a transaction ends with the next one's row. The heartbeat's row is a
   * transaction by itself.
   */
  private void note(Change change) {
    if (change.position().txId() != txId) {
      txId = change.position().txId();
      rowsOfTransaction = 0;
    }
    rowsOfTransaction++;
  }

  /** Whether the barrier is inside of a transaction that judgements must await. */
  private boolean isInTransaction() {
    if (rowsOfTransaction <= FEW_ROWS) {
      unjudgedMarkers = 0;
      return false;
    }
    if (txId != txIdAtMarker) {
      txIdAtMarker = txId;
      unjudgedMarkers++;
    }
    if (unjudgedMarkers > MAX_UNJUDGED_MARKERS) {
      unjudgedMarkers = 0;
      return false;
    }
    return true;
  }

  private boolean wasSeen(Change change) throws Exception {
    SeenChange last = seenState.value();
    long lsn = change.position().lsn();
    long at = change.position().committedAt();
    if (last == null || lsn > last.lsn()) {
      seenState.update(new SeenChange(lsn, at));
      return false;
    }
    if (at > last.committedAt()) {
      throw new SuppressRestartsException(
          DiscontinuityException.regression(
              "Debezium sent a row of "
                  + change.table().tableName()
                  + " at LSN "
                  + Lsn.print(lsn)
                  + " that was committed after the same row's change at "
                  + Lsn.print(last.lsn())
                  + ": the server was restored from a backup or is another one. Let Debezium take a new snapshot into empty topics, and "
                  + Continuity.START_ANEW));
    }
    return true;
  }

  private long nextSequenceNumber(long lsn) {
    sequenceNumber = Math.max(sequenceNumber + 1, lsn);
    return sequenceNumber;
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) {
    sendDeclaredRows();
    output.collect(
        new StreamRecord<>(
            Either.Left(
                new ProgressMarker(
                    nextSequenceNumber(0),
                    completeLsn,
                    committedAt,
                    snapshotDone,
                    false,
                    isInTransaction()))));
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    declaredState.update(declared.state());
    arrivalState.update(
        List.of(new ArrivalState(sequenceNumber, completeLsn, committedAt, snapshotDone)));
  }
}
