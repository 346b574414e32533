package io.experimentetl.operations;

import io.experimentetl.JobArguments;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.LocalDate;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
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
      "Recomputes a metric from a day on, from the raw rows in ClickHouse.",
      "It counts users first exposed on or after the day. It stops the job with a savepoint, writes the metric's key since into",
      "the configuration, and starts the present jar from the savepoint. The metric may be new, may have counted from a later day",
      "on, or may have a new definition. Other metrics and their days stay unchanged, and the configuration must name them too."
    })
public final class RestateCommand implements Callable<Integer> {
  private static final Duration RESTATEMENT = Duration.ofHours(6);

  @Spec private CommandSpec spec;

  @Mixin private final DeploymentOptions options;

  @Option(
      names = "--metric",
      paramLabel = "M",
      required = true,
      description = "its name in statistics.metrics")
  private String metric;

  @Option(
      names = "--from",
      paramLabel = "D",
      required = true,
      description = "a day such as 2026-12-01, in each experiment's zone")
  private LocalDate from;

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
    Path config = deployment.files().config();
    try {
      String before = Files.readString(config);
      String after = MetricSince.set(before, metric, from, deployment.config().statistics());
      requireValid(deployment, after);
      String savepoint = job.stop();
      log.accept("savepoint " + savepoint);
      write(config, after);
      try {
        String id =
            job.submit(
                Optional.of(savepoint),
                parallelism,
                List.of(JobArguments.RESTATE, metric),
                RESTATEMENT);
        log.accept(
            "job %s runs from it; %s counts users first exposed on or after %s"
                .formatted(id, metric, from));
        log.accept(
            "%s has the new since; if it is a copy, set since in the original too"
                .formatted(config));
        return 0;
      } catch (OperationsException e) {
        write(config, before);
        throw new OperationsException(
            "nothing was restated, and %s is as it was: %s%n%s"
                .formatted(config, e.getMessage(), job.goBack(savepoint, parallelism)),
            e);
      }
    } catch (IOException e) {
      throw new OperationsException(
          "the job's configuration " + config + " cannot be changed: " + e, e);
    }
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
