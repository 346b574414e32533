package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.streaming.api.datastream.DataStreamSource;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.types.Either;

/**
 * The reader of the replication slot. The profile flink-2 has another one: see docs/operations.md.
 */
final class PostgresReader {
  private PostgresReader() {}

  /** Adds the reader, which is named after the source. */
  static DataStreamSource<Either<ReaderNotice, Change>> read(
      StreamExecutionEnvironment environment, PostgresSourceSettings settings) {
    return environment.fromSource(
        new PostgresChangeSource(settings),
        WatermarkStrategy.noWatermarks(),
        PostgresChanges.SOURCE,
        ReaderNotice.OR_CHANGE);
  }
}
