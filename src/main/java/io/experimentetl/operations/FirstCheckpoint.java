package io.experimentetl.operations;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The first checkpoint of a job that was just started. With it the job's first rows become visible,
 * and {@code status} finds the job healthy.
 */
final class FirstCheckpoint {
  private static final Duration POLL = Duration.ofMillis(200);
  private static final Duration REPORT = Duration.ofSeconds(10);

  private final FlinkEndpoint flink;
  private final Consumer<String> log;

  /** The job was started and goes on, as far as is known: nothing may be taken back. */
  static final class LateException extends OperationsException {
    private static final long serialVersionUID = 1L;

    private LateException(String message, FlinkHttp.NoAnswerException cause) {
      super(message, cause);
    }
  }

  FirstCheckpoint(FlinkEndpoint flink, Consumer<String> log) {
    this.flink = flink;
    this.log = log;
  }

  /**
   * Waits for it, as long as one may take by the job's own settings.
   *
   * @throws LateException if the time ends, or the JobManager does not answer
   * @throws OperationsException if the job ends
   */
  void await(String jobId) {
    try {
      awaitCompleted(jobId);
    } catch (FlinkHttp.NoAnswerException e) {
      throw new LateException(
          "job %s was started, and its first checkpoint is not known: see status. %s"
              .formatted(jobId, e.getMessage()),
          e);
    }
  }

  private void awaitCompleted(String jobId) {
    Duration deadline = deadline(jobId);
    long begin = System.nanoTime();
    long end = begin + deadline.toNanos();
    log.accept("waiting for the first checkpoint, with which rows become visible ...");
    while (true) {
      long left = Math.min(REPORT.toNanos(), end - System.nanoTime());
      Optional<FlinkEndpoint.Checkpoint> first =
          Polling.until(Duration.ofNanos(Math.max(0, left)), POLL, () -> completed(jobId));
      if (first.isPresent()) {
        log.accept("checkpoint %d is complete".formatted(first.get().id()));
        return;
      }
      String so = soFar(jobId, Duration.ofNanos(System.nanoTime() - begin));
      if (System.nanoTime() >= end) {
        throw new LateException(
            so + ". Rows become visible with the first checkpoint: see status, and the job's log",
            null);
      }
      log.accept(so);
    }
  }

  /** A checkpoint begins within the interval, and ends or fails within the timeout. */
  private Duration deadline(String jobId) {
    JsonNode settings = flink.get("/jobs/" + jobId + "/checkpoints/config");
    return Duration.ofMillis(
        settings.path("interval").asLong() + settings.path("timeout").asLong());
  }

  private Optional<FlinkEndpoint.Checkpoint> completed(String jobId) {
    Optional<FlinkEndpoint.Checkpoint> last = flink.lastCheckpoint(jobId);
    if (last.isEmpty()) {
      String state = flink.state(jobId);
      if (!new FlinkEndpoint.Job(jobId, "", state).isActive()) {
        throw new OperationsException(
            "job %s is %s before its first checkpoint. %s"
                .formatted(jobId, state, flink.rootException(jobId)));
      }
    }
    return last;
  }

  private String soFar(String jobId, Duration waited) {
    return "no checkpoint of job %s is complete after %d s%s%s"
        .formatted(
            jobId,
            waited.toSeconds(),
            flink
                .checkpoints(jobId)
                .failed()
                .map(
                    failed ->
                        "; %d failed, the last because: %s"
                            .formatted(failed.count(), failed.lastCause().firstLine()))
                .orElse(""),
            flink
                .lastFailure(jobId)
                .map(failure -> "; the job failed with: " + failure.cause().firstLine())
                .orElse(""));
  }
}
