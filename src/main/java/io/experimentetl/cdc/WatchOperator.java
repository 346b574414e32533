package io.experimentetl.cdc;

import io.experimentetl.cdc.TableComparison.DifferingRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UnreadableRow;
import java.sql.SQLException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.ChainingStrategy;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code source-watch}: passes the source's changes on, and runs {@link SourceWatch} beside them on
 * a thread and a connection of its own. Findings, and rows that are read again, enter the stream
 * here, before they get their sequence numbers.
 */
final class WatchOperator extends AbstractStreamOperator<Either<ReaderNotice, Change>>
    implements OneInputStreamOperator<Either<ReaderNotice, Change>, Either<ReaderNotice, Change>> {
  private static final long serialVersionUID = 1L;

  private static final Logger LOG = LoggerFactory.getLogger(WatchOperator.class);

  /** Rows that are read again in one go: all are held in memory. */
  private static final int ROWS_AT_ONCE = 5_000;

  /**
   * The job stops when this many checkpoints have completed behind the finding: then the finding is
   * visible in the warehouse.
   */
  private static final int CHECKPOINTS_BEFORE_STOP = 2;

  /** After a stop without checkpoints the finding is only in the log and in the failure. */
  private static final Duration STOP_WITHOUT_CHECKPOINTS = Duration.ofMinutes(10);

  private final WatchSettings settings;

  private transient ListState<String> memoryState;
  private transient ListState<String> partlySentState;

  /** The tables of which changes came without the old row, with the LSN of the last one. */
  private transient ConcurrentMap<SourceTable, Long> partlySent;

  private transient WatchMemory memory;
  private transient MailboxExecutor mailbox;
  private transient ScheduledThreadPoolExecutor thread;
  private transient ScheduledThreadPoolExecutor stopTimer;
  private transient ScheduledFuture<?> looking;
  private transient ScheduledFuture<?> stopping;
  private transient SourceWatch watch;
  private transient WatchedServer server;
  private transient RereadRows reread;
  private transient CompletableFuture<Void> rereadDone;
  private transient long passedLsn;
  private transient String stop;
  private transient long firstCheckpointWithStop;
  private transient Counter looks;
  private transient Counter failedLooks;
  private transient Counter rereadRows;

  WatchOperator(WatchSettings settings) {
    this.settings = settings;
    chainingStrategy = ChainingStrategy.ALWAYS;
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    memoryState =
        context
            .getOperatorStateStore()
            .getListState(new ListStateDescriptor<>("memory", Types.STRING));
    Iterator<String> restored = memoryState.get().iterator();
    memory = restored.hasNext() ? WatchMemory.parse(restored.next()) : WatchMemory.START;
    partlySentState =
        context
            .getOperatorStateStore()
            .getListState(new ListStateDescriptor<>("partly-sent", Types.STRING));
    partlySent = new ConcurrentHashMap<>();
    for (String table : partlySentState.get()) {
      partlySent.put(SourceTable.ofTableName(table), 0L);
    }
  }

  @Override
  public void open() throws Exception {
    super.open();
    mailbox =
        getContainingTask().getMailboxExecutorFactory().createExecutor(config.getChainIndex());
    looks = getMetricGroup().counter("looks");
    failedLooks = getMetricGroup().counter("failedLooks");
    rereadRows = getMetricGroup().counter("rereadRows");
    server = new WatchedServer(settings.server());
    requirePublication();
    watch =
        new SourceWatch(
            settings.server().publication(),
            settings.policy(),
            EnumSet.copyOf(settings.server().tables()),
            server,
            settings.comparison(),
            this::reread,
            memory);
    firstCheckpointWithStop = Long.MAX_VALUE - CHECKPOINTS_BEFORE_STOP;
    stopTimer = DaemonTimer.named("source-watch-stop");
    thread = DaemonTimer.named("source-watch");
    looking =
        thread.scheduleWithFixedDelay(
            this::look, 0, settings.server().heartbeatInterval().toMillis(), TimeUnit.MILLISECONDS);
  }

  /** Without a publication the slot cannot be read: each restart would fail in the same way. */
  private void requirePublication() throws SQLException {
    SourceCatalogue catalogue = server.look().catalogue();
    if (catalogue.publication() == null) {
      StreamFault fault =
          CatalogueComparison.faults(catalogue, settings.server().publication()).get(0);
      throw new SuppressRestartsException(
          new UnstreamedChangesException(
              "On " + settings.server().place() + " " + fault.sentence()));
    }
  }

  /** Runs on the watch's thread. */
  private void look() {
    try {
      Map<SourceTable, Long> noted = Map.copyOf(partlySent);
      WatchReport report = watch.step(noted.keySet());
      looks.inc();
      mailbox.execute(() -> accept(report, noted), "report of the source's watch");
      if (report.stop() != null) {
        // What it would see now, the next start compares.
        thread.shutdown();
      }
    } catch (SQLException e) {
      failedLooks.inc();
      LOG.warn(
          "The catalogue of {} could not be compared with the last look; the next look tries again.",
          settings.server().place(),
          e);
    } catch (InterruptedException closed) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException e) {
      // A scheduled task that throws ends without a trace.
      mailbox.execute(
          () -> {
            throw e;
          },
          "failure of the source's watch");
    }
  }

  private void accept(WatchReport report, Map<SourceTable, Long> noted) {
    memory = report.memory();
    // A change that came meanwhile is for the next look.
    report.settled().forEach(table -> partlySent.remove(table, noted.get(table)));
    for (Finding finding : report.findings()) {
      output.collect(new StreamRecord<>(Either.Left(ReaderNotice.of(finding))));
    }
    if (report.stop() != null && stop == null) {
      stop = report.stop();
      LOG.error("The job stops behind the next checkpoints: {}", stop);
      stopping =
          stopTimer.schedule(
              () -> mailbox.execute(this::fail, "stop without checkpoints"),
              STOP_WITHOUT_CHECKPOINTS.toMillis(),
              TimeUnit.MILLISECONDS);
    }
  }

  private void fail() {
    throw new SuppressRestartsException(new UnstreamedChangesException(stop));
  }

  /** Runs on the watch's thread; returns when the rows are in the stream. */
  private void reread(SourceTable table, List<DifferingRow> rows)
      throws SQLException, InterruptedException {
    for (int from = 0; from < rows.size(); from += ROWS_AT_ONCE) {
      List<DifferingRow> portion = rows.subList(from, Math.min(rows.size(), from + ROWS_AT_ONCE));
      Set<String> keys = portion.stream().map(DifferingRow::key).collect(Collectors.toSet());
      CompletableFuture<Void> watched = new CompletableFuture<>();
      mailbox.execute(
          () -> {
            reread = new RereadRows(table, keys);
            watched.complete(null);
          },
          "watch of rows that are read again");
      await(watched);
      RereadRows.Read read = server.read(table, portion);
      CompletableFuture<Void> sent = new CompletableFuture<>();
      mailbox.execute(
          () -> {
            reread.read(read);
            rereadDone = sent;
            sendReread();
          },
          "rows that are read again");
      await(sent);
    }
  }

  private static void await(CompletableFuture<Void> done) throws InterruptedException {
    try {
      done.get();
    } catch (ExecutionException e) {
      throw new IllegalStateException("Rows that were read again could not be sent.", e);
    }
  }

  private void sendReread() {
    if (reread == null || !reread.isReady(passedLsn)) {
      return;
    }
    for (Change change : reread.unchangedMeanwhile()) {
      rereadRows.inc();
      output.collect(new StreamRecord<>(Either.Right(change)));
    }
    reread = null;
    rereadDone.complete(null);
  }

  @Override
  public void processElement(StreamRecord<Either<ReaderNotice, Change>> element) {
    Either<ReaderNotice, Change> value = element.getValue();
    if (value.isRight()) {
      Change change = value.right();
      notePartlySent(change);
      passedLsn = Math.max(passedLsn, change.position().previousCommitLsn());
      if (reread != null) {
        // Between transactions: the rows must not come between the halves of one change.
        sendReread();
        if (reread != null) {
          reread.observe(change);
        }
      }
      output.collect(element);
    } else {
      ReaderProgress progress = value.left().progress();
      output.collect(element);
      if (progress != null && !progress.chunkRead()) {
        passedLsn = Math.max(passedLsn, progress.commitLsn());
        sendReread();
      }
    }
  }

  private void notePartlySent(Change change) {
    if (isPart(change.before()) || isPart(change.after())) {
      partlySent.merge(change.table(), change.position().lsn(), Math::max);
    }
  }

  private static boolean isPart(SourceRow row) {
    return row instanceof UnreadableRow unreadable
        && unreadable.code() == FindingCode.S_INCOMPLETE_ROW;
  }

  @Override
  public void notifyCheckpointComplete(long checkpointId) throws Exception {
    super.notifyCheckpointComplete(checkpointId);
    if (stop != null && checkpointId >= firstCheckpointWithStop + CHECKPOINTS_BEFORE_STOP) {
      fail();
    }
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    memoryState.update(List.of(memory.print()));
    partlySentState.update(partlySent.keySet().stream().map(SourceTable::tableName).toList());
    if (stop != null) {
      firstCheckpointWithStop = Math.min(firstCheckpointWithStop, context.getCheckpointId());
    }
  }

  @Override
  public void close() throws Exception {
    if (stopping != null) {
      stopping.cancel(true);
    }
    if (looking != null) {
      looking.cancel(true);
      thread.shutdownNow();
      stopTimer.shutdownNow();
    }
    if (server != null) {
      server.close();
    }
    super.close();
  }
}
