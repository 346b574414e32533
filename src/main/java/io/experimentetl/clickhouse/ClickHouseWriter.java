package io.experimentetl.clickhouse;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.OptionalLong;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.types.Either;

/**
 * The writer of one subtask. It seals rows into batches, and adds the latest progress marker after
 * them. All early writes have succeeded before a checkpoint contains the marker. It has no state,
 * but asks for it: Flink then says which checkpoint has been passed.
 */
final class ClickHouseWriter<T>
    implements CommittingSinkWriter<Either<ProgressMarker, T>, Committable>,
        StatefulSinkWriter<Either<ProgressMarker, T>, Committable> {

  private final RowEncoder<T> encoder;
  private final BatchIds ids;
  private final BatchSealer<T> rows;
  private final EarlyWrite<T> early;
  private final int subtask;
  private final int parallelism;
  private final Counter rowsSent;
  private final Counter bytesSent;
  private List<Committable> sealed = new ArrayList<>();
  private ProgressMarker latest;

  /**
   * Opens a writer.
   *
   * @param linger how long an early write waits for more rows; null: no early writes
   * @throws IOException if the password cannot be read
   */
  ClickHouseWriter(
      RowEncoder<T> encoder,
      ClickHouseConnection connection,
      BatchLimits limits,
      String folder,
      Duration linger,
      WriterInitContext context)
      throws IOException {
    this.encoder = encoder;
    subtask = context.getTaskInfo().getIndexOfThisSubtask();
    parallelism = context.getTaskInfo().getNumberOfParallelSubtasks();
    long restored = restoredCheckpoint(context.getRestoredCheckpointId());
    ids = new BatchIds(subtask);
    ids.passed(Math.max(0, restored));
    rows = sealer(encoder, BatchSealer.Kind.ROWS, limits, ids, folder, restored);
    early =
        linger == null
            ? null
            : new EarlyWrite<>(
                encoder,
                sealer(encoder, BatchSealer.Kind.EARLY, limits, ids, "", restored),
                connection,
                limits,
                linger,
                SinkMemory.SHARED,
                context.getProcessingTimeService(),
                context.metricGroup());
    rowsSent = context.metricGroup().getNumRecordsSendCounter();
    bytesSent = context.metricGroup().getNumBytesSendCounter();
    MetricGroup metrics = MetricScope.of(context.metricGroup());
    metrics.gauge(
        "buffered_bytes", () -> rows.pendingBytes() + (early == null ? 0 : early.pendingBytes()));
    metrics.gauge(
        "buffered_rows", () -> rows.pendingRows() + (early == null ? 0 : early.pendingRows()));
    metrics.gauge("batches_sealed_early_total", rows::sealedEarly);
    metrics.gauge("batches_in_files_total", rows::spilled);
    metrics.gauge("sink_memory_bytes", SinkMemory.SHARED::held);
  }

  private static <R> BatchSealer<R> sealer(
      RowEncoder<R> encoder,
      BatchSealer.Kind kind,
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
    for (SealedBatch batch : rows.sealAll()) {
      bytesSent.inc(batch.rawBytes());
      sealed.add(batch);
    }
    if (latest != null) {
      sealed.add(
          new SealedMarker(
              encoder.schema().table(), subtask, parallelism, latest, System.currentTimeMillis()));
    }
  }

  @Override
  public Collection<Committable> prepareCommit() {
    List<Committable> committables = sealed;
    sealed = new ArrayList<>();
    return committables;
  }

  /** The batches of the checkpoint are sealed: {@link #flush} came before. */
  @Override
  public List<Committable> snapshotState(long checkpointId) {
    ids.passed(checkpointId);
    return List.of();
  }

  @Override
  public void close() {
    rows.close();
    if (early != null) {
      early.close();
    }
  }
}
