package io.experimentetl.clickhouse;

import io.experimentetl.clickhouse.ClickHouseHttp.Answer;
import io.experimentetl.clickhouse.ClickHouseHttp.RefusedException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ScheduledFuture;
import org.apache.flink.api.common.operators.ProcessingTimeService;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.ThreadSafeSimpleCounter;
import org.apache.flink.metrics.groups.SinkWriterMetricGroup;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes rows before their checkpoint. It collects rows for a short time. Other threads then send
 * their batches, while the next rows are collected. When these fill a batch too, the task waits, so
 * that two versions of a row are never sent at the same time. A batch with an unknown outcome is
 * sent again, so that its rows may be in the table twice, with the same key and version.
 *
 * <p>Rows of a backlog wait longer, until they fill a large block: a small one costs the server
 * almost as much, and their readers have waited already.
 *
 * <p>Only the task's thread may call it.
 */
final class EarlyWrite<T> implements AutoCloseable {

  private static final Logger LOG = LoggerFactory.getLogger(EarlyWrite.class);

  /** A row is of a backlog if it arrives this long after its commit, microseconds. */
  private static final long BACKLOG_MICROS = 10_000_000;

  /** Rows of a backlog are sent when they are this many ... */
  private static final int MIN_BACKLOG_ROWS = 10_000;

  /** ... or have waited for this many times the linger. */
  private static final int MAX_LINGERS = 10;

  /** Rows that have waited look this many times per linger whether the batch before is sent. */
  private static final int LOOKS_PER_LINGER = 8;

  private final RowEncoder<T> encoder;
  private final BatchSealer<T> rows;
  private final BatchLimits limits;
  private final ProcessingTimeService timers;
  private final long lingerMillis;
  private final SinkMemory memory;
  private final ClickHouseConnection connection;
  private final ClickHouseHttp http;
  private final BatchTable table;
  private final BatchThreads threads = new BatchThreads("clickhouse-early-write");
  private final Counter bytesSent;
  private final Counter batchesSent;
  private final Counter rowsSent;
  private final Counter retries;
  private volatile double lastSeconds;
  private BatchThreads.Running sending;
  private long sendingBytes;
  private ScheduledFuture<?> timer;

  /** When the source committed the last row; see {@link RowEncoder#committedAt}. */
  private long lastCommittedAt;

  /** When the rows have waited for the linger, milliseconds of processing time. */
  private long dueAt;

  /** For how many times the linger the rows have waited for more. */
  private int lingers;

  /**
   * Sends nothing yet.
   *
   * @param encoder of the rows
   * @param rows seals batches of kind {@link SealedBatch.Kind#EARLY}
   * @param linger how long a row waits for more rows, milliseconds precision
   * @param memory the account that {@code rows} uses
   * @throws IOException if the password cannot be read
   */
  EarlyWrite(
      RowEncoder<T> encoder,
      BatchSealer<T> rows,
      ClickHouseConnection connection,
      BatchLimits limits,
      Duration linger,
      SinkMemory memory,
      ProcessingTimeService timers,
      SinkWriterMetricGroup metrics)
      throws IOException {
    this.encoder = encoder;
    this.rows = rows;
    this.connection = connection;
    this.limits = limits;
    this.lingerMillis = linger.toMillis();
    this.memory = memory;
    this.timers = timers;
    this.http = new ClickHouseHttp(connection);
    this.table = new BatchTable(http, limits.insertTimeout());
    this.bytesSent = metrics.getNumBytesSendCounter();
    MetricGroup scope = MetricScope.of(metrics);
    this.batchesSent = scope.counter("early_batches_total", new ThreadSafeSimpleCounter());
    this.rowsSent = scope.counter("early_rows_total", new ThreadSafeSimpleCounter());
    this.retries = scope.counter("early_write_retries_total", new ThreadSafeSimpleCounter());
    scope.gauge("last_early_write_seconds", () -> lastSeconds);
  }

  /**
   * Adds a row.
   *
   * @throws IOException if earlier rows could not be sent
   */
  void add(T row) throws IOException, InterruptedException {
    if (rows.pendingRows() == 0) {
      dueAt = timers.getCurrentProcessingTime() + lingerMillis;
    }
    rows.add(row);
    lastCommittedAt = encoder.committedAt(row);
    if (rows.hasSealed()) {
      awaitSent();
      send(rows.takeSealed());
    }
    if (timer == null) {
      setTimer(dueAt);
    }
  }

  private void setTimer(long at) {
    timer = timers.registerTimer(at, time -> onTimer());
  }

  private void onTimer() throws IOException, InterruptedException {
    timer = null;
    if (sending != null && sending.isDone()) {
      awaitSent();
    }
    long now = timers.getCurrentProcessingTime();
    if (sending == null && rows.pendingRows() > 0 && now >= dueAt) {
      if (awaitsMore()) {
        dueAt = now + lingerMillis;
      } else {
        send(rows.sealAll());
      }
    }
    if (rows.pendingRows() > 0) {
      setTimer(Math.max(dueAt, now + Math.max(1, lingerMillis / LOOKS_PER_LINGER)));
    } else if (sending != null) {
      setTimer(now + lingerMillis);
    }
  }

  private boolean awaitsMore() {
    boolean isBacklog =
        lastCommittedAt != Long.MAX_VALUE
            && timers.getCurrentProcessingTime() * 1_000 - lastCommittedAt > BACKLOG_MICROS;
    return isBacklog && rows.pendingRows() < MIN_BACKLOG_ROWS && ++lingers < MAX_LINGERS;
  }

  /**
   * Returns when the server has acknowledged every row.
   *
   * @throws IOException if it has not within the deadline, or has refused a row
   */
  void flush() throws IOException, InterruptedException {
    awaitSent();
    send(rows.sealAll());
    awaitSent();
  }

  private void awaitSent() throws IOException, InterruptedException {
    if (sending == null) {
      return;
    }
    sending.await();
    finishSending();
  }

  private void finishSending() {
    sending = null;
    memory.add(-sendingBytes);
    sendingBytes = 0;
  }

  private void send(List<SealedBatch> batches) {
    if (batches.isEmpty()) {
      return;
    }
    lingers = 0;
    for (SealedBatch batch : batches) {
      sendingBytes += batch.body().length;
      bytesSent.inc(batch.rawBytes());
    }
    memory.add(sendingBytes);
    sending =
        threads.start(
            batches.stream()
                .map(
                    batch ->
                        new BatchThreads.Work(
                            batch,
                            () -> {
                              send(batch);
                              return null;
                            }))
                .toList());
  }

  private void send(SealedBatch batch) throws IOException, InterruptedException {
    long started = System.nanoTime();
    Backoff backoff = new Backoff(limits.commitDeadline());
    int attempt = 0;
    while (true) {
      String problem;
      int code = 0;
      try {
        // The session limits the time in which the server accepts a delayed copy.
        Answer answer = table.insert(batch, batch.body(), ++attempt, false, true);
        if (answer.succeeded()) {
          break;
        }
        requireRetryable(batch, answer);
        problem = answer.problem();
        code = answer.exceptionCode();
      } catch (BatchRefusedException e) {
        throw e;
      } catch (RefusedException e) {
        requireRetryable(batch, e.answer());
        problem = e.answer().problem();
        code = e.answer().exceptionCode();
      } catch (IOException e) {
        problem = String.valueOf(e);
      }
      if (backoff.isOver()) {
        throw deadlineExceeded(batch, problem, code);
      }
      LOG.warn(
          "The outcome of {} is unknown; sending it again in {} ms: {}",
          batch,
          backoff.pauseMillis(),
          problem);
      retries.inc();
      backoff.pause();
    }
    batchesSent.inc();
    rowsSent.inc(batch.rows());
    lastSeconds = MetricScope.secondsOf(System.nanoTime() - started);
  }

  private static void requireRetryable(SealedBatch batch, Answer answer)
      throws BatchRefusedException {
    if (CommitDecision.afterAnswer(answer) == CommitDecision.Next.STOP) {
      throw new BatchRefusedException(
          "ClickHouse refuses "
              + batch.place()
              + ", an early write. Remedy: correct what the answer names, then submit the job from its"
              + " last checkpoint, which sends the rows again. ClickHouse's answer: "
              + answer.problem());
    }
  }

  private IOException deadlineExceeded(SealedBatch batch, String problem, int code) {
    String remedy = CommitDecision.remedy(code);
    return new IOException(
        "ClickHouse at "
            + connection.url()
            + " has not accepted "
            + batch.place()
            + ", an early write, within "
            + limits.commitDeadline().toSeconds()
            + " s. Nothing is lost: the job sends the rows again when it has restarted from its last"
            + " checkpoint."
            + (remedy.isEmpty() ? "" : " Remedy: " + remedy + ".")
            + " Last answer: "
            + problem);
  }

  /** Bytes in memory, including those being sent. */
  long pendingBytes() {
    return rows.pendingBytes() + sendingBytes;
  }

  /** The number of rows that are not being sent yet. */
  long pendingRows() {
    return rows.pendingRows();
  }

  @Override
  public void close() {
    if (timer != null) {
      timer.cancel(false);
    }
    threads.close();
    http.close();
    finishSending();
    rows.close();
  }
}
