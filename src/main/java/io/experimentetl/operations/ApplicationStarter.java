package io.experimentetl.operations;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.JobArguments;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Prints the arguments and the savepoint for a deployment in application mode, and waits until it
 * has started the job.
 *
 * <p>Such a cluster accepts no jar: it starts and ends with its job. The deployment tool, for
 * instance the Flink Kubernetes operator, passes the arguments and the savepoint.
 */
final class ApplicationStarter implements JobStarter {
  private static final Duration POLL = Duration.ofSeconds(1);

  private final Deployment deployment;
  private final Consumer<String> log;
  private String lastMismatch = "";

  ApplicationStarter(Deployment deployment, Consumer<String> log) {
    this.deployment = deployment;
    this.log = log;
  }

  @Override
  public String start(Optional<String> savepoint, int parallelism, List<String> arguments) {
    Duration deadline = deployment.cluster().applicationDeadline();
    log.accept(
        "The cluster at %s runs in application mode: it starts with its job. Deploy the job with"
            .formatted(deployment.flink().url()));
    log.accept("  arguments    " + String.join(" ", arguments));
    log.accept("  savepoint    " + savepoint.orElse("none: start without state"));
    if (parallelism > 0) {
      log.accept("  parallelism  " + parallelism);
    }
    log.accept("Waiting up to %d min until it runs.".formatted(deadline.toMinutes()));
    return Polling.until(deadline, POLL, () -> started(savepoint, arguments))
        .orElseThrow(
            () ->
                new OperationsException(
                    "the job was not started within %d min. %sDeploy it as printed above, then run this again with a longer --wait, or continue with submit"
                        .formatted(
                            deadline.toMinutes(),
                            lastMismatch.isEmpty() ? "" : lastMismatch + ". ")));
  }

  /** The job that runs all its tasks, with these arguments and from this savepoint. */
  private Optional<String> started(Optional<String> savepoint, List<String> arguments) {
    FlinkEndpoint flink = deployment.flink();
    try {
      if (!flink.answers()) {
        return Optional.empty();
      }
      Optional<FlinkEndpoint.Job> active = flink.activeJob(ExperimentEtlJob.NAME);
      if (active.isEmpty() || !flink.tasks(active.get().id()).allRun()) {
        return Optional.empty();
      }
      String id = active.get().id();
      String expected = JobArguments.parse(arguments).action();
      String actual = flink.jobParameters(id).getOrDefault(JobArguments.ACTION, "");
      Optional<String> restored = flink.restoredFrom(id);
      if (!expected.equals(actual)) {
        mismatch("job %s runs with the arguments '%s', not '%s'".formatted(id, actual, expected));
        return Optional.empty();
      }
      if (savepoint.isPresent() && restored.isEmpty()) {
        mismatch("job %s runs without state, not from %s".formatted(id, savepoint.get()));
        return Optional.empty();
      }
      // A job that has failed since was restored from a checkpoint of its own.
      if (savepoint.isPresent()
          && flink.restarts(id) == 0
          && !normalised(restored.get()).equals(normalised(savepoint.get()))) {
        mismatch("job %s runs from %s, not from %s".formatted(id, restored.get(), savepoint.get()));
        return Optional.empty();
      }
      return Optional.of(id);
    } catch (FlinkHttp.NoAnswerException e) {
      // The cluster starts or ends.
      return Optional.empty();
    }
  }

  private void mismatch(String what) {
    if (!what.equals(lastMismatch)) {
      lastMismatch = what;
      log.accept(what + "; still waiting");
    }
  }

  /** Flink prints one and the same path as {@code file:/x} and as {@code file:///x}. */
  private static String normalised(String path) {
    URI uri = URI.create(path);
    return (uri.getScheme() + ":" + uri.getSchemeSpecificPart().replaceFirst("^/*", "/"))
        .replaceFirst("/+$", "");
  }

  @Override
  public String startFormer(Deployment former, String savepoint, int parallelism) {
    return "No job was started by this command: deploy the former job again from %s, with its configuration, %s."
        .formatted(savepoint, former.files().config());
  }
}
