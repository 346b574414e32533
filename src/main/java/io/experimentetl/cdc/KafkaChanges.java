package io.experimentetl.cdc;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
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

  /** Adds the source and the step after it, both with parallelism 1. */
  public static SourceStreams attach(
      StreamExecutionEnvironment environment, KafkaSourceSettings settings) {
    LOG.warn(
        "With source.type kafka nothing looks for changes that never enter the stream, such as a table out of Debezium's publication or an attached partition. Compare the rows by verify.");
    return SourceStreams.of(
        environment
            .fromSource(
                new DebeziumTopicsSource(settings),
                WatermarkStrategy.noWatermarks(),
                SOURCE,
                DebeziumTopicsSource.TYPE)
            .uid(SOURCE)
            .forceNonParallel()
            .keyBy(row -> row.f0, Types.STRING)
            .transform(ARRIVAL, PostgresChanges.TYPE, new ArrivalOperator())
            .uid(ARRIVAL)
            .forceNonParallel());
  }
}
