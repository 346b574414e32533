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
 * The writer of one subtask. It seals rows into batches, and adds the latest progress marker after
 * them. All early writes have succeeded before a checkpoint contains the marker.
 */
final class ClickHouseWriter<T>
    implements CommittingSinkWriter<Either<ProgressMarker, T>, SealedBatch> {

  private final RowEncoder<T> encoder;
  private final BatchSealer<T> rows;
  private final EarlyWrite<T> early;
  private final BatchSealer<ProgressMarkerEncoder.SealedMarker> markers;
  private final Counter rowsSent;
  private final Counter bytesSent;
  private List<SealedBatch> sealed = new ArrayList<>();
  private ProgressMarker latest;
  private ProgressMarker written;

  /**
   * Opens a writer.
   *
   * @param lagLimit the lag above which rows are too far behind
   * @param linger how long an early write waits for more rows; null: no early writes
   * @throws IOException if the password cannot be read
   */
  ClickHouseWriter(
      RowEncoder<T> encoder,
      ClickHouseConnection connection,
      BatchLimits limits,
      String folder,
      int sinks,
      Duration lagLimit,
      Duration linger,
      WriterInitContext context)
      throws IOException {
    this.encoder = encoder;
    int subtask = context.getTaskInfo().getIndexOfThisSubtask();
    long restored = restoredCheckpoint(context.getRestoredCheckpointId());
    BatchIds ids = new BatchIds(subtask);
    rows = sealer(encoder, SealedBatch.Kind.ROWS, limits, ids, folder, restored);
    early =
        linger == null
            ? null
            : new EarlyWrite<>(
                sealer(encoder, SealedBatch.Kind.EARLY, limits, ids, "", restored),
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
            sinks,
            lagLimit.toSeconds());
    markers = sealer(markerEncoder, SealedBatch.Kind.PROGRESS, limits, ids, "", restored);
    rowsSent = context.metricGroup().getNumRecordsSendCounter();
    bytesSent = context.metricGroup().getNumBytesSendCounter();
    context
        .metricGroup()
        .gauge(
            "pendingBytes", () -> rows.pendingBytes() + (early == null ? 0 : early.pendingBytes()));
    context
        .metricGroup()
        .gauge("pendingRows", () -> rows.pendingRows() + (early == null ? 0 : early.pendingRows()));
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
      latest = element.left();
      return;
    }
    T row = element.right();
    if (early != null && latest != null && latest.replayStable() && encoder.isReplayStable(row)) {
      early.add(row);
    } else {
      rows.add(row);
    }
    rowsSent.inc();
  }

  /** Seals all batches; later rows belong to the next checkpoint. */
  @Override
  public void flush(boolean endOfInput) throws IOException, InterruptedException {
    if (early != null) {
      early.flush();
    }
    sealed.addAll(rows.sealAll());
    for (SealedBatch batch : sealed) {
      bytesSent.inc(batch.rawBytes());
    }
    if (latest != null && (!sealed.isEmpty() || !latest.equals(written))) {
      markers.add(new ProgressMarkerEncoder.SealedMarker(latest, System.currentTimeMillis()));
      sealed.addAll(markers.sealAll());
      written = latest;
    }
  }

  @Override
  public Collection<SealedBatch> prepareCommit() {
    List<SealedBatch> batches = sealed;
    sealed = new ArrayList<>();
    return batches;
  }

  @Override
  public void close() {
    rows.close();
    markers.close();
    if (early != null) {
      early.close();
    }
  }
}
