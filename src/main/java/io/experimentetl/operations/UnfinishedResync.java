package io.experimentetl.operations;

import io.experimentetl.ExperimentEtlJob;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;

/**
 * The mark of a resync that has begun and not ended. State that is newer belongs to the resync's
 * job and its database: no job may start from it with the other database.
 */
final class UnfinishedResync {
  private static final Duration CANCELLATION = Duration.ofMinutes(3);

  private final Deployment deployment;
  private final Path mark;

  UnfinishedResync(Deployment deployment) {
    this.deployment = deployment;
    this.mark = deployment.memory().resyncMark();
  }

  void begin() {
    try {
      deployment.memory().directory();
      Files.writeString(mark, Instant.now() + "\n");
    } catch (IOException e) {
      throw new OperationsException(mark + " cannot be written: " + e, e);
    }
  }

  /** Whether a resync has begun and not ended. */
  boolean hasBegun() {
    return Files.exists(mark);
  }

  /**
   * Does nothing when no resync is unfinished.
   *
   * @throws OperationsException with the remedy
   */
  void requireNone() {
    if (hasBegun()) {
      throw new OperationsException(
          "a resync has begun and not ended: run resync again, or give it up and start from the beginning with submit --fresh");
    }
  }

  /** Ends its job, if it runs, and deletes that job's state. */
  void abandon() {
    if (!hasBegun()) {
      return;
    }
    FlinkEndpoint flink = deployment.flink();
    if (flink.answers()) {
      flink
          .activeJob(ExperimentEtlJob.NAME)
          .ifPresent(
              job -> {
                flink.cancel(job.id());
                try {
                  flink.awaitState(job.id(), "CANCELED", CANCELLATION);
                } catch (FlinkHttp.NoAnswerException e) {
                  // In application mode the cluster ends with its job.
                }
              });
    }
    deployment.memory().deleteStateSince(mark.toFile().lastModified());
  }

  /** Removes the mark: the job's state belongs to the exchanged tables, or was made void. */
  void end() {
    try {
      Files.deleteIfExists(mark);
    } catch (IOException e) {
      throw new OperationsException(mark + " cannot be removed: " + e + "; remove it", e);
    }
  }
}
