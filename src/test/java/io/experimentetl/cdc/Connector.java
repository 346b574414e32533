package io.experimentetl.cdc;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Change;
import io.experimentetl.model.SourceTable;
import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.cdc.connectors.postgres.source.PostgresSourceBuilder.PostgresIncrementalSource;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.types.Either;

/** The source under test, which reads the database into the {@link Ledger}. */
enum Connector {
  /** The source and the continuity step as in the pipeline. */
  OURS {
    @Override
    DataStream<Either<ProgressMarker, Change>> attach(
        StreamExecutionEnvironment environment, PostgresSourceSettings settings) {
      return PostgresChanges.attach(environment, settings).changes();
    }
  },

  /** Flink CDC's unchanged source, without the continuity step. */
  STOCK {
    @Override
    DataStream<Either<ProgressMarker, Change>> attach(
        StreamExecutionEnvironment environment, PostgresSourceSettings settings) {
      return environment
          .fromSource(
              stock(settings),
              WatermarkStrategy.noWatermarks(),
              PostgresChanges.SOURCE,
              ReaderNotice.OR_CHANGE)
          .uid(PostgresChanges.SOURCE)
          .flatMap(
              (FlatMapFunction<Either<ReaderNotice, Change>, Either<ProgressMarker, Change>>)
                  (value, out) -> {
                    if (value.isRight()) {
                      out.collect(Either.Right(value.right()));
                    }
                  })
          .returns(PostgresChanges.TYPE)
          .uid("changes");
    }
  };

  abstract DataStream<Either<ProgressMarker, Change>> attach(
      StreamExecutionEnvironment environment, PostgresSourceSettings settings);

  /** Only the settings that tables, publication and row types require, and short waits. */
  private static PostgresIncrementalSource<Either<ReaderNotice, Change>> stock(
      PostgresSourceSettings settings) {
    Properties debezium = new Properties();
    debezium.setProperty("publication.name", settings.publication());
    debezium.setProperty("publication.autocreate.mode", "disabled");
    debezium.setProperty("poll.interval.ms", "10");
    debezium.setProperty("converters", "micros");
    debezium.setProperty("micros.type", MicrosConverter.class.getName());
    return PostgresIncrementalSource.<Either<ReaderNotice, Change>>builder()
        .hostname(settings.host())
        .port(settings.port())
        .database(settings.database())
        .tableList(
            Arrays.stream(SourceTable.values())
                .map(table -> settings.schema() + "." + table.tableName())
                .toArray(String[]::new))
        .username(settings.username())
        .password(settings.password().get())
        .decodingPluginName("pgoutput")
        .slotName(settings.slot())
        .splitSize(settings.splitSize())
        .heartbeatInterval(settings.heartbeatInterval())
        .includePartitionedTables(true)
        .debeziumProperties(debezium)
        .deserializer(new StockDeserializer())
        .build();
  }

  /** Starts a job with checkpoints and restarts. It writes the ledger of that name. */
  JobClient start(PostgresSourceSettings settings, String ledger, Duration checkpoints)
      throws Exception {
    return start(environment(checkpoints), settings, ledger);
  }

  JobClient startFrom(String savepoint, PostgresSourceSettings settings, String ledger)
      throws Exception {
    StreamExecutionEnvironment environment = environment(Duration.ofMillis(250));
    environment.configure(new Configuration().set(StateRecoveryOptions.SAVEPOINT_PATH, savepoint));
    return start(environment, settings, ledger);
  }

  JobClient start(
      StreamExecutionEnvironment environment, PostgresSourceSettings settings, String ledger)
      throws Exception {
    attach(environment, settings)
        .transform("ledger", Ledger.type(), new Ledger(ledger))
        .uid("ledger")
        .sinkTo(new DiscardingSink<>())
        .uid("sink");
    return environment.executeAsync(ledger);
  }

  static StreamExecutionEnvironment environment(Duration checkpointInterval) {
    Configuration configuration = new Configuration();
    configuration.set(PipelineOptions.AUTO_GENERATE_UIDS, false);
    configuration.set(PipelineOptions.GENERIC_TYPES, false);
    configuration.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, checkpointInterval);
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "fixed-delay");
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_ATTEMPTS, 1000);
    configuration.set(
        RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_DELAY, Duration.ofMillis(50));
    return StreamExecutionEnvironment.getExecutionEnvironment(configuration).setParallelism(1);
  }
}
