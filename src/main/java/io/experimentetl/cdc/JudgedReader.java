package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.cdc.connectors.base.source.meta.split.SourceSplitBase;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.types.Either;

/**
 * The connector's reader, whose failures are judged: one that no restart heals ends the job with
 * its remedy. The failures of the connector's own threads appear in {@link #pollNext}.
 */
final class JudgedReader implements SourceReader<Either<ReaderNotice, Change>, SourceSplitBase> {

  private final SourceReader<Either<ReaderNotice, Change>, SourceSplitBase> reader;
  private final SourceFailure failures;

  JudgedReader(
      SourceReader<Either<ReaderNotice, Change>, SourceSplitBase> reader, SourceFailure failures) {
    this.reader = reader;
    this.failures = failures;
  }

  @Override
  public void start() {
    reader.start();
  }

  @Override
  public InputStatus pollNext(ReaderOutput<Either<ReaderNotice, Change>> output) throws Exception {
    try {
      return reader.pollNext(output);
    } catch (Exception e) {
      throw failures.judged(e);
    }
  }

  @Override
  public List<SourceSplitBase> snapshotState(long checkpointId) {
    return reader.snapshotState(checkpointId);
  }

  @Override
  public CompletableFuture<Void> isAvailable() {
    return reader.isAvailable();
  }

  @Override
  public void addSplits(List<SourceSplitBase> splits) {
    reader.addSplits(splits);
  }

  @Override
  public void notifyNoMoreSplits() {
    reader.notifyNoMoreSplits();
  }

  @Override
  public void handleSourceEvents(SourceEvent event) {
    reader.handleSourceEvents(event);
  }

  @Override
  public void notifyCheckpointComplete(long checkpointId) throws Exception {
    reader.notifyCheckpointComplete(checkpointId);
  }

  @Override
  public void notifyCheckpointAborted(long checkpointId) throws Exception {
    reader.notifyCheckpointAborted(checkpointId);
  }

  @Override
  public void pauseOrResumeSplits(
      Collection<String> splitsToPause, Collection<String> splitsToResume) {
    reader.pauseOrResumeSplits(splitsToPause, splitsToResume);
  }

  @Override
  public void close() throws Exception {
    reader.close();
  }
}
