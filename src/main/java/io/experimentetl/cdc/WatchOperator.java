package io.experimentetl.cdc;

import io.experimentetl.cdc.TableComparison.DifferingRow;
import io.experimentetl.clickhouse.MetricScope;
import io.experimentetl.model.Change;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UnreadableRow;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;

/**
 * The watch of a source that reads the replication slot. Findings, and rows that are read again,
 * enter the stream here, before they get their sequence numbers.
 */
final class WatchOperator extends CatalogueWatch<Either<ReaderNotice, Change>> {
  private static final long serialVersionUID = 1L;

  /** Rows that are read again in one go: all are held in memory. */
  private static final int ROWS_AT_ONCE = 5_000;

  private transient ListState<String> partlySentState;

  /** The tables of which changes came without the old row, with the LSN of the last one. */
  private transient ConcurrentMap<SourceTable, Long> partlySent;

  private transient ListState<String> gapsState;

  /** What rows came without, with the number of the last notice about each. */
  private transient ConcurrentMap<StreamGap, Long> gaps;

  private transient long notices;
  private transient RereadRows reread;
  private transient CompletableFuture<Void> rereadDone;
  private transient long passedLsn;
  private transient Counter rereadRows;

  WatchOperator(WatchSettings settings) {
    super(settings);
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    partlySentState =
        context
            .getOperatorStateStore()
            .getListState(new ListStateDescriptor<>("partly-sent", Types.STRING));
    partlySent = new ConcurrentHashMap<>();
    for (String table : partlySentState.get()) {
      partlySent.put(SourceTable.ofTableName(table), 0L);
    }
    gapsState =
        context
            .getOperatorStateStore()
            .getListState(new ListStateDescriptor<>("gaps", Types.STRING));
    gaps = new ConcurrentHashMap<>();
    for (String gap : gapsState.get()) {
      gaps.put(StreamGap.parse(gap), 0L);
    }
  }

  @Override
  public void open() throws Exception {
    super.open();
    rereadRows = MetricScope.of(getMetricGroup()).counter("reread_rows_total");
  }

  @Override
  SourceWatch.RowSender rowSender() {
    return this::reread;
  }

  @Override
  Map<SourceTable, Long> partlySent() {
    return partlySent;
  }

  @Override
  Map<StreamGap, Long> gaps() {
    return gaps;
  }

  @Override
  void remembered(Map<StreamGap, Long> remembered) {
    // What was missing again meanwhile is for the next look.
    remembered.forEach(gaps::remove);
  }

  @Override
  void settled(Set<SourceTable> tables, Map<SourceTable, Long> noted) {
    // A change that came meanwhile is for the next look.
    tables.forEach(table -> partlySent.remove(table, noted.get(table)));
  }

  @Override
  void report(Finding finding) {
    output.collect(new StreamRecord<>(Either.Left(ReaderNotice.of(finding))));
  }

  /** Without a publication the slot cannot be read: each restart would fail in the same way. */
  @Override
  void prepare() throws SQLException {
    SourceCatalogue catalogue = server().look().catalogue();
    if (catalogue.publication() == null) {
      StreamFault fault =
          CatalogueComparison.faults(catalogue, settings().server().publication(), Set.of()).get(0);
      throw new SuppressRestartsException(
          new UnstreamedChangesException(
              "On " + settings().server().place() + " " + fault.sentence()));
    }
  }

  /** Runs on the watch's thread; returns when the rows are in the stream. */
  private void reread(SourceTable table, List<DifferingRow> rows)
      throws SQLException, InterruptedException {
    for (int from = 0; from < rows.size(); from += ROWS_AT_ONCE) {
      List<DifferingRow> portion = rows.subList(from, Math.min(rows.size(), from + ROWS_AT_ONCE));
      Set<String> keys = portion.stream().map(DifferingRow::key).collect(Collectors.toSet());
      CompletableFuture<Void> watched = new CompletableFuture<>();
      mailbox()
          .execute(
              () -> {
                reread = new RereadRows(table, keys);
                watched.complete(null);
              },
              "watch of rows that are read again");
      await(watched);
      RereadRows.Read read = server().read(table, portion);
      CompletableFuture<Void> sent = new CompletableFuture<>();
      mailbox()
          .execute(
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
    } else if (value.left().gap() != null) {
      gaps.put(value.left().gap(), ++notices);
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
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    partlySentState.update(partlySent.keySet().stream().map(SourceTable::tableName).toList());
    gapsState.update(gaps.keySet().stream().map(StreamGap::print).toList());
  }
}
