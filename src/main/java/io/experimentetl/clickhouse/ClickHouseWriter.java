package io.experimentetl.clickhouse;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.OptionalLong;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.types.Either;

/**
 * One subtask's writer: rows into sealed batches, and the last cut behind them. Rows that may be
 * written through are there when the cut is taken.
 */
final class ClickHouseWriter<T>
    implements CommittingSinkWriter<Either<ProgressMarker, T>, SealedBatch> {

  private final RowEncoder<T> encoder;
  private final BatchSealer<T> rows;
  private final EarlyWrite<T> through;
  private final BatchSealer<ProgressMarkerEncoder.SealedMarker> markers;
  private final Counter rowsSent;
  private final Counter bytesSent;
  private List<SealedBatch> sealed = new ArrayList<>();
  private ProgressMarker seen;
  private ProgressMarker reported;

  /**
   * Opens one.
   *
   * @param linger of rows that are written through; null: none are
   * @throws IOException if the password isn't where it should be
   */
  ClickHouseWriter(
      RowEncoder<T> encoder,
      ClickHouseConnection connection,
      BatchLimits limits,
      String folder,
      int sinks,
      Duration linger,
      WriterInitContext context)
      throws IOException {
    this.encoder = encoder;
    int subtask = context.getTaskInfo().getIndexOfThisSubtask();
    long restored = restoredCheckpoint(context.getRestoredCheckpointId());
    BatchIds ids = new BatchIds(subtask);
    rows = sealer(encoder, SealedBatch.Kind.ROWS, limits, ids, folder, restored);
    through =
        linger == null
            ? null
            : new EarlyWrite<>(
                sealer(encoder, SealedBatch.Kind.THROUGH, limits, ids, "", restored),
                connection,
                limits,
                linger,
                SinkMemory.SHARED,
                context.getProcessingTimeService(),
                context.metricGroup());
    ProgressMarkerEncoder markerEncoder =
        new ProgressMarkerEncoder(
            encoder.schema().table(),
            subtask,
            context.getTaskInfo().getNumberOfParallelSubtasks(),
            sinks);
    markers = sealer(markerEncoder, SealedBatch.Kind.CUT, limits, ids, "", restored);
    rowsSent = context.metricGroup().getNumRecordsSendCounter();
    bytesSent = context.metricGroup().getNumBytesSendCounter();
    context
        .metricGroup()
        .gauge(
            "pendingBytes",
            () -> rows.pendingBytes() + (through == null ? 0 : through.pendingBytes()));
    context
        .metricGroup()
        .gauge(
            "pendingRows",
            () -> rows.pendingRows() + (through == null ? 0 : through.pendingRows()));
    context.metricGroup().gauge("batchesSealedEarly", rows::sealedEarly);
    context.metricGroup().gauge("batchesInFiles", rows::spilled);
    context.metricGroup().gauge("sinkMemoryBytes", SinkMemory.SHARED::held);
  }

  private static <R> BatchSealer<R> sealer(
      RowEncoder<R> encoder,
      SealedBatch.Kind kind,
      BatchLimits limits,
      BatchIds ids,
      String folder,
      long restored) {
    return new BatchSealer<>(
        encoder, kind, limits, ids, folder, restored, System::currentTimeMillis, SinkMemory.SHARED);
  }

  static long restoredCheckpoint(OptionalLong checkpoint) {
    return checkpoint.orElse(-1);
  }

  @Override
  public void write(Either<ProgressMarker, T> element, Context context)
      throws IOException, InterruptedException {
    if (element.isLeft()) {
      seen = element.left();
      return;
    }
    T row = element.right();
    if (through != null && seen != null && seen.replayStable() && encoder.isReplayStable(row)) {
      through.add(row);
    } else {
      rows.add(row);
    }
    rowsSent.inc();
  }

  /** Seals everything: what arrives later belongs to the next checkpoint. */
  @Override
  public void flush(boolean endOfInput) throws IOException, InterruptedException {
    if (through != null) {
      through.flush();
    }
    sealed.addAll(rows.sealAll());
    for (SealedBatch batch : sealed) {
      bytesSent.inc(batch.rawBytes());
    }
    if (seen != null && (!sealed.isEmpty() || !seen.equals(reported))) {
      markers.add(new ProgressMarkerEncoder.SealedMarker(seen, System.currentTimeMillis()));
      sealed.addAll(markers.sealAll());
      reported = seen;
    }
  }

  @Override
  public Collection<SealedBatch> prepareCommit() {
    List<SealedBatch> handedOver = sealed;
    sealed = new ArrayList<>();
    return handedOver;
  }

  @Override
  public void close() {
    rows.close();
    markers.close();
    if (through != null) {
      through.close();
    }
  }
}
