package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.clickhouse.BatchThreads.Work;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class BatchThreadsTest {
  private final BatchThreads threads = new BatchThreads("batches");

  @AfterEach
  void close() {
    threads.close();
  }

  private static Work work(int rows, long rawBytes, Callable<Void> call) {
    return work("t", rows, rawBytes, call);
  }

  private static Work work(String table, int rows, long rawBytes, Callable<Void> call) {
    return new Work(
        new SealedBatch(table, "b", 0, rows, rawBytes, 0, -1, List.of(), new byte[0], ""), call);
  }

  @Test
  void eightSmallBatchesAreSentSideBySide() throws Exception {
    CyclicBarrier together = new CyclicBarrier(8);
    List<Work> batches = new ArrayList<>();
    for (int i = 0; i < 24; i++) {
      batches.add(
          work(
              1,
              100,
              () -> {
                together.await();
                return null;
              }));
    }
    threads.start(batches).await();
  }

  @Test
  void atMostTwoLargeBatchesAreSentAtATimeAndHoldNoSmallOneUp() throws Exception {
    AtomicInteger running = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    CountDownLatch smallOnes = new CountDownLatch(20);
    List<Work> batches = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      batches.add(
          work(
              100_000,
              50 << 20,
              () -> {
                most.accumulateAndGet(running.incrementAndGet(), Math::max);
                assertThat(smallOnes.await(30, TimeUnit.SECONDS)).isTrue();
                running.decrementAndGet();
                return null;
              }));
    }
    for (int i = 0; i < 20; i++) {
      batches.add(
          work(
              1,
              100,
              () -> {
                smallOnes.countDown();
                return null;
              }));
    }
    threads.start(batches).await();
    assertThat(most).hasValueLessThanOrEqualTo(2);
  }

  @Test
  void batchesWithTheMostRowsAreSentFirst() throws Exception {
    ConcurrentLinkedQueue<Integer> sent = new ConcurrentLinkedQueue<>();
    CyclicBarrier eight = new CyclicBarrier(8);
    List<Work> batches = new ArrayList<>();
    for (int i = 0; i < 32; i++) {
      int rows = i % 2 == 0 ? 1 : 1_000 + i;
      batches.add(
          work(
              rows,
              100,
              () -> {
                sent.add(rows);
                eight.await();
                return null;
              }));
    }
    threads.start(batches).await();
    assertThat(List.copyOf(sent).subList(0, 16)).allMatch(rows -> rows > 1);
  }

  @Test
  void rowsOf400MonthsDoNotHoldUpThisMonthAndOtherTables() throws Exception {
    CountDownLatch others = new CountDownLatch(3);
    List<Work> batches = new ArrayList<>();
    for (int month = 0; month < 400; month++) {
      batches.add(
          work(
              "events",
              34,
              7_000,
              () -> {
                assertThat(others.await(30, TimeUnit.SECONDS)).isTrue();
                return null;
              }));
    }
    for (Work other :
        List.of(
            work("events", 2_000, 400_000, () -> count(others)),
            work("users", 1, 80, () -> count(others)),
            work("assignments", 20, 2_000, () -> count(others)))) {
      batches.add(other);
    }
    threads.start(batches).await();
  }

  private static Void count(CountDownLatch latch) {
    latch.countDown();
    return null;
  }

  @Test
  void failureCancelsTheOtherBatches() {
    CountDownLatch cancelled = new CountDownLatch(1);
    CountDownLatch started = new CountDownLatch(1);
    BatchThreads.Running running =
        threads.start(
            List.of(
                work(
                    2,
                    100,
                    () -> {
                      started.countDown();
                      try {
                        new CountDownLatch(1).await();
                      } finally {
                        cancelled.countDown();
                      }
                      return null;
                    }),
                work(
                    1,
                    100,
                    () -> {
                      started.await();
                      throw new IOException("disk full");
                    })));
    assertThatThrownBy(running::await).isInstanceOf(IOException.class).hasMessage("disk full");
    assertThat(cancelled)
        .satisfies(latch -> assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue());
  }
}
