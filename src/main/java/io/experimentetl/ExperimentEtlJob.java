package io.experimentetl;

import io.experimentetl.JobArguments.Check;
import io.experimentetl.audit.SourceComparison;
import io.experimentetl.cdc.KafkaChanges;
import io.experimentetl.cdc.KafkaSourceSettings;
import io.experimentetl.cdc.PostgresChanges;
import io.experimentetl.cdc.PostgresPreflight;
import io.experimentetl.cdc.PostgresSourceSettings;
import io.experimentetl.cdc.SourceStreams;
import io.experimentetl.cdc.WatchSettings;
import io.experimentetl.clickhouse.ClickHousePreflight;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.SourceType;
import io.experimentetl.replicate.Replication;
import io.experimentetl.warehouse.DeclaredMetrics;
import io.experimentetl.warehouse.KnownAllocations;
import io.experimentetl.warehouse.RetainedRows;
import io.experimentetl.warehouse.Warehouse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.HighAvailabilityOptions;
import org.apache.flink.configuration.PipelineOptionsInternal;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.runtime.jobmanager.HighAvailabilityMode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * The job's main: configuration, preflight, environment, pipeline, execute. {@link JobArguments}
 * has its usage.
 */
public final class ExperimentEtlJob {
  /** The job's name on the cluster. */
  public static final String NAME = "experiment-etl";

  /** The name of a job that runs beside it. */
  public static final String GREEN_NAME = NAME + "-green";

  private ExperimentEtlJob() {}

  /**
   * Submits the job.
   *
   * @throws IllegalArgumentException with the usage, for wrong arguments
   * @throws io.experimentetl.config.InvalidConfigurationException with all errors of the file
   * @throws PreflightException with everything that is wrong with the servers
   */
  public static void main(String[] words) throws Exception {
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
    JobArguments arguments = JobArguments.parse(List.of(words));
    onOwnThread(
        () -> {
          prepare(arguments, environment);
          return null;
        });
    environment.execute(arguments.green() ? GREEN_NAME : NAME);
  }

  /**
   * Does the work on a thread that ends with it. On the cluster's own thread, which goes on, what a
   * library keeps per thread (Jackson: its buffers) would keep the class loader of every
   * submission.
   */
  private static void onOwnThread(Callable<Void> work) throws Exception {
    FutureTask<Void> task = new FutureTask<>(work);
    new Thread(task, "experiment-etl-main").start();
    try {
      task.get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof Exception cause ? cause : e;
    } finally {
      task.cancel(true);
    }
  }

  private static void prepare(JobArguments arguments, StreamExecutionEnvironment environment)
      throws Exception {
    JobConfig configured = JobConfig.load(arguments.config(), System.getenv());
    String database = configured.clickhouse().database();
    JobConfig declared = effective(configured, arguments);
    Replication.Resolved replicated = replicated(declared);
    JobConfig config = declared.withReplicated(replicated.tables());
    environment
        .getConfig()
        .setGlobalJobParameters(
            Configuration.fromMap(Map.of(JobArguments.ACTION, arguments.action())));
    List<String> problems = new ArrayList<>(preflight(config, environment, arguments.check()));
    problems.addAll(replicated.problems());
    if (!problems.isEmpty()) {
      throw new PreflightException(problems);
    }
    Warehouse warehouse = Warehouse.of(config, environment.getConfiguration());
    ExperimentEtlPipeline.build(
        config,
        start(arguments, configured, config),
        source(config, environment, arguments.resync() ? retainedFrom(database, config) : null),
        warehouse.sinks(),
        KafkaSinks.of(config));
    if (arguments.runningState().isPresent()) {
      List<String> obstacles =
          new StateFit(environment, arguments.runningState().get().operators())
              .problems(arguments.runningState().get().checkpoint());
      if (!obstacles.isEmpty()) {
        throw new PreflightException(obstacles);
      }
    }
    if (arguments.check().isEmpty()) {
      DeclaredMetrics.write(warehouse.connection(), config.statistics().metrics());
    }
  }

  /** What the catalogues of both servers say about the replicated tables. */
  public static Replication.Resolved replicated(JobConfig config) {
    return Replication.resolve(
        config,
        PostgresSourceSettings.of(config),
        Warehouse.connection(config.clickhouse(), config.clickhouse().database()));
  }

  private static JobConfig effective(JobConfig configured, JobArguments arguments) {
    String database = configured.clickhouse().database();
    if (arguments.green()) {
      return configured.beside(
          JobArguments.greenSlot(configured.source().slot()), JobArguments.greenDatabase(database));
    }
    return arguments.resync()
        ? configured.withClickHouseDatabase(JobArguments.resyncDatabase(database))
        : configured;
  }

  private static StartOptions start(JobArguments arguments, JobConfig configured, JobConfig config)
      throws Exception {
    return new StartOptions(
        arguments
            .restatedMetric()
            .map(metric -> Set.of(restatable(metric, config)))
            .orElse(Set.of()),
        arguments.resync()
            ? KnownAllocations.read(
                Warehouse.connection(configured.clickhouse(), configured.clickhouse().database()))
            : Map.of(),
        arguments
            .correctedAllocation()
            .map(correction -> Map.of(correction.experimentId(), correction.number()))
            .orElse(Map.of()));
  }

  private static String restatable(String metric, JobConfig config) {
    return config.statistics().metrics().stream()
        .filter(candidate -> candidate.name().equals(metric) && candidate.since() != null)
        .map(MetricConfig::name)
        .findAny()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "--restate %s: statistics.metrics has no metric of this name with since: add it, with the first day to recompute"
                        .formatted(metric)));
  }

  /** Configures the environment and checks all servers: every problem with its remedy. */
  static List<String> preflight(JobConfig config, StreamExecutionEnvironment environment) {
    return preflight(config, environment, Optional.empty());
  }

  /** The same, perhaps ahead of a start: see {@link Check}. */
  private static List<String> preflight(
      JobConfig config, StreamExecutionEnvironment environment, Optional<Check> ahead) {
    boolean hasState =
        ahead
            .map(check -> check == Check.SUCCESSOR)
            .orElseGet(() -> mayHaveState(environment.getConfiguration()));
    Warehouse warehouse = Warehouse.of(config, environment.getConfiguration());
    List<String> problems =
        new ArrayList<>(
            config.source().type() == SourceType.POSTGRES
                ? PostgresPreflight.check(
                    PostgresSourceSettings.of(config), hasState, ahead.isPresent())
                : List.of());
    problems.addAll(
        ClickHousePreflight.check(
            warehouse.connection(),
            warehouse.schemas(),
            List.of(DeclaredMetrics.SCHEMA),
            !hasState && ahead.isEmpty()));
    if (hasState && problems.isEmpty() && !config.replicate().isEmpty()) {
      problems.addAll(
          Replication.unread(
              config.replicate(), PostgresSourceSettings.of(config), warehouse.connection()));
    }
    problems.addAll(KafkaPreflight.check(config, hasState));
    problems.addAll(ExperimentEtlPipeline.configure(environment));
    return problems;
  }

  /**
   * Whether the job is started from a savepoint or checkpoint. In application mode with high
   * availability main has a job id and runs again when a JobManager takes over: the job may then
   * have state although no savepoint is configured.
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
        config.retention().postgres().events(),
        config.retention().postgres().assignments(),
        config.source().tables().retentionOfFacts());
  }

  /**
   * The source that the configuration names.
   *
   * @param retained null: nothing is kept of an older warehouse
   */
  static SourceStreams source(
      JobConfig config, StreamExecutionEnvironment environment, RetainedRows.From retained) {
    if (config.source().type() == SourceType.POSTGRES) {
      return PostgresChanges.attach(
          environment, PostgresSourceSettings.of(config), watch(config), retained);
    }
    if (retained != null) {
      throw new IllegalArgumentException(
          "--resync needs source.type: postgres. With kafka, let Debezium take a new snapshot into empty topics, and start into an empty ClickHouse database.");
    }
    return KafkaChanges.attach(
        environment,
        new KafkaSourceSettings(
            KafkaSinks.client(config),
            config.kafka().sourceTopicPrefix(),
            config.source().tables(),
            config.outbox().enabled()),
        config.source().watchesTopics() ? watch(config) : null);
  }

  /** How the source is watched for changes that never enter the stream. */
  static WatchSettings watch(JobConfig config) {
    return new WatchSettings(
        PostgresSourceSettings.of(config),
        config.source().unstreamedChanges(),
        new SourceComparison(config));
  }
}
