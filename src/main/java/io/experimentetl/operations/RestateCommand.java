package io.experimentetl.operations;

import io.experimentetl.JobArguments;
import io.experimentetl.JobArguments.CorrectedAllocation;
import io.experimentetl.clickhouse.ClickHouseReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.YearMonth;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The verb {@code restate}. */
@Command(
    name = "restate",
    mixinStandardHelpOptions = true,
    description = {
      "With --metric: recomputes a metric from a day on, from the raw rows in ClickHouse.",
      "It counts users first exposed on or after the day. It stops the job with a savepoint, writes the metric's key since into "
          + "the configuration, and starts the present jar from the savepoint. The metric may be new, may have counted from a later day "
          + "on, or may have a new definition. Other metrics and their days stay unchanged, and the configuration must name them too.",
      "With --allocation: tests the sample ratio of all users of an experiment, on all days, against its present allocation. Run it when "
          + "a wrong allocation_pct was corrected. After an intended change of the allocation there is nothing to run."
    })
public final class RestateCommand implements Callable<Integer> {
  private static final Duration RESTATEMENT = Duration.ofHours(6);

  @Spec private CommandSpec spec;

  @Mixin private final DeploymentOptions options;

  @ArgGroup(multiplicity = "1")
  private What what;

  /** What is restated. */
  private static final class What {
    @ArgGroup(exclusive = false, multiplicity = "1")
    private Metric metric;

    @Option(
        names = "--allocation",
        paramLabel = "EXPERIMENT",
        description = "the key or id of an experiment")
    private String experiment;
  }

  /** A metric, and the first day. */
  private static final class Metric {
    @Option(
        names = "--metric",
        paramLabel = "M",
        required = true,
        description = "its name in statistics.metrics")
    private String name;

    @Option(
        names = "--from",
        paramLabel = "D",
        required = true,
        description = "a day such as 2026-12-01, in each experiment's zone")
    private LocalDate from;
  }

  @Option(
      names = "--parallelism",
      paramLabel = "N",
      description = "default: the cluster's parallelism.default")
  private int parallelism;

  public RestateCommand(DeploymentOptions options) {
    this.options = options;
  }

  @Override
  public Integer call() {
    Consumer<String> log = Lines.to(spec.commandLine().getOut());
    Deployment deployment = options.deployment();
    JobDeployment job = new JobDeployment(deployment, log);
    job.requireJar();
    job.requireSuccessor(parallelism, List.of());
    return what.experiment == null
        ? restateMetric(deployment, job, what.metric, log)
        : restateAllocation(deployment, job, log);
  }

  private int restateAllocation(Deployment deployment, JobDeployment job, Consumer<String> log) {
    long id = idOf(what.experiment, deployment);
    CorrectedAllocation correction =
        new CorrectedAllocation(id, ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()));
    String savepoint = job.stop();
    log.accept("savepoint " + savepoint);
    try {
      String next =
          job.submit(
              Optional.of(savepoint),
              parallelism,
              List.of(JobArguments.RESTATE_ALLOCATION, correction.toString()));
      log.accept(
          "job %s runs from it; all users of experiment %s are tested against its present allocation"
              .formatted(next, what.experiment));
      new FirstCheckpoint(deployment.flink(), log).await(next);
      return 0;
    } catch (FirstCheckpoint.LateException e) {
      throw e;
    } catch (OperationsException e) {
      throw new OperationsException(
          "nothing was restated: %s%n%s"
              .formatted(e.getMessage(), job.goBack(savepoint, parallelism)),
          e);
    }
  }

  private static long idOf(String experiment, Deployment deployment) {
    List<Long> ids =
        deployment
            .databases()
            .clickHouse()
            .list(
                "SELECT id FROM experiments FINAL WHERE key = %1$s OR toString(id) = %1$s ORDER BY key = %1$s DESC"
                    .formatted(ClickHouseReader.literal(experiment)),
                row -> row.getLong(1));
    if (ids.isEmpty()) {
      throw new OperationsException(
          "ClickHouse has no experiment with the key or id %s; all: SELECT id, key, name FROM experiments FINAL"
              .formatted(experiment));
    }
    return ids.get(0);
  }

  private int restateMetric(
      Deployment deployment, JobDeployment job, Metric metric, Consumer<String> log) {
    Path config = deployment.files().config();
    try {
      String before = Files.readString(config);
      String after =
          MetricSince.set(before, metric.name, metric.from, deployment.config().statistics());
      requireValid(deployment, after);
      try (ColdStorage.Hold hold = recall(deployment, metric.name, metric.from, log)) {
        return restateMetric(deployment, job, metric, before, after, log);
      }
    } catch (IOException e) {
      throw new OperationsException(
          "the job's configuration " + config + " cannot be changed: " + e, e);
    }
  }

  private int restateMetric(
      Deployment deployment,
      JobDeployment job,
      Metric metric,
      String before,
      String after,
      Consumer<String> log)
      throws IOException {
    Path config = deployment.files().config();
    String savepoint = job.stop();
    log.accept("savepoint " + savepoint);
    write(config, after);
    try {
      String id =
          job.submit(
              Optional.of(savepoint),
              parallelism,
              List.of(JobArguments.RESTATE, metric.name),
              RESTATEMENT);
      log.accept(
          "job %s runs from it; %s counts users first exposed on or after %s"
              .formatted(id, metric.name, metric.from));
      log.accept(
          "%s has the new since; if it is a copy, set since in the original too".formatted(config));
      new FirstCheckpoint(deployment.flink(), log).await(id);
      return 0;
    } catch (FirstCheckpoint.LateException e) {
      throw e;
    } catch (OperationsException e) {
      write(config, before);
      throw new OperationsException(
          "nothing was restated, and %s is as it was: %s%n%s"
              .formatted(config, e.getMessage(), job.goBack(savepoint, parallelism)),
          e);
    }
  }

  /** The raw rows from the day on, and those of the metric's covariate before it. */
  private static ColdStorage.Hold recall(
      Deployment deployment, String metric, LocalDate from, Consumer<String> log) {
    long covariateDays =
        deployment.config().statistics().metrics().stream()
            .filter(known -> known.name().equals(metric) && known.covariate() != null)
            .mapToLong(known -> known.covariate().toDays() + 1)
            .max()
            .orElse(0);
    // A day begins up to a day earlier in UTC.
    return new ColdStorage(deployment.databases(), Clock.systemUTC())
        .recall(YearMonth.from(from.minusDays(covariateDays + 1)), log);
  }

  /** Checks the changed text before the job is stopped. */
  private static void requireValid(Deployment deployment, String yaml) throws IOException {
    Path draft = deployment.memory().directory().resolve("job-restate.yaml");
    try {
      Files.writeString(draft, yaml);
      deployment.config(draft);
    } finally {
      Files.deleteIfExists(draft);
    }
  }

  /** Replaces the file at once, so that a JobManager never reads half of it. */
  private static void write(Path config, String yaml) throws IOException {
    Path draft = config.resolveSibling(config.getFileName() + ".draft");
    Files.writeString(draft, yaml);
    Files.move(draft, config, StandardCopyOption.ATOMIC_MOVE);
  }
}
