package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class DeadlineTest {
  @Test
  void queryThatMovesIsNotStopped() throws Exception {
    CountDownLatch asked = new CountDownLatch(3);
    try (Deadline deadline = new Deadline(Duration.ofMillis(1_500), line -> {});
        Deadline.Watch watch =
            deadline.watch(
                () -> {
                  asked.countDown();
                  return true;
                },
                () -> {
                  throw new IllegalStateException("stopped");
                })) {
      assertThat(asked.await(30, TimeUnit.SECONDS)).isTrue();
      assertThat(watch.isStopped()).isFalse();
      // The third question may have been late, and its answer begins the time again.
      await().until(() -> !deadline.isOver());
    }
  }

  @Test
  void queryIsStoppedOnceWhenNothingMoves() throws Exception {
    CountDownLatch stopped = new CountDownLatch(1);
    AtomicInteger stops = new AtomicInteger();
    try (Deadline deadline = new Deadline(Duration.ofMillis(100), line -> {});
        Deadline.Watch watch =
            deadline.watch(
                () -> {
                  throw new IllegalStateException("the server does not answer");
                },
                () -> {
                  stops.incrementAndGet();
                  stopped.countDown();
                })) {
      assertThat(stopped.await(30, TimeUnit.SECONDS)).isTrue();
      assertThat(watch.isStopped()).isTrue();
      assertThat(stops).hasValue(1);
    }
  }

  @Test
  void queryIsNotStoppedWhileOneBesideItMoves() throws Exception {
    CountDownLatch asked = new CountDownLatch(3);
    Runnable stop =
        () -> {
          throw new IllegalStateException("stopped");
        };
    try (Deadline deadline = new Deadline(Duration.ofMillis(1_500), line -> {});
        Deadline.Watch waiting = deadline.watch(() -> false, stop);
        Deadline.Watch moving =
            deadline.watch(
                () -> {
                  asked.countDown();
                  return true;
                },
                stop)) {
      assertThat(asked.await(30, TimeUnit.SECONDS)).isTrue();
      assertThat(waiting.isStopped()).isFalse();
      assertThat(moving.isStopped()).isFalse();
    }
  }

  @Test
  void allQueriesAreStoppedWhenNothingMoves() throws Exception {
    CountDownLatch stopped = new CountDownLatch(2);
    try (Deadline deadline = new Deadline(Duration.ofMillis(100), line -> {});
        Deadline.Watch first = deadline.watch(() -> false, stopped::countDown);
        Deadline.Watch second = deadline.watch(() -> false, stopped::countDown)) {
      assertThat(stopped.await(30, TimeUnit.SECONDS)).isTrue();
      assertThat(first.isStopped()).isTrue();
      assertThat(second.isStopped()).isTrue();
    }
  }

  @Test
  void eachStepBeginsTheTimeAgain() {
    try (Deadline deadline = new Deadline(Duration.ofMinutes(5), line -> {})) {
      Duration before = deadline.left();
      deadline.begin("Comparing");
      assertThat(deadline.left()).isGreaterThanOrEqualTo(before);
      assertThat(deadline.isOver()).isFalse();
    }
  }

  @Test
  void auditThatHasJustBegunReportsNoLongStep() {
    List<String> reported = new ArrayList<>();
    try (Deadline deadline = new Deadline(Duration.ofMinutes(5), reported::add)) {
      deadline.check();

      assertThat(reported).isEmpty();
    }
  }
}
