package io.experimentetl.clickhouse;

import org.apache.flink.api.connector.sink2.Committer;

/** A commit request of Flink that fails the test unless the committer simply returns. */
record OnlyCommit(SealedBatch getCommittable) implements Committer.CommitRequest<Committable> {
  @Override
  public int getNumberOfRetries() {
    return 0;
  }

  @Override
  public void signalFailedWithKnownReason(Throwable t) {
    throw new AssertionError("would drop a batch", t);
  }

  @Override
  public void signalFailedWithUnknownReason(Throwable t) {
    throw new AssertionError(t);
  }

  @Override
  public void retryLater() {
    throw new AssertionError("the committer retries by itself");
  }

  @Override
  public void updateAndRetryLater(Committable committable) {
    throw new AssertionError("a batch never changes");
  }

  @Override
  public void signalAlreadyCommitted() {
    throw new AssertionError();
  }
}
