package io.experimentetl.cdc;

import io.experimentetl.clickhouse.MetricScope;
import io.experimentetl.model.Finding;
import io.experimentetl.model.SourceTable;
import java.sql.SQLException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code source-watch}: passes its rows on, and runs {@link SourceWatch} beside them on a thread
 * and a connection of its own.
 *
 * @param <T> what is passed on
 */
abstract class CatalogueWatch<T> extends ChainedOperator<T>
    implements OneInputStreamOperator<T, T> {
  private static final long serialVersionUID = 1L;

  private static final Logger LOG = LoggerFactory.getLogger(CatalogueWatch.class);

  /**
   * The job stops when this many checkpoints have completed behind the finding: then the finding is
   * visible in the warehouse.
   */
  private static final int CHECKPOINTS_BEFORE_STOP = 2;

  /** After a stop without checkpoints the finding is only in the log and in the failure. */
  private static final Duration STOP_WITHOUT_CHECKPOINTS = Duration.ofMinutes(10);

  private final WatchSettings settings;

  private transient ListState<String> memoryState;
  private transient WatchMemory memory;
  private transient MailboxExecutor mailbox;
  private transient ScheduledThreadPoolExecutor thread;
  private transient ScheduledThreadPoolExecutor stopTimer;
  private transient ScheduledFuture<?> looking;
  private transient ScheduledFuture<?> stopping;
  private transient SourceWatch watch;
  private transient WatchedServer server;
  private transient String stop;
  private transient long firstCheckpointWithStop;
  private transient Counter looks;
  private transient Counter failedLooks;

  CatalogueWatch(WatchSettings settings) {
    this.settings = settings;
  }

  final WatchSettings settings() {
    return settings;
  }

  /** The mailbox of the operator's thread. */
  final MailboxExecutor mailbox() {
    return mailbox;
  }

  /** Only the watch's thread uses it. */
  final WatchedServer server() {
    return server;
  }

  /** Brings rows into the stream; null: rows cannot be read again from this source. */
  abstract SourceWatch.RowSender rowSender();

  /** The tables of which changes came without the old row, with the LSN of the last one. */
  abstract Map<SourceTable, Long> partlySent();

  /** What rows came without, each with the number of its notice. */
  abstract Map<StreamGap, Long> gaps();

  /** The watch remembers these. */
  abstract void remembered(Map<StreamGap, Long> gaps);

  /** These tables agree now, or are reported as different. */
  abstract void settled(Set<SourceTable> tables, Map<SourceTable, Long> noted);

  /** Sends a finding, which has no version yet. */
  abstract void report(Finding finding);

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    memoryState =
        context
            .getOperatorStateStore()
            .getListState(new ListStateDescriptor<>("memory", Types.STRING));
    Iterator<String> restored = memoryState.get().iterator();
    memory = restored.hasNext() ? WatchMemory.parse(restored.next()) : WatchMemory.START;
  }

  @Override
  public void open() throws Exception {
    super.open();
    mailbox =
        getContainingTask().getMailboxExecutorFactory().createExecutor(config.getChainIndex());
    looks = MetricScope.of(getMetricGroup()).counter("looks_total");
    failedLooks = MetricScope.of(getMetricGroup()).counter("failed_looks_total");
    server = new WatchedServer(settings.server());
    prepare();
    watch =
        new SourceWatch(
            settings.server().publication(),
            settings.policy(),
            EnumSet.copyOf(settings.server().tables()),
            server,
            settings.comparison(),
            rowSender(),
            memory);
    firstCheckpointWithStop = Long.MAX_VALUE - CHECKPOINTS_BEFORE_STOP;
    stopTimer = DaemonTimer.named("source-watch-stop");
    thread = DaemonTimer.named("source-watch");
    looking =
        thread.scheduleWithFixedDelay(
            this::look, 0, settings.server().heartbeatInterval().toMillis(), TimeUnit.MILLISECONDS);
  }

  /** Called before the first look. */
  void prepare() throws SQLException {}

  /** Runs on the watch's thread. */
  private void look() {
    try {
      Map<SourceTable, Long> noted = Map.copyOf(partlySent());
      Map<StreamGap, Long> gaps = Map.copyOf(gaps());
      WatchReport report = watch.step(noted.keySet(), gaps.keySet());
      looks.inc();
      mailbox.execute(() -> accept(report, noted, gaps), "report of the source's watch");
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

  private void accept(WatchReport report, Map<SourceTable, Long> noted, Map<StreamGap, Long> gaps) {
    memory = report.memory();
    remembered(gaps);
    settled(report.settled(), noted);
    report.findings().forEach(this::report);
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
