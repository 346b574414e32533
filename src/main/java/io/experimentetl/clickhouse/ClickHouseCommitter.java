package io.experimentetl.clickhouse;

import io.experimentetl.clickhouse.ClickHouseHttp.RefusedException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.core.fs.Path;
import org.apache.flink.metrics.MetricGroup;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Commits the sealed batches of a checkpoint, several at a time, then the progress marker that all
 * sinks have reached. Asks for the owner of the tables once per checkpoint with rows; the marker's
 * own INSERT asks again. Without rows and without a new marker it sends nothing.
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
final class ClickHouseCommitter implements Committer<Committable> {

  private static final Logger LOG = LoggerFactory.getLogger(ClickHouseCommitter.class);

  private final ClickHouseConnection connection;
  private final BatchLimits limits;
  private final Set<Guard> guards;
  private final ClickHouseHttp http;
  private final Ownership ownership;
  private final BatchThreads threads;
  private final BatchCommit.Shared shared;
  private final List<String> committedFiles = new ArrayList<>();
  private ProgressMarker written;

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
    /** A job stops writing when another job has taken over its tables. */
    OWNERSHIP
  }

  /** A batch to commit, and how often Flink has passed it to a committer of this run before. */
  record Pending(SealedBatch batch, int earlierTries) {}

  /** The committer of a sink on its own, which writes no progress markers. */
  ClickHouseCommitter(
      ClickHouseConnection connection,
      BatchLimits limits,
      String sink,
      CommitterInitContext context)
      throws IOException {
    this(
        connection,
        limits,
        List.of(sink),
        context.getJobInfo().getJobId().toHexString(),
        ClickHouseWriter.restoredCheckpoint(context.getRestoredCheckpointId()),
        EnumSet.allOf(Guard.class),
        MetricScope.of(context.metricGroup()));
  }

  /**
   * Opens a committer; it sends nothing yet.
   *
   * @param sinks the tables of the sinks whose batches it commits
   * @param job Flink's job id
   * @param restoredFrom the checkpoint that it was restored from, -1 if from none
   * @param metrics the {@link MetricScope} of the committer
   * @throws IOException if the password cannot be read
   */
  ClickHouseCommitter(
      ClickHouseConnection connection,
      BatchLimits limits,
      List<String> sinks,
      String job,
      long restoredFrom,
      Set<Guard> guards,
      MetricGroup metrics)
      throws IOException {
    this.connection = connection;
    this.limits = limits;
    this.guards = guards;
    this.http = new ClickHouseHttp(connection);
    this.ownership = new Ownership(http, limits.insertTimeout(), sinks, job);
    this.threads = new BatchThreads("clickhouse-commit", sinks.size() > 1 ? 2 : 1);
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
  public void commit(Collection<CommitRequest<Committable>> requests)
      throws IOException, InterruptedException {
    List<Pending> pending = new ArrayList<>();
    for (CommitRequest<Committable> request : requests) {
      if (request.getCommittable() instanceof SealedBatch batch) {
        pending.add(new Pending(batch, request.getNumberOfRetries()));
      }
    }
    commitRows(pending);
  }

  /**
   * Commits batches.
   *
   * @throws BatchRefusedException when no retry can help, or another job has taken over
   * @throws IOException when the deadline is over
   */
  void commitRows(List<Pending> pending) throws IOException, InterruptedException {
    deleteFilesOfEarlierCheckpoints();
    if (pending.isEmpty()) {
      return;
    }
    requireOwnership(pending.get(0).batch().place());
    List<BatchThreads.Work> commits = new ArrayList<>();
    for (Pending one : pending) {
      commits.add(
          new BatchThreads.Work(
              one.batch(),
              () -> {
                new BatchCommit(shared, one.batch(), one.earlierTries()).run();
                return null;
              }));
    }
    threads.start(commits).await();
    for (Pending one : pending) {
      if (!one.batch().file().isEmpty()) {
        committedFiles.add(one.batch().file());
      }
    }
  }

  /**
   * Writes the marker, unless it is the one that was written last.
   *
   * @param lagLimitSeconds the lag above which rows are too far behind; 0: none is set
   * @throws BatchRefusedException if another job has taken over, or the table refuses the marker
   * @throws IOException when the deadline is over
   */
  void commitMarker(ReachedMarkers.Reached reached, long lagLimitSeconds)
      throws IOException, InterruptedException {
    if (reached.marker().equals(written)) {
      return;
    }
    String place = "the progress marker of sequence number " + reached.marker().sequenceNumber();
    if (written == null) {
      requireOwnership(place);
    }
    retrying(place, () -> insert(reached, lagLimitSeconds, place));
    written = reached.marker();
  }

  private void insert(ReachedMarkers.Reached reached, long lagLimitSeconds, String place)
      throws IOException, InterruptedException {
    String condition = guards.contains(Guard.OWNERSHIP) ? ownership.condition() : "";
    try {
      http.select(
          ProgressTable.insert(reached, lagLimitSeconds, condition),
          Map.of(),
          limits.insertTimeout());
    } catch (RefusedException e) {
      if (ownership.failedCondition(e.answer())) {
        requireOwner(place);
      } else if (CommitDecision.afterAnswer(e.answer()) == CommitDecision.Next.STOP) {
        throw new BatchRefusedException(
            "ClickHouse refuses "
                + place
                + ". Remedy: correct what the answer names, then submit the job from its last"
                + " checkpoint. ClickHouse's answer: "
                + e.answer().problem());
      }
      throw e;
    }
  }

  private void requireOwnership(String place) throws IOException, InterruptedException {
    if (!guards.contains(Guard.OWNERSHIP)) {
      return;
    }
    retrying(place, () -> requireOwner(place));
  }

  private void requireOwner(String place) throws IOException, InterruptedException {
    Optional<String> other = ownership.otherOwner();
    if (other.isPresent()) {
      throw ownership.lost(place, other.get());
    }
  }

  /** A statement that may be sent any number of times. */
  @FunctionalInterface
  private interface Repeatable {
    void run() throws IOException, InterruptedException;
  }

  /** Retries until the deadline, because a short outage of the server must not fail the job. */
  private void retrying(String place, Repeatable statement)
      throws IOException, InterruptedException {
    Backoff backoff = new Backoff(limits.commitDeadline());
    while (true) {
      try {
        statement.run();
        return;
      } catch (BatchRefusedException e) {
        throw e;
      } catch (IOException e) {
        int code = e instanceof RefusedException answered ? answered.answer().exceptionCode() : 0;
        if (backoff.isOver()) {
          throw BatchCommit.deadlineExceeded(connection, limits, place, String.valueOf(e), code);
        }
        LOG.warn(
            "No clear answer before {}; asking again in {} ms: {}",
            place,
            backoff.pauseMillis(),
            e);
      }
      backoff.pause();
    }
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
