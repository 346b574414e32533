package io.experimentetl.cdc;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Change;
import io.experimentetl.warehouse.RetainedRows;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.typeutils.EitherTypeInfo;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.types.Either;

/** The source as the pipeline sees it: all captured tables, in commit order, each row once. */
public final class PostgresChanges {

  /** Name and uid of the source. */
  public static final String SOURCE = "postgres-changes";

  /** Name and uid of the step that looks for changes that never enter the stream. */
  public static final String WATCH = "source-watch";

  /** Name and uid of the step after it. */
  public static final String CONTINUITY = "continuity";

  public static final TypeInformation<Either<ProgressMarker, Change>> TYPE =
      new EitherTypeInfo<>(TypeInformation.of(ProgressMarker.class), ChangeTypeInfo.INSTANCE);

  private PostgresChanges() {}

  /** Adds the source and the continuity step, both with parallelism 1 in one chain. */
  public static SourceStreams attach(
      StreamExecutionEnvironment environment, PostgresSourceSettings settings) {
    return attach(environment, settings, null, null);
  }

  /**
   * The same, with a watch for changes that never enter the stream, and for a resync.
   *
   * @param watch null: none
   * @param retainedFrom the older warehouse with rows that the source no longer has; null: none
   */
  public static SourceStreams attach(
      StreamExecutionEnvironment environment,
      PostgresSourceSettings settings,
      WatchSettings watch,
      RetainedRows.From retainedFrom) {
    SingleOutputStreamOperator<Either<ReaderNotice, Change>> source =
        PostgresReader.read(environment, settings).uid(SOURCE).forceNonParallel();
    if (watch != null) {
      source =
          source
              .transform(WATCH, ReaderNotice.OR_CHANGE, new WatchOperator(watch))
              .uid(WATCH)
              .forceNonParallel();
    }
    return SourceStreams.of(
        source
            .transform(CONTINUITY, TYPE, new ContinuityOperator(settings, retainedFrom))
            .uid(CONTINUITY)
            .forceNonParallel());
  }
}
