package io.experimentetl.clickhouse;

import io.experimentetl.clickhouse.ClickHouseHttp.Answer;
import io.experimentetl.clickhouse.ClickHouseHttp.RefusedException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.operators.ProcessingTimeService;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.ThreadSafeSimpleCounter;
import org.apache.flink.metrics.groups.SinkWriterMetricGroup;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Rows that don't wait for their checkpoint. They are gathered for a short time and sent, in
 * batches of one partition, one after the other, by a thread of their own; meanwhile the next ones
 * gather, and where they fill a batch, the task waits. A batch whose outcome isn't known is sent
 * again: its rows may stand twice then, with one key and one version.
 *
 * <p>Used by the task's thread alone.
 */
final class EarlyWrite<T> implements AutoCloseable {

  private static final Logger LOG = LoggerFactory.getLogger(EarlyWrite.class);

  private final BatchSealer<T> rows;
  private final BatchLimits limits;
  private final ProcessingTimeService timers;
  private final long lingerMillis;
  private final SinkMemory memory;
  private final ClickHouseConnection connection;
  private final ClickHouseHttp http;
  private final BatchTable table;
  private final ExecutorService sender;
  private final Counter bytesSent;
  private final Counter batchesSent;
  private final Counter rowsSent;
  private final Counter retries;
  private volatile long lastMillis;
  private Future<?> sending;
  private long sendingBytes;
  private ScheduledFuture<?> timer;

  /**
   * Sends nothing yet.
   *
   * @param rows seals batches of kind {@link SealedBatch.Kind#THROUGH}
   * @param linger how long a row waits for others, milliseconds precision
   * @param memory the one that {@code rows} counts in
   * @throws IOException if the password isn't where it should be
   */
  EarlyWrite(
      BatchSealer<T> rows,
      ClickHouseConnection connection,
      BatchLimits limits,
      Duration linger,
      SinkMemory memory,
      ProcessingTimeService timers,
      SinkWriterMetricGroup metrics)
      throws IOException {
    this.rows = rows;
    this.connection = connection;
    this.limits = limits;
    this.lingerMillis = linger.toMillis();
    this.memory = memory;
    this.timers = timers;
    this.http = new ClickHouseHttp(connection);
    this.table = new BatchTable(http, limits.insertTimeout());
    this.sender =
        Executors.newSingleThreadExecutor(
            task -> {
              Thread thread = new Thread(task, "clickhouse-write-through");
              thread.setDaemon(true);
              return thread;
            });
    this.bytesSent = metrics.getNumBytesSendCounter();
    this.batchesSent = metrics.counter("batchesWrittenEarly", new ThreadSafeSimpleCounter());
    this.rowsSent = metrics.counter("rowsWrittenEarly", new ThreadSafeSimpleCounter());
    this.retries = metrics.counter("earlyWriteRetries", new ThreadSafeSimpleCounter());
    metrics.gauge("lastEarlyWriteMillis", () -> lastMillis);
  }

  /**
   * Takes a row.
   *
   * @throws IOException if rows before it could not be sent
   */
  void add(T row) throws IOException, InterruptedException {
    rows.add(row);
    if (rows.hasSealed()) {
      awaitSent();
      send(rows.takeSealed());
    }
    if (timer == null) {
      setTimer();
    }
  }

  private void setTimer() {
    timer =
        timers.registerTimer(timers.getCurrentProcessingTime() + lingerMillis, time -> lingered());
  }

  private void lingered() throws IOException, InterruptedException {
    timer = null;
    if (sending != null && sending.isDone()) {
      awaitSent();
    }
    if (sending == null && rows.pendingRows() > 0) {
      send(rows.sealAll());
    }
    if (sending != null) {
      setTimer();
    }
  }

  /**
   * Returns when the server has acknowledged every row.
   *
   * @throws IOException if it hasn't within the deadline, or has refused them
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
    try {
      sending.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException cause) {
        throw cause;
      }
      throw new IOException("A batch couldn't be written through: " + e.getCause(), e.getCause());
    }
    sent();
  }

  private void sent() {
    sending = null;
    memory.add(-sendingBytes);
    sendingBytes = 0;
  }

  private void send(List<SealedBatch> batches) {
    if (batches.isEmpty()) {
      return;
    }
    for (SealedBatch batch : batches) {
      sendingBytes += batch.body().length;
      bytesSent.inc(batch.rawBytes());
    }
    memory.add(sendingBytes);
    sending =
        sender.submit(
            () -> {
              for (SealedBatch batch : batches) {
                send(batch);
              }
              return null;
            });
  }

  private void send(SealedBatch batch) throws IOException, InterruptedException {
    long started = System.nanoTime();
    Backoff backoff = new Backoff(limits.commitDeadline());
    int attempt = 0;
    while (true) {
      String trouble;
      int code = 0;
      try {
        // The ticket bounds for how long a copy that has lost its way can still be taken.
        Answer answer = table.insert(batch, batch.body(), ++attempt, false, true);
        if (answer.succeeded()) {
          break;
        }
        requireMayBeTaken(batch, answer);
        trouble = answer.problem();
        code = answer.exceptionCode();
      } catch (BatchRefusedException e) {
        throw e;
      } catch (RefusedException e) {
        requireMayBeTaken(batch, e.answer());
        trouble = e.answer().problem();
        code = e.answer().exceptionCode();
      } catch (IOException e) {
        trouble = String.valueOf(e);
      }
      if (backoff.isOver()) {
        throw notTaken(batch, trouble, code);
      }
      LOG.warn(
          "The outcome of {} is unknown, sending it again in {} ms: {}",
          batch,
          backoff.pauseMillis(),
          trouble);
      retries.inc();
      backoff.pause();
    }
    batchesSent.inc();
    rowsSent.inc(batch.rows());
    lastMillis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - started);
  }

  private static void requireMayBeTaken(SealedBatch batch, Answer answer)
      throws BatchRefusedException {
    if (CommitDecision.afterAnswer(answer) == CommitDecision.Next.STOP) {
      throw new BatchRefusedException(
          "ClickHouse refuses "
              + batch.place()
              + ", which was to be written through. Remedy: put right what it says, then submit the"
              + " job from its last checkpoint: the rows come again. ClickHouse says: "
              + answer.problem());
    }
  }

  private IOException notTaken(SealedBatch batch, String trouble, int code) {
    String remedy = CommitDecision.remedy(code);
    return new IOException(
        "ClickHouse at "
            + connection.url()
            + " hasn't taken "
            + batch.place()
            + ", which was to be written through, within "
            + limits.commitDeadline().toSeconds()
            + " s. Nothing is lost: the rows come again when the job has restarted from its last"
            + " checkpoint."
            + (remedy.isEmpty() ? "" : " Remedy: " + remedy + ".")
            + " Last answer: "
            + trouble);
  }

  /** Bytes in memory, those under way included. */
  long pendingBytes() {
    return rows.pendingBytes() + sendingBytes;
  }

  /** Rows that nobody has begun to send. */
  long pendingRows() {
    return rows.pendingRows();
  }

  @Override
  public void close() {
    if (timer != null) {
      timer.cancel(false);
    }
    sender.shutdownNow();
    http.close();
    sent();
    rows.close();
  }
}
