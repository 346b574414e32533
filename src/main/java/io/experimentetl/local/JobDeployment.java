package io.experimentetl.local;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.ExperimentEtlPipeline;
import io.experimentetl.config.InvalidConfigurationException;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.operations.FlinkEndpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** The job on a platform: submitted, stopped with a savepoint, submitted again from it. */
public final class JobDeployment {
  private static final String STARTED_ANEW = "started-anew";

  /** What the job that ran last was submitted with: {@code job.yaml} may be edited meanwhile. */
  private static final String CONFIGURATION_THAT_RUNS = "job-running.yaml";

  private static final Duration RUNNING_DEADLINE = Duration.ofMinutes(2);
  private static final Duration SAVEPOINT_DEADLINE = Duration.ofMinutes(10);

  private final PlatformAddresses platform;
  private final Path jar;

  /**
   * A job jar for a platform.
   *
   * @param jar the shaded job jar
   */
  public JobDeployment(PlatformAddresses platform, Path jar) {
    this.platform = platform;
    this.jar = jar;
    if (!Files.exists(jar)) {
      throw new PlatformException(
          "the job's jar " + jar + " is not built; run mvn -DskipTests package");
    }
  }

  /**
   * Submits the job and waits until all its tasks run.
   *
   * @param from a savepoint's or checkpoint's path; empty: without state
   * @param parallelism 0: the cluster's default
   * @param arguments behind {@code --config FILE}
   * @return the job's id
   */
  public String submit(Optional<String> from, int parallelism, List<String> arguments) {
    return submit(from, parallelism, arguments, RUNNING_DEADLINE);
  }

  /**
   * The same.
   *
   * @param deadline until when all tasks must run
   */
  String submit(Optional<String> from, int parallelism, List<String> arguments, Duration deadline) {
    requireNoActiveJob();
    requireEffectiveConfiguration();
    requireSlots(parallelism);
    List<String> all = new ArrayList<>(List.of("--config", platform.jobConfig().toString()));
    all.addAll(arguments);
    String id =
        platform
            .flink()
            .submit(jar, all, from, parallelism > 0 ? parallelism : defaultParallelism());
    platform.flink().awaitAllTasksRunning(id, deadline);
    keepConfiguration();
    return id;
  }

  private Path configurationThatRuns() {
    return platform.jobConfig().resolveSibling(CONFIGURATION_THAT_RUNS);
  }

  private void keepConfiguration() {
    Path kept = configurationThatRuns();
    try {
      Files.copy(platform.jobConfig(), kept, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new PlatformException(
          "the job runs, and its configuration can't be kept in " + kept + ": " + e, e);
    }
  }

  /**
   * When the job that was to follow is refused, brings back the one that was stopped for it: from
   * its savepoint, with the configuration that it ran with.
   *
   * @param parallelism 0: the cluster's default
   * @return a sentence that says what runs now, or how to go on
   */
  String goBack(String savepoint, int parallelism) {
    Path kept = configurationThatRuns();
    Optional<FlinkEndpoint.Job> active = platform.flink().activeJob(ExperimentEtlJob.NAME);
    if (active.isPresent()) {
      return "It is %s and may still come to run: see ./etl status. To go back, cancel it in the Flink web UI, then ./etl submit --from %s"
          .formatted(active.get().state(), savepoint);
    }
    try {
      String job =
          new JobDeployment(platform.withJobConfig(kept), jar)
              .submit(Optional.of(savepoint), parallelism, List.of());
      return "Job %s goes on where the former one stopped, with the configuration of before, %s. Mend what the message says in %s, and run this again."
          .formatted(job, kept, platform.jobConfig());
    } catch (PlatformException | InvalidConfigurationException e) {
      return "Nothing runs now: with the configuration of before, %s, the job does not go on either (%s). Mend what the messages say, or go back to the old jar, then ./etl submit --from %s"
          .formatted(kept, e.getMessage(), savepoint);
    }
  }

  /**
   * Looks, before the job that runs is stopped, whether another can follow it.
   *
   * @param parallelism 0: the cluster's default
   * @param ending names of the metrics that end with it
   * @throws PlatformException saying what is in the way
   */
  void requireSuccessor(int parallelism, Collection<String> ending) {
    try {
      requireEffectiveConfiguration();
      requireSlots(parallelism);
      requireMetrics(ending);
    } catch (PlatformException | InvalidConfigurationException e) {
      throw new PlatformException(e.getMessage() + "\nThe job that runs was not touched.", e);
    }
  }

  /**
   * A metric that is not counted any more never is again under its name: so its end is said, and
   * not brought about by leaving it out.
   *
   * @param ending names of the metrics that may end
   */
  void requireMetrics(Collection<String> ending) {
    Path kept = configurationThatRuns();
    if (!Files.exists(kept)) {
      return;
    }
    Set<String> lost = metrics(platform.withJobConfig(kept));
    lost.removeAll(metrics(platform));
    lost.removeAll(ending);
    if (!lost.isEmpty()) {
      throw new PlatformException(
          "statistics.metrics of %s lacks metrics that have been counted (%s): they would end for good, and their names could not be given again. Add them there (a list there takes the place of the default one; %s has it as it ran), or end them: %s (of ./etl redeploy and ./etl submit)"
              .formatted(
                  platform.jobConfig(),
                  String.join(", ", lost),
                  kept,
                  lost.stream().map(name -> "--end " + name).collect(Collectors.joining(" "))));
    }
  }

  private static Set<String> metrics(PlatformAddresses platform) {
    return platform.loadJobConfig().statistics().metrics().stream()
        .map(MetricConfig::name)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** Two jobs can't share a replication slot. */
  public void requireNoActiveJob() {
    platform
        .flink()
        .activeJob(ExperimentEtlJob.NAME)
        .ifPresent(
            job -> {
              throw new PlatformException(
                  "job %s (%s) is %s already; two jobs can't share a replication slot. Use ./etl redeploy, or first cancel it at %s"
                      .formatted(job.name(), job.id(), job.state(), platform.flink().url()));
            });
  }

  /** What the job would read must be sound, and all that is set must reach it. */
  public void requireEffectiveConfiguration() {
    platform.launch().requireSameOverrides(System.getenv());
    platform.loadJobConfig();
  }

  /**
   * The cluster must hold the job before the one that runs is stopped. Another's cluster may start
   * TaskManagers as they are asked for: only ours is counted.
   *
   * @param parallelism 0: the cluster's default
   * @throws PlatformException saying how many slots there are
   */
  public void requireSlots(int parallelism) {
    int needed = parallelism > 0 ? parallelism : defaultParallelism();
    if (needed > ExperimentEtlPipeline.MAX_PARALLELISM) {
      throw new PlatformException(
          "parallelism %d is more than the %d that the job's state can be spread over: give less"
              .formatted(needed, ExperimentEtlPipeline.MAX_PARALLELISM));
    }
    int slots = platform.launch().ownFlink() ? platform.flink().slots() : needed;
    if (needed > slots) {
      throw new PlatformException(
          "parallelism %d needs as many slots; the cluster has %d: give less, or start more TaskManagers (./etl down, ./etl up --task-managers N)"
              .formatted(needed, slots));
    }
  }

  /** Flink's REST interface takes 1 where nothing is said. */
  private int defaultParallelism() {
    return platform.flink().setting("parallelism.default").map(Integer::parseInt).orElse(1);
  }

  /** Stops the active job with a canonical savepoint and returns its path. */
  public String stop() {
    FlinkEndpoint.Job job =
        platform
            .flink()
            .activeJob(ExperimentEtlJob.NAME)
            .orElseThrow(
                () ->
                    new PlatformException(
                        "no job runs on " + platform.flink().url() + "; use ./etl submit"));
    String directory =
        platform
            .savepoints()
            .orElseGet(
                () ->
                    platform
                        .flink()
                        .setting("execution.checkpointing.savepoint-dir")
                        .orElseThrow(
                            () ->
                                new PlatformException(
                                    "the cluster has no savepoint directory; set execution.checkpointing.savepoint-dir")));
    return platform.flink().stopWithSavepoint(job.id(), directory, SAVEPOINT_DEADLINE);
  }

  /**
   * Stops the active job with a savepoint and submits today's jar from it; returns the new job's
   * id.
   */
  public String redeploy(int parallelism) {
    return submit(Optional.of(stop()), parallelism, List.of());
  }

  /**
   * The latest completed savepoint or retained checkpoint of a platform directory, since the last
   * start without state.
   */
  public static Optional<String> latestState(Path directory) {
    long started = directory.resolve("flink").resolve(STARTED_ANEW).toFile().lastModified();
    try {
      return StoredState.metadata(directory).stream()
          .filter(file -> file.toFile().lastModified() >= started)
          .max(Comparator.comparingLong(file -> file.toFile().lastModified()))
          .map(file -> file.getParent().toUri().toString());
    } catch (IOException e) {
      throw new PlatformException("the state in " + directory + " can't be listed: " + e, e);
    }
  }

  /**
   * From now on older state is not the latest any more: it knows nothing of what the warehouse
   * holds.
   */
  static void forgetState(Path directory) {
    Path marker = directory.resolve("flink").resolve(STARTED_ANEW);
    try {
      Files.createDirectories(marker.getParent());
      Files.writeString(marker, Instant.now() + "\n");
    } catch (IOException e) {
      throw new PlatformException(marker + " can't be written: " + e, e);
    }
  }
}
