package io.experimentetl;

import io.experimentetl.cdc.KafkaChanges;
import io.experimentetl.cdc.KafkaSourceSettings;
import io.experimentetl.cdc.PostgresChanges;
import io.experimentetl.cdc.PostgresPreflight;
import io.experimentetl.cdc.PostgresSourceSettings;
import io.experimentetl.clickhouse.ClickHousePreflight;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.config.SourceType;
import io.experimentetl.model.Change;
import io.experimentetl.warehouse.RetainedRows;
import io.experimentetl.warehouse.Warehouse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.flink.configuration.HighAvailabilityOptions;
import org.apache.flink.configuration.PipelineOptionsInternal;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.runtime.jobmanager.HighAvailabilityMode;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.types.Either;

/**
 * The job's main: configuration, preflight, environment, pipeline, execute. Usage: {@code --config
 * FILE [--retained-from DATABASE | --restate METRIC]}.
 */
public final class ExperimentEtlJob {
  /** The job's name on the cluster. */
  public static final String NAME = "experiment-etl";

  private ExperimentEtlJob() {}

  /**
   * Submits the job.
   *
   * @throws IllegalArgumentException with usage, where the arguments are others
   * @throws io.experimentetl.config.InvalidConfigurationException with all errors of the file
   * @throws PreflightException with all that is wrong with the servers
   */
  public static void main(String[] arguments) throws Exception {
    boolean resync = arguments.length == 4 && arguments[2].equals("--retained-from");
    boolean restate = arguments.length == 4 && arguments[2].equals("--restate");
    if ((arguments.length != 2 && !resync && !restate) || !arguments[0].equals("--config")) {
      throw new IllegalArgumentException(
          "Usage: experiment-etl.jar --config FILE [--retained-from DATABASE | --restate METRIC]\n"
              + "  --retained-from: a start without state keeps the facts beyond the source's retention that the"
              + " older warehouse in this database of the same ClickHouse has\n"
              + "  --restate: a start from a savepoint that knows the metric not, or otherwise, recomputes its days from"
              + " the raw rows in ClickHouse, from the day on that the metric's since names");
    }
    JobConfig config = JobConfig.load(Path.of(arguments[1]), System.getenv());
    Set<String> restated = restate ? Set.of(restatable(arguments[3], config)) : Set.of();
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
    List<String> problems = preflight(config, environment);
    if (!problems.isEmpty()) {
      throw new PreflightException(problems);
    }
    ExperimentEtlPipeline.build(
        config,
        restated,
        changes(config, environment, resync ? retainedFrom(arguments[3], config) : null),
        Warehouse.of(config, environment.getConfiguration()).sinks(),
        KafkaSinks.of(config));
    environment.execute(NAME);
  }

  private static String restatable(String metric, JobConfig config) {
    return config.statistics().metrics().stream()
        .filter(candidate -> candidate.name().equals(metric) && candidate.since() != null)
        .map(MetricConfig::name)
        .findAny()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "--restate %s: statistics.metrics has no metric of this name with since: add it, with the day from which it is to be recomputed"
                        .formatted(metric)));
  }

  /** Configures the environment, and looks at all servers: all that is wrong, with what to do. */
  static List<String> preflight(JobConfig config, StreamExecutionEnvironment environment) {
    boolean hasState = mayHaveState(environment.getConfiguration());
    Warehouse warehouse = Warehouse.of(config, environment.getConfiguration());
    List<String> problems =
        new ArrayList<>(
            config.source().type() == SourceType.POSTGRES
                ? PostgresPreflight.check(sourceSettings(config.source()), hasState)
                : List.of());
    problems.addAll(
        ClickHousePreflight.check(warehouse.connection(), warehouse.schemas(), !hasState));
    problems.addAll(KafkaPreflight.check(config, hasState));
    problems.addAll(ExperimentEtlPipeline.configure(environment));
    return problems;
  }

  /**
   * Whether the job is started from a savepoint or checkpoint. In application mode with high
   * availability, which alone gives main a job's id, main runs again when a JobManager takes over:
   * there the state may be found behind it.
   */
  private static boolean mayHaveState(ReadableConfig configuration) {
    return configuration.getOptional(StateRecoveryOptions.SAVEPOINT_PATH).isPresent()
        || (configuration.getOptional(PipelineOptionsInternal.PIPELINE_FIXED_JOB_ID).isPresent()
            && !configuration
                .get(HighAvailabilityOptions.HA_MODE)
                .equalsIgnoreCase(HighAvailabilityMode.NONE.name()));
  }

  private static RetainedRows.From retainedFrom(String database, JobConfig config) {
    return new RetainedRows.From(
        Warehouse.connection(config.clickhouse(), database),
        config.source().eventRetention(),
        config.source().assignmentRetention());
  }

  /**
   * The source that the configuration names.
   *
   * @param retained null: nothing is kept of an older warehouse
   */
  static DataStream<Either<ProgressMarker, Change>> changes(
      JobConfig config, StreamExecutionEnvironment environment, RetainedRows.From retained) {
    if (config.source().type() == SourceType.POSTGRES) {
      return PostgresChanges.attach(environment, sourceSettings(config.source()), retained);
    }
    if (retained != null) {
      throw new IllegalArgumentException(
          "--retained-from needs source.type: postgres. With kafka, let Debezium take a new snapshot into empty topics, and start into an empty ClickHouse database.");
    }
    return KafkaChanges.attach(
        environment,
        new KafkaSourceSettings(KafkaSinks.client(config), config.kafka().sourceTopicPrefix()));
  }

  static PostgresSourceSettings sourceSettings(SourceConfig source) {
    return new PostgresSourceSettings(
        source.host(),
        source.port(),
        source.database(),
        source.schema(),
        source.username(),
        source.password()::value,
        source.publication(),
        source.slot(),
        source.heartbeatInterval(),
        source.splitSize());
  }
}
