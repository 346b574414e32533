package io.experimentetl.clickhouse;

import java.io.IOException;
import java.util.Collection;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;

/** Sends batches; follows in the next commit. */
final class ClickHouseCommitter implements Committer<SealedBatch> {
  ClickHouseCommitter(
      ClickHouseConnection connection, BatchLimits limits, CommitterInitContext context)
      throws IOException {}

  @Override
  public void commit(Collection<CommitRequest<SealedBatch>> requests) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void close() {}
}
