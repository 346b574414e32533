package io.experimentetl.operations;

import io.experimentetl.config.InvalidConfigurationException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** Uploads the jar to a session cluster. */
final class SessionStarter implements JobStarter {
  private final Deployment deployment;
  private final Duration runningDeadline;

  /**
   * A starter for one submission.
   *
   * @param runningDeadline how long the tasks may take until all run
   */
  SessionStarter(Deployment deployment, Duration runningDeadline) {
    this.deployment = deployment;
    this.runningDeadline = runningDeadline;
  }

  @Override
  public String start(Optional<String> savepoint, int parallelism, List<String> arguments) {
    FlinkEndpoint flink = deployment.flink();
    String id = flink.submit(deployment.files().jar(), arguments, savepoint, parallelism);
    flink.awaitAllTasksRunning(id, runningDeadline);
    return id;
  }

  @Override
  public String startFormer(Deployment former, String savepoint, int parallelism) {
    try {
      String job =
          new JobDeployment(former, line -> {})
              .submit(Optional.of(savepoint), parallelism, List.of());
      return "Job %s continues where the former one stopped, with its configuration, %s. Fix what the message names in %s, and run this again."
          .formatted(job, former.files().config(), deployment.files().config());
    } catch (OperationsException | InvalidConfigurationException e) {
      return "No job runs now: with the former configuration, %s, the job does not start either (%s). Fix what the messages name, or go back to the former jar, then run submit --from %s"
          .formatted(former.files().config(), e.getMessage(), savepoint);
    }
  }
}
