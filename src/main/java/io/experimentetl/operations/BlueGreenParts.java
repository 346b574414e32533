package io.experimentetl.operations;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.JobArguments;
import io.experimentetl.config.JobConfig;
import io.experimentetl.operations.BlueGreenMemory.State;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * What the steps of a blue/green deployment work on.
 *
 * @param log takes lines for the person at the command line
 * @param sibling the green job's database
 * @param slot of the blue job
 * @param greenSlot a copy of it, for the green job
 */
record BlueGreenParts(
    Deployment deployment,
    Successor successor,
    Consumer<String> log,
    JobDeployment job,
    BlueGreenMemory memory,
    ClickHouseLogin blue,
    SiblingDatabase sibling,
    ReplicationSlots slots,
    String slot,
    String greenSlot) {
  /** How long nothing new may become visible. */
  private static final Duration PATIENCE = Duration.ofMinutes(15);

  static BlueGreenParts of(Deployment deployment, Successor successor, Consumer<String> log) {
    JobConfig config = deployment.config();
    ClickHouseLogin blue = deployment.databases().clickHouse();
    return new BlueGreenParts(
        deployment,
        successor,
        log,
        new JobDeployment(deployment, log),
        new BlueGreenMemory(deployment.memory()),
        blue,
        new SiblingDatabase(blue, JobArguments.greenDatabase(blue.database())),
        new ReplicationSlots(deployment.databases().postgres()),
        config.source().slot(),
        JobArguments.greenSlot(config.source().slot()));
  }

  FlinkEndpoint flink() {
    return deployment.flink();
  }

  ClickHouseLogin green() {
    return sibling.login();
  }

  GreenCopy copy() {
    return new GreenCopy(blue, green(), sibling.jobTables());
  }

  boolean isArchived() {
    return deployment.config().archive().isOn();
  }

  /**
   * The state of a deployment whose green job was started.
   *
   * @throws OperationsException with the remedy, if there is none
   */
  State begun() {
    return memory
        .state()
        .filter(state -> !state.isBefore(BlueGreenMemory.Step.RUNNING))
        .orElseThrow(() -> new OperationsException("no green job runs: run bluegreen start"));
  }

  Optional<FlinkEndpoint.Job> blueJob() {
    return flink().activeJob(ExperimentEtlJob.NAME);
  }

  /** The green job as the cluster lists it; empty: it does not know it. */
  Optional<FlinkEndpoint.Job> greenJob(State state) {
    return flink().jobs().stream().filter(job -> job.id().equals(state.greenJob())).findFirst();
  }

  /**
   * The id of the green job, which must run.
   *
   * @throws OperationsException with its exception, if it does not
   */
  String requireGreenJob(State state) {
    FlinkEndpoint.Job job =
        greenJob(state)
            .orElseThrow(
                () ->
                    new OperationsException(
                        "Flink at %s does not know the green job %s: the JobManager was restarted without it. Run bluegreen abort"
                            .formatted(flink().url(), state.greenJob())));
    if (!job.isActive()) {
      throw new OperationsException(
          "the green job %s is %s. %s%nRun bluegreen abort"
              .formatted(job.id(), job.state(), flink().rootException(job.id())));
    }
    return job.id();
  }

  void awaitVisible(ClickHouseLogin database, String jobId) {
    Visibility.awaitAll(deployment.databases().postgres(), database, flink(), jobId, PATIENCE);
  }
}
