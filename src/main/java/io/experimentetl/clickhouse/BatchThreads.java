package io.experimentetl.clickhouse;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * The threads that send batches, of one sink by default {@value #PARALLEL_SMALL} small batches and
 * {@value #PARALLEL_LARGE} large ones at a time. A small batch waits for the server's disk most of
 * its time, so that many of them take little longer than one. A large one uses memory and
 * processors on both sides.
 */
final class BatchThreads implements AutoCloseable {

  private static final int PARALLEL_SMALL = 8;
  private static final int PARALLEL_LARGE = 2;

  /** A batch with more bytes before compression is large. */
  private static final long SMALL_BYTES = 1 << 20;

  private static final long IDLE_SECONDS = 10;

  private final ExecutorService small;
  private final ExecutorService large;

  /** Starts no thread yet; idle threads end. */
  BatchThreads(String name) {
    this(name, 1);
  }

  /**
   * Starts no thread yet; idle threads end.
   *
   * @param factor how many times as many threads as one sink has
   */
  BatchThreads(String name, int factor) {
    small = executor(name, factor * PARALLEL_SMALL);
    large = executor(name, factor * PARALLEL_LARGE);
  }

  private static ExecutorService executor(String name, int threads) {
    ThreadPoolExecutor executor =
        new ThreadPoolExecutor(
            threads,
            threads,
            IDLE_SECONDS,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            task -> {
              Thread thread = new Thread(task, name);
              thread.setDaemon(true);
              return thread;
            });
    executor.allowCoreThreadTimeOut(true);
    return executor;
  }

  /** A batch, and the call that returns when it is in the table. */
  record Work(SealedBatch batch, Callable<Void> call) {}

  /** Batches that are being sent. */
  static final class Running {
    private final List<Future<Void>> all = new ArrayList<>();
    private final BlockingQueue<Future<Void>> ended = new LinkedBlockingQueue<>();

    private Running() {}

    boolean isDone() {
      return all.stream().allMatch(Future::isDone);
    }

    /**
     * Returns when all batches are in the table.
     *
     * @throws IOException of the first batch that failed; the other batches are cancelled
     */
    void await() throws IOException, InterruptedException {
      try {
        for (int i = 0; i < all.size(); i++) {
          ended.take().get();
        }
      } catch (ExecutionException e) {
        if (e.getCause() instanceof IOException cause) {
          throw cause;
        }
        throw new IOException("A batch could not be sent: " + e.getCause(), e.getCause());
      } finally {
        all.forEach(call -> call.cancel(true));
      }
    }
  }

  /**
   * Sends the batches in any order. Those of the table with the fewest batches come first, so that
   * one table's rows of hundreds of months do not hold up the other tables; of one table those with
   * the most rows.
   */
  Running start(List<Work> batches) {
    Running running = new Running();
    Map<String, Long> byTable =
        batches.stream()
            .collect(Collectors.groupingBy(work -> work.batch().table(), Collectors.counting()));
    var smallOnes = new ExecutorCompletionService<>(small, running.ended);
    var largeOnes = new ExecutorCompletionService<>(large, running.ended);
    batches.stream()
        .sorted(
            Comparator.comparingLong((Work work) -> byTable.get(work.batch().table()))
                .thenComparing(work -> work.batch().rows(), Comparator.reverseOrder()))
        .forEach(
            work ->
                running.all.add(
                    (work.batch().rawBytes() > SMALL_BYTES ? largeOnes : smallOnes)
                        .submit(work.call())));
    return running;
  }

  @Override
  public void close() {
    small.shutdownNow();
    large.shutdownNow();
  }
}
