package io.experimentetl.cdc;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Change;
import io.experimentetl.warehouse.RetainedRows;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.typeutils.EitherTypeInfo;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.types.Either;

/** The source as the pipeline sees it: all captured tables, in commit order, each row once. */
public final class PostgresChanges {

  /** Name and uid of the source. */
  public static final String SOURCE = "postgres-changes";

  /** Name and uid of the step after it. */
  public static final String CONTINUITY = "continuity";

  public static final TypeInformation<Either<ProgressMarker, Change>> TYPE =
      new EitherTypeInfo<>(TypeInformation.of(ProgressMarker.class), ChangeTypeInfo.INSTANCE);

  private PostgresChanges() {}

  /** Adds the source and the continuity step, both with parallelism 1 in one chain. */
  public static SourceStreams attach(
      StreamExecutionEnvironment environment, PostgresSourceSettings settings) {
    return attach(environment, settings, null);
  }

  /**
   * The same, for a resync.
   *
   * @param retainedFrom the older warehouse with rows that the source no longer has; null: none
   */
  public static SourceStreams attach(
      StreamExecutionEnvironment environment,
      PostgresSourceSettings settings,
      RetainedRows.From retainedFrom) {
    return SourceStreams.of(
        environment
            .fromSource(
                new PostgresChangeSource(settings),
                WatermarkStrategy.noWatermarks(),
                SOURCE,
                ChangeDeserializer.TYPE)
            .uid(SOURCE)
            .forceNonParallel()
            .transform(CONTINUITY, TYPE, new ContinuityOperator(settings, retainedFrom))
            .uid(CONTINUITY)
            .forceNonParallel());
  }
}
