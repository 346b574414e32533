package io.experimentetl.clickhouse;

import io.experimentetl.clickhouse.ClickHouseCommitter.Guard;
import io.experimentetl.clickhouse.ClickHouseHttp.Answer;
import io.experimentetl.clickhouse.ClickHouseHttp.RefusedException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.core.fs.Path;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.ThreadSafeSimpleCounter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Commits one batch exactly once: inserts it, or first probes for its rows when an earlier INSERT
 * may have written them. After an unknown outcome it waits, probes and continues until the
 * deadline.
 */
final class BatchCommit {

  private static final Logger LOG = LoggerFactory.getLogger(BatchCommit.class);

  /**
   * The objects that all commits of one committer share.
   *
   * @param restoredFrom the checkpoint that the committer was restored from, -1 if from none
   * @param provenPartitions partitions whose first batch was found where the encoder expects it; a
   *     concurrent set
   */
  record Shared(
      ClickHouseConnection connection,
      BatchTable table,
      BatchLimits limits,
      long restoredFrom,
      Set<Guard> guards,
      Set<String> provenPartitions,
      Meters meters) {}

  private final Shared shared;
  private final BatchTable table;
  private final Set<Guard> guards;
  private final SealedBatch batch;
  private final Backoff backoff;
  private CommitDecision.Next next;
  private int attempt;
  private boolean useToken;
  private boolean probed;

  /**
   * Sends nothing yet; the deadline starts now.
   *
   * @param earlierTries how often Flink has passed the batch to a committer of this run before
   */
  BatchCommit(Shared shared, SealedBatch batch, int earlierTries) {
    this.shared = shared;
    this.table = shared.table();
    this.guards = shared.guards();
    this.batch = batch;
    this.backoff = new Backoff(shared.limits().commitDeadline());
    this.useToken = guards.contains(Guard.TOKEN);
    boolean probeFirst =
        guards.contains(Guard.PROBE)
            && CommitDecision.probeFirst(
                batch,
                earlierTries,
                shared.restoredFrom(),
                System.currentTimeMillis(),
                shared.limits().probeAfter().toMillis());
    this.next = probeFirst ? CommitDecision.Next.PROBE : CommitDecision.Next.INSERT;
  }

  /**
   * Returns when all rows of the batch are in the table.
   *
   * @throws BatchRefusedException when no retry can help
   * @throws IOException when the deadline is over
   */
  void run() throws IOException, InterruptedException {
    long started = System.nanoTime();
    while (next != CommitDecision.Next.DONE) {
      try {
        if (next == CommitDecision.Next.PROBE) {
          probed = guards.contains(Guard.PROBE);
          next = probed ? probe() : CommitDecision.Next.INSERT;
        } else {
          insert();
        }
      } catch (BatchRefusedException e) {
        throw e;
      } catch (RefusedException e) {
        if (CommitDecision.afterAnswer(e.answer()) == CommitDecision.Next.STOP) {
          throw refused(e.answer());
        }
        retryLater(e.answer().problem(), e.answer().exceptionCode());
      } catch (IOException e) {
        retryLater(String.valueOf(e), 0);
      }
    }
    shared.meters().committed(batch, System.nanoTime() - started);
  }

  private void insert() throws IOException, InterruptedException {
    Answer answer =
        table.insert(batch, body(), ++attempt, useToken, guards.contains(Guard.SINGLE_USE_SESSION));
    if (!answer.succeeded()) {
      throw new RefusedException(answer);
    }
    afterInsert();
  }

  private void afterInsert() throws IOException, InterruptedException {
    next = CommitDecision.Next.DONE;
    provePartition();
    if (probed && useToken && droppedAsDuplicate()) {
      useToken = false;
      next = CommitDecision.Next.INSERT;
    }
  }

  /** The outcome is unknown: the next step is a probe, after a pause. */
  private void retryLater(String problem, int code) throws IOException, InterruptedException {
    next = CommitDecision.Next.PROBE;
    shared.meters().unknownOutcomes.inc();
    if (backoff.isOver()) {
      throw deadlineExceeded(shared.connection(), shared.limits(), batch.place(), problem, code);
    }
    LOG.warn(
        "The outcome of {} is unknown; probing for it in {} ms: {}",
        batch,
        backoff.pauseMillis(),
        problem);
    shared.meters().retries.inc();
    backoff.pause();
  }

  private CommitDecision.Next probe() throws IOException, InterruptedException {
    shared.meters().probes.inc();
    if (guards.contains(Guard.FENCE)) {
      table.fence(batch);
    }
    long present = table.count(batch);
    CommitDecision.Next decision = CommitDecision.afterProbe(present, batch.rows());
    long missing = 0;
    if (decision == CommitDecision.Next.COMPARE) {
      missing = table.missing(batch, CompressedBody.decompress(body()));
      decision = CommitDecision.afterComparison(missing);
    }
    if (decision == CommitDecision.Next.STOP) {
      throw new BatchRefusedException(
          "ClickHouse has "
              + present
              + " rows of "
              + batch.place()
              + (missing > 0 ? "; " + missing + " are missing and were not replaced." : ".")
              + " An INSERT writes all rows or none, so another client has changed them. Remedy: find"
              + " that client; delete the batch's rows (DELETE FROM "
              + batch.table()
              + " WHERE _batch_id = "
              + ClickHouseReader.literal(batch.id())
              + "), then submit the job from its last checkpoint, which sends the batch again.");
    }
    LOG.info("{}: found {} rows, next: {}", batch, present, decision);
    return decision;
  }

  /** Whether the server remembered the token and dropped the INSERT, but the rows were deleted. */
  private boolean droppedAsDuplicate() throws IOException, InterruptedException {
    return table.count(batch) == 0 && table.missing(batch, CompressedBody.decompress(body())) > 0;
  }

  /**
   * Checks the partition of the first batch of each partition: with a wrong one, no later probe
   * would find its rows.
   */
  private void provePartition() throws IOException, InterruptedException {
    String partition = batch.table() + '/' + batch.partition();
    if (!guards.contains(Guard.PROBE) || shared.provenPartitions().contains(partition)) {
      return;
    }
    if (table.count(batch) == 0 && table.isInAnotherPartition(batch)) {
      throw new BatchRefusedException(
          "The rows of "
              + batch.place()
              + " are in another partition: the table's PARTITION BY differs from the job's encoder."
              + " Remedy: apply the SQL of this release, then submit the job from its last"
              + " checkpoint.");
    }
    shared.provenPartitions().add(partition);
  }

  private byte[] body() throws IOException {
    if (batch.file().isEmpty()) {
      return batch.body();
    }
    Path path = new Path(batch.file());
    byte[] body;
    try (var in = path.getFileSystem().open(path)) {
      body = in.readAllBytes();
    } catch (FileNotFoundException e) {
      throw unreadable("is missing", e);
    }
    try {
      if (CompressedBody.rawBytes(body) == batch.rawBytes()) {
        return body;
      }
    } catch (IOException e) {
      throw unreadable("is damaged", e);
    }
    throw unreadable("is truncated", null);
  }

  private BatchRefusedException unreadable(String state, IOException cause) {
    return new BatchRefusedException(
        "The rows of "
            + batch.place()
            + " are in the file "
            + batch.file()
            + ", which "
            + state
            + ", and ClickHouse does not have all of them. Remedy: restore the file, or submit the"
            + " job from another checkpoint whose files still exist.",
        cause);
  }

  private BatchRefusedException refused(Answer answer) {
    return new BatchRefusedException(
        "ClickHouse refuses "
            + batch.place()
            + ". Remedy: correct what the answer names, then submit the job from its last"
            + " checkpoint, which contains the batch. ClickHouse's answer: "
            + answer.problem());
  }

  /** The error of a batch or a marker that could not be committed in time. */
  static IOException deadlineExceeded(
      ClickHouseConnection connection, BatchLimits limits, String place, String problem, int code) {
    String remedy = CommitDecision.remedy(code);
    return new IOException(
        "ClickHouse at "
            + connection.url()
            + " has not accepted "
            + place
            + " within "
            + limits.commitDeadline().toSeconds()
            + " s. Nothing is lost: it is in the checkpoint, and the job commits it after its"
            + " restart."
            + (remedy.isEmpty() ? "" : " Remedy: " + remedy + ".")
            + " Last answer: "
            + problem);
  }

  /** The committer's metrics, those of rows by table. Several threads commit batches. */
  static final class Meters {
    private final MetricGroup group;
    private final Map<String, OfTable> tables = new ConcurrentHashMap<>();
    private final Counter retries;
    private final Counter probes;
    private final Counter unknownOutcomes;

    Meters(MetricGroup group) {
      this.group = group;
      retries = group.counter("commit_retries_total", new ThreadSafeSimpleCounter());
      probes = group.counter("commit_probes_total", new ThreadSafeSimpleCounter());
      unknownOutcomes =
          group.counter("commit_unknown_outcomes_total", new ThreadSafeSimpleCounter());
    }

    private void committed(SealedBatch batch, long nanos) {
      tables
          .computeIfAbsent(batch.table(), table -> new OfTable(group.addGroup("table", table)))
          .committed(batch, nanos);
    }

    private static final class OfTable {
      private final Counter batches;
      private final Counter rows;
      private final Counter bytes;
      private volatile double lastSeconds;

      private OfTable(MetricGroup group) {
        batches = group.counter("committed_batches_total", new ThreadSafeSimpleCounter());
        rows = group.counter("committed_rows_total", new ThreadSafeSimpleCounter());
        bytes = group.counter("committed_bytes_total", new ThreadSafeSimpleCounter());
        group.gauge("last_commit_seconds", () -> lastSeconds);
      }

      private void committed(SealedBatch batch, long nanos) {
        batches.inc();
        rows.inc(batch.rows());
        bytes.inc(batch.rawBytes());
        lastSeconds = MetricScope.secondsOf(nanos);
      }
    }
  }
}
