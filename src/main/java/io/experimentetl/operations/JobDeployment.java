package io.experimentetl.operations;

import static io.experimentetl.JobArguments.CHECKPOINT_IS_GONE;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.ExperimentEtlPipeline;
import io.experimentetl.JobArguments.Check;
import io.experimentetl.JobArguments.RunningState;
import io.experimentetl.config.InvalidConfigurationException;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/** Submits the job, stops it with a savepoint, and submits it again from there. */
public final class JobDeployment {
  static final Duration RUNNING_DEADLINE = Duration.ofMinutes(2);
  static final Duration SAVEPOINT_DEADLINE = Duration.ofMinutes(10);
  private static final int STATE_ATTEMPTS = 5;

  private final Deployment deployment;
  private final Consumer<String> log;
  private Boolean applicationMode;

  /**
   * Works on one deployment.
   *
   * @param log takes lines for the person at the command line
   */
  public JobDeployment(Deployment deployment, Consumer<String> log) {
    this.deployment = deployment;
    this.log = log;
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
   * @param deadline how long the tasks may take until all run
   */
  String submit(Optional<String> from, int parallelism, List<String> arguments, Duration deadline) {
    requireNoActiveJob();
    requireEffectiveConfiguration();
    requireSlots(parallelism);
    String id = starter(deadline).start(from, effective(parallelism), withConfig(arguments));
    deployment.memory().keepRunningConfiguration(deployment.files().config());
    return id;
  }

  /** The arguments of the job's main. */
  List<String> withConfig(List<String> arguments) {
    List<String> all = new ArrayList<>(List.of("--config", deployment.files().configOnCluster()));
    all.addAll(arguments);
    return all;
  }

  /** Flink's REST interface takes 1 when a submission names no parallelism. */
  int effective(int parallelism) {
    return parallelism > 0 || isInApplicationMode() ? parallelism : defaultParallelism();
  }

  private JobStarter starter(Duration runningDeadline) {
    return isInApplicationMode()
        ? new ApplicationStarter(deployment, log)
        : new SessionStarter(deployment, runningDeadline);
  }

  /** A cluster that does not answer yet is one that starts with its job. */
  boolean isInApplicationMode() {
    if (applicationMode == null) {
      applicationMode = !deployment.flink().answers() || deployment.flink().refusesJars();
    }
    return applicationMode;
  }

  private Optional<FlinkEndpoint.Job> activeJob() {
    try {
      return deployment.flink().activeJob(ExperimentEtlJob.NAME);
    } catch (FlinkHttp.NoAnswerException e) {
      if (isInApplicationMode()) {
        return Optional.empty();
      }
      throw e;
    }
  }

  /**
   * Starts the former job again when the new one was refused: from its savepoint, with the
   * configuration that it ran with.
   *
   * @param parallelism 0: the cluster's default
   * @return a sentence about the job that runs now, or the remedy
   */
  String goBack(String savepoint, int parallelism) {
    Optional<FlinkEndpoint.Job> active = activeJob();
    if (active.isPresent()) {
      return "It is %s and may still come to run: see status. To go back, cancel it in the Flink web UI, then run submit --from %s"
          .formatted(active.get().state(), savepoint);
    }
    return deployment
        .memory()
        .runningConfiguration()
        .map(
            former ->
                starter(RUNNING_DEADLINE)
                    .startFormer(deployment.withConfig(former), savepoint, parallelism))
        .orElseGet(
            () ->
                "No job runs now, and the configuration that the former one ran with is not known, because submit did not start it: restore it in %s, then run submit --from %s"
                    .formatted(deployment.files().config(), savepoint));
  }

  /**
   * Checks, before the running job is stopped, whether another can follow it.
   *
   * @param parallelism 0: the cluster's default
   * @param ending names of the metrics that end with it
   * @throws OperationsException with the obstacle
   */
  void requireSuccessor(int parallelism, Collection<String> ending) {
    untouched(
        () -> {
          new UnfinishedResync(deployment).requireNone();
          new BlueGreenMemory(deployment.memory()).requireNone();
          requireEffectiveConfiguration();
          requireSlots(parallelism);
          requireMetrics(ending);
          requireServers(Check.SUCCESSOR, parallelism);
        });
  }

  /**
   * Refuses a metric that was not counted before and counts from the first day on. restate sets its
   * day, and asks nothing here.
   *
   * @throws OperationsException with the metrics and both ways
   */
  void requireSinceOfNewMetrics() {
    untouched(() -> requireSince(CountedMetrics.of(deployment.databases())));
  }

  private void requireSince(Set<String> counted) {
    List<String> added =
        deployment.config().statistics().metrics().stream()
            .filter(metric -> metric.since() == null && !counted.contains(metric.name()))
            .map(MetricConfig::name)
            .toList();
    if (!counted.isEmpty() && !added.isEmpty()) {
      throw new OperationsException(
          "statistics.metrics of %s adds %s without since: set since to a day that begins later than now by the covariate's period and 18 hours, or count earlier days too: %s"
              .formatted(
                  deployment.files().config(),
                  String.join(", ", added),
                  added.stream()
                      .map(name -> "restate --metric " + name + " --from DAY")
                      .collect(Collectors.joining(", then "))));
    }
  }

  private static void untouched(Runnable check) {
    try {
      check.run();
    } catch (OperationsException | InvalidConfigurationException e) {
      throw new OperationsException(e.getMessage() + "\nThe running job was not touched.", e);
    }
  }

  /**
   * Refuses a configuration that leaves out a metric. A metric that has ended cannot be counted
   * again under its name, so its end must be stated.
   *
   * @param ending names of the metrics that may end
   */
  void requireMetrics(Collection<String> ending) {
    Optional<Path> running = deployment.memory().runningConfiguration();
    if (running.isEmpty()) {
      return;
    }
    Set<String> lost = metrics(deployment.config(running.get()));
    lost.removeAll(metrics(deployment.config()));
    lost.removeAll(ending);
    if (!lost.isEmpty()) {
      throw new OperationsException(
          "statistics.metrics of %s does not contain metrics that have been counted (%s): they would end permanently, and their names could not be used again. Add them there (a list there replaces the default list; %s is the configuration that the job ran with), or end them: %s (of redeploy and submit)"
              .formatted(
                  deployment.files().config(),
                  String.join(", ", lost),
                  running.get(),
                  lost.stream().map(name -> "--end " + name).collect(Collectors.joining(" "))));
    }
  }

  /**
   * Lets the job's own preflight check all servers, from the cluster, before anything is changed. A
   * cluster in application mode takes no jar: there the deployment's start checks them.
   *
   * @param parallelism 0: the cluster's default
   * @throws OperationsException with every problem
   */
  void requireServers(Check check, int parallelism) {
    if (isInApplicationMode()) {
      log.accept(
          "The servers are checked when the deployment starts the job: a cluster in application mode takes no jar for a check.");
      return;
    }
    log.accept("checking the configuration and all servers ...");
    if (check == Check.SUCCESSOR) {
      requireStateFits(parallelism);
    } else {
      check(check.arguments(), parallelism);
    }
  }

  private void check(List<String> arguments, int parallelism) {
    deployment
        .flink()
        .check(deployment.files().jar(), withConfig(arguments), effective(parallelism));
  }

  /** Checks also whether the jar can take over the state of the running job's last checkpoint. */
  private void requireStateFits(int parallelism) {
    FlinkEndpoint flink = deployment.flink();
    Optional<FlinkEndpoint.Job> job = activeJob();
    for (int attempt = 1; ; attempt++) {
      List<String> arguments = new ArrayList<>(Check.SUCCESSOR.arguments());
      job.flatMap(of -> flink.lastCheckpoint(of.id()))
          .map(FlinkEndpoint.Checkpoint::path)
          .ifPresent(
              path ->
                  arguments.addAll(
                      new RunningState(path, flink.operators(job.get().id())).arguments()));
      try {
        check(arguments, parallelism);
        return;
      } catch (OperationsException e) {
        // A job keeps its last checkpoints only, and the check has read one of them too late.
        if (attempt == STATE_ATTEMPTS || !e.getMessage().contains(CHECKPOINT_IS_GONE)) {
          throw e;
        }
      }
    }
  }

  private static Set<String> metrics(JobConfig config) {
    return config.statistics().metrics().stream()
        .map(MetricConfig::name)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** Refuses a second job: two jobs cannot share a replication slot. */
  public void requireNoActiveJob() {
    activeJob()
        .ifPresent(
            job -> {
              throw new OperationsException(
                  "job %s (%s) is %s already; two jobs cannot share a replication slot. Use redeploy, or first cancel it at %s"
                      .formatted(job.name(), job.id(), job.state(), deployment.flink().url()));
            });
  }

  /** Checks that the configuration is valid and that the job will see every setting of it. */
  public void requireEffectiveConfiguration() {
    JobEnvironment.requireSame(
        System.getenv(),
        deployment.environment(),
        "has another environment: set them for the cluster and restart it, or unset them here");
    deployment.config();
  }

  /**
   * Checks, before the running job is stopped, that the cluster has the slots. A shared cluster may
   * start TaskManagers on demand: only the deployment's own is counted.
   *
   * @param parallelism 0: the cluster's default
   * @throws OperationsException with the number of slots
   */
  public void requireSlots(int parallelism) {
    boolean counted = deployment.ownServers().contains(Deployment.Server.FLINK);
    int needed = parallelism > 0 || !counted ? parallelism : defaultParallelism();
    if (needed > ExperimentEtlPipeline.MAX_PARALLELISM) {
      throw new OperationsException(
          "parallelism %d is more than %d, the number of the job's key groups: give less"
              .formatted(needed, ExperimentEtlPipeline.MAX_PARALLELISM));
    }
    if (!counted) {
      return;
    }
    int slots = deployment.flink().slots();
    if (needed > slots) {
      throw new OperationsException(
          "parallelism %d needs %d slots; the cluster has %d: give less, or start more TaskManagers (./etl down, ./etl up --task-managers N)"
              .formatted(needed, needed, slots));
    }
  }

  private int defaultParallelism() {
    return deployment.flink().setting("parallelism.default").map(Integer::parseInt).orElse(1);
  }

  /** Stops the active job with a canonical savepoint and returns its path. */
  public String stop() {
    FlinkEndpoint flink = deployment.flink();
    FlinkEndpoint.Job job = runningJob(flink);
    // While the cluster answers: in application mode it ends with its job.
    isInApplicationMode();
    String savepoint =
        flink.stopWithSavepoint(job.id(), savepointDirectory(deployment), SAVEPOINT_DEADLINE);
    deployment.memory().rememberSavepoint(savepoint);
    return savepoint;
  }

  /**
   * The job that runs on the cluster.
   *
   * @throws OperationsException when none runs
   */
  static FlinkEndpoint.Job runningJob(FlinkEndpoint flink) {
    return flink
        .activeJob(ExperimentEtlJob.NAME)
        .orElseThrow(
            () -> new OperationsException("no job runs on " + flink.url() + "; use submit"));
  }

  /**
   * The URI of the folder of savepoints.
   *
   * @throws OperationsException when neither the deployment nor the cluster has one
   */
  static String savepointDirectory(Deployment deployment) {
    FlinkEndpoint flink = deployment.flink();
    return deployment
        .cluster()
        .savepointDirectory()
        .or(() -> flink.setting("execution.checkpointing.savepoint-dir"))
        .or(() -> flink.setting("state.savepoints.dir"))
        .orElseThrow(
            () ->
                new OperationsException(
                    "the cluster at %s has no savepoint directory; set execution.checkpointing.savepoint-dir in its configuration"
                        .formatted(flink.url())));
  }

  /**
   * Stops the active job with a savepoint and submits the jar from it; returns the new job's id.
   */
  public String redeploy(int parallelism) {
    return submit(Optional.of(stop()), parallelism, List.of());
  }

  /** Checks that the jar exists, before anything is changed for a submission of it. */
  void requireJar() {
    Path jar = deployment.files().jar();
    if (!isInApplicationMode() && !Files.isRegularFile(jar)) {
      throw new OperationsException(
          "the job's jar " + jar + " does not exist; run mvn -DskipTests package");
    }
  }
}
