package io.experimentetl.cdc;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Change;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.types.Either;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The source as the pipeline sees it, from Debezium's topics: all captured tables, in commit order,
 * each row once.
 */
public final class KafkaChanges {

  /** Name and uid of the source. */
  public static final String SOURCE = "kafka-changes";

  /** Name and uid of the step after it. */
  public static final String ARRIVAL = "arrival";

  private static final Logger LOG = LoggerFactory.getLogger(KafkaChanges.class);

  private KafkaChanges() {}

  /** What a start without a watch logs, and {@code status} shows. */
  public static final String NOT_WATCHED =
      "nothing looks for changes that never enter Debezium's topics, such as those of a table out of its publication or of an attached partition: set source.host, or compare the rows by verify";

  /**
   * Adds the source and the steps after it, with parallelism 1.
   *
   * @param watch for changes that never enter the topics; null: none
   */
  public static SourceStreams attach(
      StreamExecutionEnvironment environment, KafkaSourceSettings settings, WatchSettings watch) {
    SingleOutputStreamOperator<Either<ProgressMarker, Change>> arrived =
        environment
            .fromSource(
                new DebeziumTopicsSource(settings),
                WatermarkStrategy.noWatermarks(),
                SOURCE,
                DebeziumTopicsSource.TYPE)
            .uid(SOURCE)
            .forceNonParallel()
            .keyBy(row -> row.f0, Types.STRING)
            .transform(ARRIVAL, PostgresChanges.TYPE, new ArrivalOperator(settings.mapping()))
            .uid(ARRIVAL)
            .forceNonParallel();
    if (watch == null) {
      LOG.warn("With source.type kafka and no source.host, {}.", NOT_WATCHED);
      return SourceStreams.of(arrived);
    }
    SingleOutputStreamOperator<Either<ProgressMarker, Change>> watched =
        arrived
            .transform(PostgresChanges.WATCH, PostgresChanges.TYPE, new TopicsWatchOperator(watch))
            .uid(PostgresChanges.WATCH)
            .forceNonParallel();
    return new SourceStreams(
        watched,
        arrived
            .getSideOutput(SourceStreams.FINDINGS)
            .union(watched.getSideOutput(SourceStreams.FINDINGS)));
  }
}
