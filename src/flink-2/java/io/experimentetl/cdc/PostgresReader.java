package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import org.apache.flink.streaming.api.datastream.DataStreamSource;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.types.Either;

/** In the place of the reader of the replication slot, which needs Flink CDC for Flink 2. */
final class PostgresReader {
  private PostgresReader() {}

  /**
   * Refuses every configuration.
   *
   * @throws UnsupportedOperationException with the remedy
   */
  static DataStreamSource<Either<ReaderNotice, Change>> read(
      StreamExecutionEnvironment environment, PostgresSourceSettings settings) {
    throw new UnsupportedOperationException(
        "This jar was built for Flink 2 without Flink CDC and cannot read the slot "
            + settings.slot()
            + ": set source.type: kafka, or take the jar for Flink 1.20.");
  }
}
