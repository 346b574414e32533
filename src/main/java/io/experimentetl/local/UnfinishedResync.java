package io.experimentetl.local;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.operations.FlinkEndpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * A resync that has begun and not ended, told by the configuration file of its job. State that is
 * newer belongs to that job and to its database: from it the job must never go on in the other one.
 */
public final class UnfinishedResync {
  private static final Duration CANCELLATION = Duration.ofMinutes(3);

  private final Path directory;

  public UnfinishedResync(Path directory) {
    this.directory = directory;
  }

  /** The configuration of the resync's job; there as long as the resync is not finished. */
  public Path jobConfig() {
    return directory.resolve("job-resync.yaml");
  }

  /**
   * Does nothing where no resync is unfinished.
   *
   * @throws PlatformException saying what to do
   */
  void requireNone() {
    if (Files.exists(jobConfig())) {
      throw new PlatformException(
          "a resync has begun and not ended: run ./etl resync again, or give it up and start anew with ./etl submit --fresh");
    }
  }

  /** Ends its job, if it runs, and forgets its state. */
  public void abandon(FlinkEndpoint flink) {
    if (!Files.exists(jobConfig())) {
      return;
    }
    flink
        .activeJob(ExperimentEtlJob.NAME)
        .ifPresent(
            job -> {
              flink.cancel(job.id());
              flink.awaitState(job.id(), "CANCELED", CANCELLATION);
            });
    long begun = jobConfig().toFile().lastModified();
    try {
      for (Path metadata : StoredState.metadata(directory)) {
        if (metadata.toFile().lastModified() >= begun) {
          Files.delete(metadata);
        }
      }
      Files.delete(jobConfig());
    } catch (IOException e) {
      throw new PlatformException(
          "the state of the unfinished resync in " + directory + " can't be removed: " + e, e);
    }
  }

  /** It is finished: the job's state belongs to the exchanged tables. */
  public void finished() {
    try {
      Files.delete(jobConfig());
    } catch (IOException e) {
      throw new PlatformException(jobConfig() + " can't be removed: " + e + "; remove it", e);
    }
  }
}
