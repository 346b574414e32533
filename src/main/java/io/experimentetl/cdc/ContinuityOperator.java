package io.experimentetl.cdc;

import io.experimentetl.clickhouse.MetricScope;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Change;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import io.experimentetl.postgres.WalStatus;
import io.experimentetl.quality.FindingReporter;
import io.experimentetl.warehouse.RetainedRows;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The continuity step:
 *
 * <ul>
 *   <li>assigns every row its sequence number,
 *   <li>drops rows that a restart sends again,
 *   <li>passes on the end of each transaction that changed rows,
 *   <li>refuses a gap,
 *   <li>sends a {@link ProgressMarker} before each barrier.
 * </ul>
 *
 * <p>At its start, before the source connects, it compares its position with the replication slot.
 * A job that cannot continue without losing rows fails without restarts.
 */
final class ContinuityOperator extends ChainedOperator<Either<ProgressMarker, Change>>
    implements OneInputStreamOperator<
        Either<ReaderNotice, Change>, Either<ProgressMarker, Change>> {
  private static final long serialVersionUID = 1L;

  private static final Logger LOG = LoggerFactory.getLogger(ContinuityOperator.class);

  private static final long SLOT_POLL_SECONDS = 10;

  private final PostgresSourceSettings settings;

  /** Null: there is no older warehouse. */
  private final RetainedRows.From retainedFrom;

  private transient ListState<ContinuityState> positionState;
  private transient ListState<List<String>> retainedState;
  private transient ListState<DeclaredRows.State> declaredState;
  private transient DeclaredRows declared;
  private transient RetainedRows.Position retainedUntil;
  private transient RetainedRows retained;
  private transient boolean readsRetained;
  private transient Continuity continuity;
  private transient long firstBehindSnapshot;
  private transient boolean replayStable;
  private transient FindingReporter findings;
  private transient Counter resentRows;
  private transient AtomicLong resendingRows;
  private transient Counter snapshotRows;
  private transient Counter retainedRows;
  private transient SourceHeartbeat heartbeat;
  private transient ScheduledExecutorService slotPoller;
  private transient ScheduledFuture<?> slotPoll;

  private transient volatile long lastLsn;
  private transient volatile long lastCommittedAt;
  private transient volatile ReplicationSlot slot;

  ContinuityOperator(PostgresSourceSettings settings, RetainedRows.From retainedFrom) {
    this.settings = settings;
    this.retainedFrom = retainedFrom;
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    positionState =
        context
            .getOperatorStateStore()
            .getListState(
                new ListStateDescriptor<>("position", TypeInformation.of(ContinuityState.class)));
    Iterator<ContinuityState> restored = positionState.get().iterator();
    ContinuityState state = restored.hasNext() ? restored.next() : ContinuityState.START;
    continuity = new Continuity(state);
    retainedState =
        context
            .getOperatorStateStore()
            .getListState(new ListStateDescriptor<>("retained", Types.LIST(Types.STRING)));
    Iterator<List<String>> until = retainedState.get().iterator();
    retainedUntil =
        retainedFrom == null
            ? RetainedRows.Position.END
            : until.hasNext()
                ? RetainedRows.Position.of(until.next())
                : RetainedRows.Position.START;
    declaredState = context.getOperatorStateStore().getListState(DeclaredRows.descriptor());
    declared =
        DeclaredRows.of(settings.mapping().declared(), declaredState.get(), context.isRestored());
    replayStable = state.snapshotDone() && retainedUntil.isEnd();
    firstBehindSnapshot = Long.MAX_VALUE;
    if (restored.hasNext()) {
      throw new SuppressRestartsException(
          new IllegalStateException(
              "The continuity step's state holds more than one position: it must run with parallelism 1."));
    }
  }

  @Override
  public void open() throws Exception {
    super.open();
    try (Connection connection = SourceServer.connect(settings)) {
      slot = SourceServer.slot(connection, settings.slot());
      continuity.check(settings.slot(), settings.place(), SourceServer.position(connection), slot);
      String unmet = SourceServer.unmetNeed(connection, settings);
      if (unmet != null) {
        throw new DiscontinuityException(unmet);
      }
    } catch (DiscontinuityException e) {
      throw new SuppressRestartsException(e);
    } catch (SQLException e) {
      throw new SourceFailure(settings).judged(e);
    }
    ContinuityState state = continuity.state();
    lastLsn = state.lsn();
    lastCommittedAt = state.committedAt();
    registerMetrics();
    if (!retainedUntil.isEnd()) {
      retained = new RetainedRows(retainedFrom, ids -> SourceServer.existingUsers(settings, ids));
    }
    heartbeat = new SourceHeartbeat(settings);
    heartbeat.start();
    slotPoller = DaemonTimer.named("slot-poller");
    slotPoll =
        slotPoller.scheduleWithFixedDelay(
            this::pollSlot, SLOT_POLL_SECONDS, SLOT_POLL_SECONDS, TimeUnit.SECONDS);
  }

  private void registerMetrics() {
    MetricGroup metrics = MetricScope.of(getMetricGroup());
    findings =
        new FindingReporter(
            output,
            SourceStreams.FINDINGS,
            metrics,
            EnumSet.of(
                FindingCode.S_SCHEMA_DRIFT,
                FindingCode.S_NOT_STREAMED,
                FindingCode.C_DELETE_UNEXPECTED,
                FindingCode.C_UNSTREAMED));
    resentRows = metrics.counter("resent_rows_total");
    resendingRows = new AtomicLong();
    metrics.gauge("resending_rows", resendingRows::get);
    snapshotRows = metrics.counter("snapshot_rows_total");
    retainedRows = metrics.counter("retained_rows_total");
    metrics.gauge("heartbeat_failures_total", () -> heartbeat == null ? 0 : heartbeat.failures());
    metrics.gauge("last_lsn", () -> lastLsn);
    metrics.gauge("commit_lag_seconds", () -> MetricScope.secondsSince(lastCommittedAt));
    metrics.gauge("slot_lag_bytes", () -> slot.lagBytes());
    metrics.gauge("slot_retained_bytes", () -> slot.retainedBytes());
    metrics.gauge("slot_safe_wal_bytes", () -> slot.safeWalBytes());
    metrics.gauge("slot_wal_status", () -> WalStatus.rank(slot.walStatus()));
  }

  private void pollSlot() {
    try (Connection connection = SourceServer.connect(settings)) {
      ReplicationSlot polled = SourceServer.slot(connection, settings.slot());
      if (polled != null) {
        slot = polled;
      }
    } catch (SQLException | RuntimeException e) {
      LOG.warn(
          "The replication slot {} on {} could not be read for the metrics; the values stay unchanged.",
          settings.slot(),
          settings.place(),
          e);
    }
  }

  @Override
  public void processElement(StreamRecord<Either<ReaderNotice, Change>> element) throws Exception {
    Either<ReaderNotice, Change> value = element.getValue();
    sendDeclaredRows();
    readRetainedRows();
    try {
      process(value);
    } catch (DiscontinuityException e) {
      throw new SuppressRestartsException(e);
    }
  }

  private void process(Either<ReaderNotice, Change> value) throws SQLException {
    if (value.isRight()) {
      emitIfNew(value.right());
    } else if (value.left().drift() != null) {
      findings.report(value.left().drift().finding(continuity.sequenceNumber()));
    } else if (value.left().finding() != null) {
      // A number of its own: the finding may be opened and resolved between two changes.
      findings.report(
          value
              .left()
              .finding()
              .withVersion(RowVersion.ofSequenceNumber(continuity.nextSequenceNumber(0))));
    } else if (value.left().progress() != null) {
      advance(value.left().progress());
    }
    // A gap is for the watch of the source: a job without one has no use for it.
  }

  private void advance(ReaderProgress progress) throws SQLException {
    if (progress.chunkRead()) {
      finishChunk(progress);
    } else if (continuity.advance(progress.commitLsn(), progress.lsn())) {
      output.collect(new StreamRecord<>(Either.Right(continuity.endOfTransaction())));
    }
  }

  private void emitIfNew(Change change) {
    long lsn = change.position().lsn();
    if (lsn == 0) {
      snapshotRows.inc();
    } else {
      if (!continuity.accept(change.position())) {
        resentRows.inc();
        resendingRows.incrementAndGet();
        return;
      }
      resendingRows.set(0);
      lastLsn = lsn;
      lastCommittedAt = change.position().committedAt();
    }
    output.collect(
        new StreamRecord<>(
            Either.Right(change.assignSequenceNumber(continuity.nextSequenceNumber(lsn)))));
  }

  private void sendDeclaredRows() {
    for (Change change : declared.changes(continuity.completeLsn())) {
      output.collect(
          new StreamRecord<>(
              Either.Right(change.assignSequenceNumber(continuity.nextSequenceNumber(0)))));
    }
  }

  private void finishChunk(ReaderProgress chunk) throws SQLException {
    try (Connection connection = SourceServer.connect(settings)) {
      // Asked behind the chunk's last row, so the chunk holds nothing that committed later.
      continuity.completeChunk(chunk.lsn(), SourceServer.position(connection).walEndLsn());
    }
    // An idle source's stream passes the end of the snapshot with this row.
    heartbeat.beatNow();
  }

  /**
   * Reads the older warehouse page by page, between the source's rows. It begins after the first
   * chunk: from then on the stream contains the erasures.
   */
  private void readRetainedRows() {
    if (retained != null && !readsRetained && continuity.hasReadChunk()) {
      readsRetained = true;
      MailboxExecutor mailbox =
          getContainingTask().getMailboxExecutorFactory().createExecutor(config.getChainIndex());
      mailbox.execute(() -> readPage(mailbox), "retained rows");
    }
  }

  private void readPage(MailboxExecutor mailbox)
      throws IOException, SQLException, InterruptedException {
    RetainedRows.Page page = retained.after(retainedUntil);
    for (Change change : page.rows()) {
      retainedRows.inc();
      output.collect(
          new StreamRecord<>(
              Either.Right(change.assignSequenceNumber(continuity.nextSequenceNumber(0)))));
    }
    retainedUntil = page.reached();
    if (!retainedUntil.isEnd()) {
      mailbox.execute(() -> readPage(mailbox), "retained rows");
    }
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) {
    sendDeclaredRows();
    ProgressMarker marker = continuity.nextMarker(retainedUntil.isEnd(), replayStable);
    if (marker.snapshotDone()) {
      firstBehindSnapshot = Math.min(firstBehindSnapshot, checkpointId);
    }
    output.collect(new StreamRecord<>(Either.Left(marker)));
  }

  /**
   * After a restart from a checkpoint taken during the snapshot, chunks are read again. Their rows
   * are then current, and their sequence numbers are lower than those of the stream's rows.
   */
  @Override
  public void notifyCheckpointComplete(long checkpointId) throws Exception {
    super.notifyCheckpointComplete(checkpointId);
    replayStable |= checkpointId >= firstBehindSnapshot;
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    positionState.update(List.of(continuity.state()));
    declaredState.update(declared.state());
    retainedState.update(retainedFrom == null ? List.of() : List.of(retainedUntil.asList()));
  }

  @Override
  public void close() throws Exception {
    if (heartbeat != null) {
      heartbeat.close();
    }
    if (slotPoll != null) {
      slotPoll.cancel(true);
      slotPoller.shutdownNow();
    }
    if (retained != null) {
      retained.close();
    }
    super.close();
  }
}
