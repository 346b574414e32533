package io.experimentetl.clickhouse;

import io.experimentetl.model.Cut;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.OptionalLong;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.types.Either;

/** One subtask's writer: rows into sealed batches, and the last cut behind them. */
final class ClickHouseWriter<T> implements CommittingSinkWriter<Either<Cut, T>, SealedBatch> {

  private final BatchSealer<T> rows;
  private final BatchSealer<CutEncoder.SealedCut> cuts;
  private final Counter rowsSent;
  private final Counter bytesSent;
  private List<SealedBatch> sealed = new ArrayList<>();
  private Cut seen;
  private Cut said;

  ClickHouseWriter(
      RowEncoder<T> encoder,
      BatchLimits limits,
      String folder,
      int sinks,
      WriterInitContext context) {
    int subtask = context.getTaskInfo().getIndexOfThisSubtask();
    long restored = restoredCheckpoint(context.getRestoredCheckpointId());
    BatchIds ids = new BatchIds(subtask);
    rows =
        new BatchSealer<>(
            encoder, limits, ids, folder, restored, System::currentTimeMillis, SinkMemory.SHARED);
    CutEncoder cutEncoder =
        new CutEncoder(
            encoder.schema().table(),
            subtask,
            context.getTaskInfo().getNumberOfParallelSubtasks(),
            sinks);
    cuts =
        new BatchSealer<>(
            cutEncoder, limits, ids, "", restored, System::currentTimeMillis, SinkMemory.SHARED);
    rowsSent = context.metricGroup().getNumRecordsSendCounter();
    bytesSent = context.metricGroup().getNumBytesSendCounter();
    context.metricGroup().gauge("pendingBytes", rows::pendingBytes);
    context.metricGroup().gauge("pendingRows", rows::pendingRows);
    context.metricGroup().gauge("batchesSealedEarly", rows::sealedEarly);
    context.metricGroup().gauge("batchesInFiles", rows::spilled);
    context.metricGroup().gauge("sinkMemoryBytes", SinkMemory.SHARED::held);
  }

  static long restoredCheckpoint(OptionalLong checkpoint) {
    return checkpoint.orElse(-1);
  }

  @Override
  public void write(Either<Cut, T> element, Context context) throws IOException {
    if (element.isLeft()) {
      seen = element.left();
      return;
    }
    rows.add(element.right());
    rowsSent.inc();
  }

  /** Seals everything: what arrives later belongs to the next checkpoint. */
  @Override
  public void flush(boolean endOfInput) throws IOException {
    sealed.addAll(rows.sealAll());
    for (SealedBatch batch : sealed) {
      bytesSent.inc(batch.rawBytes());
    }
    if (seen != null && (!sealed.isEmpty() || !seen.equals(said))) {
      cuts.add(new CutEncoder.SealedCut(seen, System.currentTimeMillis()));
      sealed.addAll(cuts.sealAll());
      said = seen;
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
    cuts.close();
  }
}
