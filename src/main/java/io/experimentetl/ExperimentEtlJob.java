package io.experimentetl;

import io.experimentetl.cdc.PostgresChanges;
import io.experimentetl.cdc.PostgresPreflight;
import io.experimentetl.cdc.PostgresSourceSettings;
import io.experimentetl.clickhouse.ClickHousePreflight;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * The job's main: configuration, preflight, environment, pipeline, execute. Usage: {@code --config
 * FILE}.
 */
public final class ExperimentEtlJob {
  private ExperimentEtlJob() {}

  /**
   * Submits the job.
   *
   * @throws IllegalArgumentException with usage, where the arguments are not {@code --config FILE}
   * @throws io.experimentetl.config.InvalidConfigurationException with all errors of the file
   * @throws PreflightException with all that is wrong with the servers
   */
  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 2 || !arguments[0].equals("--config")) {
      throw new IllegalArgumentException("Usage: experiment-etl.jar --config FILE");
    }
    JobConfig config = JobConfig.load(Path.of(arguments[1]), System.getenv());
    PostgresSourceSettings source = sourceSettings(config.source());
    Warehouse warehouse = Warehouse.of(config.clickhouse());

    List<String> problems = new ArrayList<>(PostgresPreflight.check(source));
    problems.addAll(ClickHousePreflight.check(warehouse.connection(), warehouse.schemas()));
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
    problems.addAll(ExperimentEtlPipeline.configure(environment));
    if (!problems.isEmpty()) {
      throw new PreflightException(problems);
    }
    ExperimentEtlPipeline.build(
        config, PostgresChanges.attach(environment, source), warehouse.sinks());
    environment.execute("experiment-etl");
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
