package io.experimentetl.clickhouse;

import io.experimentetl.clickhouse.ClickHouseHttp.Answer;
import io.experimentetl.clickhouse.ClickHouseHttp.RefusedException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.core.fs.Path;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.ThreadSafeSimpleCounter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings sealed batches into ClickHouse, each exactly once: the rows of a checkpoint first, a few
 * batches at a time, then the cuts. A batch of which it isn't certain that nobody ever sent it is
 * looked for before it is sent.
 */
final class ClickHouseCommitter implements Committer<SealedBatch> {

  private static final Logger LOG = LoggerFactory.getLogger(ClickHouseCommitter.class);
  private static final int PARALLEL_BATCHES = 2;

  private final ClickHouseConnection connection;
  private final BatchLimits limits;
  private final long restoredFrom;
  private final Set<Guard> guards;
  private final ClickHouseHttp http;
  private final BatchTable table;
  private final Ownership ownership;
  private final ExecutorService executor;
  private final Set<String> provenPartitions = ConcurrentHashMap.newKeySet();
  private final List<String> committedFiles = new ArrayList<>();
  private final Meters meters;

  /** What keeps a batch from being lost or doubled. Tests leave one out to see what it is for. */
  enum Guard {
    /** A batch that may be there already is looked for. */
    PROBE,
    /** The server's deduplication: holds within its window. */
    TOKEN,
    /** A request is good for one time only. */
    SINGLE_USE_SESSION,
    /** Before a batch is looked for, whatever still sends it is ended. */
    FENCE,
    /** A job that another one has taken over from sends nothing any more. */
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
    this.restoredFrom = restoredFrom;
    this.guards = guards;
    this.http = new ClickHouseHttp(connection);
    this.table = new BatchTable(http, limits.insertTimeout());
    this.ownership = new Ownership(http, limits.insertTimeout(), sink, job);
    this.executor =
        Executors.newFixedThreadPool(
            PARALLEL_BATCHES,
            task -> {
              Thread thread = new Thread(task, "clickhouse-commit");
              thread.setDaemon(true);
              return thread;
            });
    this.meters = new Meters(metrics);
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
      // The other job may have come in between; then the cut isn't said.
      requireOwnership(first);
    }
    commitAll(requests, SealedBatch.Kind.CUT);
  }

  /** Asks until the deadline: a server that is away for a moment is no reason to fail. */
  private void requireOwnership(SealedBatch batch) throws IOException, InterruptedException {
    if (!guards.contains(Guard.OWNERSHIP)) {
      return;
    }
    Backoff backoff = new Backoff(limits.commitDeadline());
    while (true) {
      try {
        String owner = ownership.lostTo();
        if (!owner.isEmpty()) {
          throw ownership.lost(batch, owner);
        }
        return;
      } catch (BatchRefusedException e) {
        throw e;
      } catch (IOException e) {
        int code = e instanceof RefusedException answered ? answered.answer().exceptionCode() : 0;
        if (backoff.isOver()) {
          throw notTaken(batch, String.valueOf(e), code);
        }
        LOG.warn(
            "Nobody says who writes table {}, asking in {} ms: {}",
            batch.table(),
            backoff.pauseMillis(),
            e);
      }
      backoff.pause();
    }
  }

  /** Commits the batches of a kind, and says whether there were any. */
  private boolean commitAll(Collection<CommitRequest<SealedBatch>> requests, SealedBatch.Kind kind)
      throws IOException, InterruptedException {
    ExecutorCompletionService<Void> commits = new ExecutorCompletionService<>(executor);
    List<java.util.concurrent.Future<Void>> running = new ArrayList<>();
    for (CommitRequest<SealedBatch> request : requests) {
      SealedBatch batch = request.getCommittable();
      if (batch.kind() == kind) {
        running.add(
            commits.submit(
                () -> {
                  commit(batch, request.getNumberOfRetries());
                  return null;
                }));
      }
    }
    try {
      for (int i = 0; i < running.size(); i++) {
        commits.take().get();
      }
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException cause) {
        throw cause;
      }
      throw new IOException("A batch couldn't be committed: " + e.getCause(), e.getCause());
    } finally {
      running.forEach(commit -> commit.cancel(true));
    }
    for (CommitRequest<SealedBatch> request : requests) {
      SealedBatch batch = request.getCommittable();
      if (batch.kind() == kind && !batch.file().isEmpty()) {
        committedFiles.add(batch.file());
      }
    }
    return !running.isEmpty();
  }

  private void commit(SealedBatch batch, int earlierTries)
      throws IOException, InterruptedException {
    long started = System.nanoTime();
    Backoff backoff = new Backoff(limits.commitDeadline());
    long now = System.currentTimeMillis();
    CommitDecision.Next next =
        guards.contains(Guard.PROBE)
                && CommitDecision.probeFirst(
                    batch, earlierTries, restoredFrom, now, limits.probeAfter().toMillis())
            ? CommitDecision.Next.PROBE
            : CommitDecision.Next.INSERT;
    int attempt = 0;
    boolean token = guards.contains(Guard.TOKEN);
    boolean probed = false;
    while (next != CommitDecision.Next.DONE) {
      String trouble;
      int code = 0;
      try {
        if (next == CommitDecision.Next.PROBE) {
          probed = guards.contains(Guard.PROBE);
          next = probed ? probe(batch) : CommitDecision.Next.INSERT;
          continue;
        }
        boolean singleUseSession = guards.contains(Guard.SINGLE_USE_SESSION);
        Answer answer = table.insert(batch, bodyOf(batch), ++attempt, token, singleUseSession);
        next = CommitDecision.afterAnswer(answer);
        if (next == CommitDecision.Next.DONE) {
          provePartition(batch);
          if (probed && token && forgotten(batch)) {
            token = false;
            next = CommitDecision.Next.INSERT;
          }
          continue;
        }
        if (next == CommitDecision.Next.STOP) {
          throw refused(batch, answer);
        }
        trouble = answer.problem();
        code = answer.exceptionCode();
      } catch (BatchRefusedException e) {
        throw e;
      } catch (RefusedException e) {
        if (CommitDecision.afterAnswer(e.answer()) == CommitDecision.Next.STOP) {
          throw refused(batch, e.answer());
        }
        trouble = e.answer().problem();
        code = e.answer().exceptionCode();
        next = CommitDecision.Next.PROBE;
      } catch (IOException e) {
        trouble = String.valueOf(e);
        next = CommitDecision.Next.PROBE;
      }
      meters.unknownOutcomes.inc();
      if (backoff.isOver()) {
        throw notTaken(batch, trouble, code);
      }
      LOG.warn(
          "The outcome of {} is unknown, looking for it in {} ms: {}",
          batch,
          backoff.pauseMillis(),
          trouble);
      meters.retries.inc();
      backoff.pause();
    }
    meters.committed(batch, System.nanoTime() - started);
  }

  private CommitDecision.Next probe(SealedBatch batch) throws IOException, InterruptedException {
    meters.probes.inc();
    if (guards.contains(Guard.FENCE)) {
      table.fence(batch);
    }
    long present = table.count(batch);
    CommitDecision.Next next = CommitDecision.afterProbe(present, batch.rows());
    long missing = 0;
    if (next == CommitDecision.Next.COMPARE) {
      missing = table.missing(batch, CompressedBody.decompress(bodyOf(batch)));
      next = CommitDecision.afterComparison(missing);
    }
    if (next == CommitDecision.Next.STOP) {
      throw new BatchRefusedException(
          "In ClickHouse there are "
              + present
              + " rows of "
              + batch.place()
              + (missing > 0 ? ", and " + missing + " are neither there nor replaced." : ".")
              + " An INSERT is all or nothing, so somebody else has changed them. Remedy: find out"
              + " who; delete the batch's rows (DELETE FROM "
              + batch.table()
              + " WHERE _batch_id = "
              + BatchTable.literal(batch.id())
              + "), then submit the job from its last checkpoint: it sends the batch again.");
    }
    LOG.info("{}: {} rows found, next: {}", batch, present, next);
    return next;
  }

  /**
   * Whether the server dropped the batch because it remembers its token although its rows are gone:
   * somebody deleted them.
   */
  private boolean forgotten(SealedBatch batch) throws IOException, InterruptedException {
    return table.count(batch) == 0
        && table.missing(batch, CompressedBody.decompress(bodyOf(batch))) > 0;
  }

  /** A wrong partition would make every later probe blind, so the first batch of each is found. */
  private void provePartition(SealedBatch batch) throws IOException, InterruptedException {
    String partition = batch.table() + '/' + batch.partition();
    if (!guards.contains(Guard.PROBE) || provenPartitions.contains(partition)) {
      return;
    }
    if (table.count(batch) == 0 && table.standsElsewhere(batch)) {
      throw new BatchRefusedException(
          "The rows of "
              + batch.place()
              + " stand in another partition. Remedy: the table's PARTITION BY isn't what the"
              + " job's encoder says; apply the SQL of this release, then submit the job from its"
              + " last checkpoint.");
    }
    provenPartitions.add(partition);
  }

  private static BatchRefusedException refused(SealedBatch batch, Answer answer) {
    return new BatchRefusedException(
        "ClickHouse refuses "
            + batch.place()
            + ". Remedy: put right what it says, then submit the job from its last checkpoint: the"
            + " batch is in it. ClickHouse says: "
            + answer.problem());
  }

  private static byte[] bodyOf(SealedBatch batch) throws IOException {
    if (batch.file().isEmpty()) {
      return batch.body();
    }
    Path path = new Path(batch.file());
    byte[] body;
    try (var in = path.getFileSystem().open(path)) {
      body = in.readAllBytes();
    } catch (FileNotFoundException e) {
      throw unreadable(batch, "is gone", e);
    }
    try {
      if (CompressedBody.rawBytes(body) == batch.rawBytes()) {
        return body;
      }
    } catch (IOException e) {
      throw unreadable(batch, "is damaged", e);
    }
    throw unreadable(batch, "is cut off", null);
  }

  /** No number of tries brings the bytes back. */
  private static BatchRefusedException unreadable(
      SealedBatch batch, String state, IOException cause) {
    return new BatchRefusedException(
        "The rows of "
            + batch.place()
            + " are in the file "
            + batch.file()
            + ", which "
            + state
            + ", and ClickHouse doesn't hold them all. Remedy: restore the file, or submit the job"
            + " from another checkpoint whose files are kept.",
        cause);
  }

  private IOException notTaken(SealedBatch batch, String trouble, int code) {
    String remedy = CommitDecision.remedy(code);
    return new IOException(
        "ClickHouse at "
            + connection.url()
            + " hasn't taken "
            + batch.place()
            + " within "
            + limits.commitDeadline().toSeconds()
            + " s. Nothing is lost: the batch is in the checkpoint, and the job tries again when it"
            + " has restarted."
            + (remedy.isEmpty() ? "" : " Remedy: " + remedy + ".")
            + " Last answer: "
            + trouble);
  }

  /** A newer checkpoint has completed, so that the latest one doesn't refer to them any more. */
  private void deleteFilesOfEarlierCheckpoints() throws IOException {
    for (String file : new HashSet<>(committedFiles)) {
      Path path = new Path(file);
      path.getFileSystem().delete(path, false);
    }
    committedFiles.clear();
  }

  @Override
  public void close() {
    executor.shutdownNow();
    http.close();
  }

  /** What the committer counts. Batches are committed by several threads. */
  private static final class Meters {
    private final Counter batches;
    private final Counter rows;
    private final Counter bytes;
    private final Counter retries;
    private final Counter probes;
    private final Counter unknownOutcomes;
    private volatile long lastMillis;

    Meters(MetricGroup group) {
      batches = counter(group, "batchesCommitted");
      rows = counter(group, "rowsCommitted");
      bytes = counter(group, "bytesCommitted");
      retries = counter(group, "commitRetries");
      probes = counter(group, "probes");
      unknownOutcomes = counter(group, "unknownOutcomes");
      group.gauge("lastCommitMillis", () -> lastMillis);
    }

    private static Counter counter(MetricGroup group, String name) {
      return group.counter(name, new ThreadSafeSimpleCounter());
    }

    void committed(SealedBatch batch, long nanos) {
      if (batch.kind() == SealedBatch.Kind.ROWS) {
        batches.inc();
        rows.inc(batch.rows());
        bytes.inc(batch.rawBytes());
      }
      lastMillis = TimeUnit.NANOSECONDS.toMillis(nanos);
    }
  }
}
