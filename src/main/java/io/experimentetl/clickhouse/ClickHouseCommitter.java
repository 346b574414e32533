package io.experimentetl.clickhouse;

import io.experimentetl.clickhouse.ClickHouseHttp.RefusedException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.core.fs.Path;
import org.apache.flink.metrics.MetricGroup;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Commits the sealed batches of a checkpoint: first the rows, several batches at a time, then the
 * progress markers.
 *
 * <p>Assumptions:
 *
 * <ul>
 *   <li>A checkpoint contains every batch that was sealed before it, so a batch is committed after
 *       any failure.
 *   <li>Flink may pass a batch to several committers: after a restart, a rescale, or to two jobs
 *       started from one savepoint. {@link BatchCommit} and {@link Ownership} make this harmless.
 *   <li>Batches of one checkpoint may be committed in any order, but a progress marker only after
 *       all rows.
 * </ul>
 */
final class ClickHouseCommitter implements Committer<SealedBatch> {

  private static final Logger LOG = LoggerFactory.getLogger(ClickHouseCommitter.class);

  private final ClickHouseConnection connection;
  private final BatchLimits limits;
  private final Set<Guard> guards;
  private final ClickHouseHttp http;
  private final Ownership ownership;
  private final BatchThreads threads = new BatchThreads("clickhouse-commit");
  private final BatchCommit.Shared shared;
  private final List<String> committedFiles = new ArrayList<>();

  /** Protects a batch from being lost or doubled. Tests omit one to show its effect. */
  enum Guard {
    /** Looks for a batch that an earlier INSERT may have written. */
    PROBE,
    /** The server's deduplication, which works within its window. */
    TOKEN,
    /** The server accepts one copy of a request, and no copy after a fence. */
    SINGLE_USE_SESSION,
    /** Ends requests that still send the batch, before a probe. */
    FENCE,
    /** A job stops writing when another job has taken over its table. */
    OWNERSHIP
  }

  ClickHouseCommitter(
      ClickHouseConnection connection,
      BatchLimits limits,
      String sink,
      CommitterInitContext context)
      throws IOException {
    this(
        connection,
        limits,
        sink,
        context.getJobInfo().getJobId().toHexString(),
        ClickHouseWriter.restoredCheckpoint(context.getRestoredCheckpointId()),
        EnumSet.allOf(Guard.class),
        context.metricGroup());
  }

  ClickHouseCommitter(
      ClickHouseConnection connection,
      BatchLimits limits,
      String sink,
      String job,
      long restoredFrom,
      Set<Guard> guards,
      MetricGroup metrics)
      throws IOException {
    this.connection = connection;
    this.limits = limits;
    this.guards = guards;
    this.http = new ClickHouseHttp(connection);
    this.ownership = new Ownership(http, limits.insertTimeout(), sink, job);
    this.shared =
        new BatchCommit.Shared(
            connection,
            new BatchTable(http, limits.insertTimeout()),
            limits,
            restoredFrom,
            guards,
            ConcurrentHashMap.newKeySet(),
            new BatchCommit.Meters(metrics));
  }

  @Override
  public void commit(Collection<CommitRequest<SealedBatch>> requests)
      throws IOException, InterruptedException {
    deleteFilesOfEarlierCheckpoints();
    if (requests.isEmpty()) {
      return;
    }
    SealedBatch first = requests.iterator().next().getCommittable();
    requireOwnership(first);
    if (commitAll(requests, SealedBatch.Kind.ROWS)) {
      // Another job may have taken over meanwhile; then the progress marker must not be written.
      requireOwnership(first);
    }
    commitAll(requests, SealedBatch.Kind.PROGRESS);
  }

  /** Retries until the deadline, because a short outage of the server must not fail the job. */
  private void requireOwnership(SealedBatch batch) throws IOException, InterruptedException {
    if (!guards.contains(Guard.OWNERSHIP)) {
      return;
    }
    Backoff backoff = new Backoff(limits.commitDeadline());
    while (true) {
      try {
        String other = ownership.otherOwner();
        if (!other.isEmpty()) {
          throw ownership.lost(batch, other);
        }
        return;
      } catch (BatchRefusedException e) {
        throw e;
      } catch (IOException e) {
        int code = e instanceof RefusedException answered ? answered.answer().exceptionCode() : 0;
        if (backoff.isOver()) {
          throw BatchCommit.deadlineExceeded(connection, limits, batch, String.valueOf(e), code);
        }
        LOG.warn(
            "The owner of table {} is unknown; asking again in {} ms: {}",
            batch.table(),
            backoff.pauseMillis(),
            e);
      }
      backoff.pause();
    }
  }

  /** Commits the batches of a kind. Returns whether there were any. */
  private boolean commitAll(Collection<CommitRequest<SealedBatch>> requests, SealedBatch.Kind kind)
      throws IOException, InterruptedException {
    List<BatchThreads.Work> commits = new ArrayList<>();
    for (CommitRequest<SealedBatch> request : requests) {
      SealedBatch batch = request.getCommittable();
      if (batch.kind() == kind) {
        commits.add(
            new BatchThreads.Work(
                batch,
                () -> {
                  new BatchCommit(shared, batch, request.getNumberOfRetries()).run();
                  return null;
                }));
      }
    }
    threads.start(commits).await();
    for (CommitRequest<SealedBatch> request : requests) {
      SealedBatch batch = request.getCommittable();
      if (batch.kind() == kind && !batch.file().isEmpty()) {
        committedFiles.add(batch.file());
      }
    }
    return !commits.isEmpty();
  }

  /** A later checkpoint has completed, so the latest checkpoint no longer refers to the files. */
  private void deleteFilesOfEarlierCheckpoints() throws IOException {
    for (String file : new HashSet<>(committedFiles)) {
      Path path = new Path(file);
      path.getFileSystem().delete(path, false);
    }
    committedFiles.clear();
  }

  @Override
  public void close() {
    threads.close();
    http.close();
  }
}
