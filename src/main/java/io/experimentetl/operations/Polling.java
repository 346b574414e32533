package io.experimentetl.operations;

import java.time.Duration;
import java.util.Optional;
import java.util.function.Supplier;

/** Polls a server until it has a result. */
final class Polling {
  private Polling() {}

  /**
   * Repeats an attempt until it has a result or the deadline has passed.
   *
   * @param attempt empty: not yet; an exception ends the polling
   * @return empty when the deadline has passed
   */
  static <T> Optional<T> until(
      Duration deadline, Duration interval, Supplier<Optional<T>> attempt) {
    long end = System.nanoTime() + deadline.toNanos();
    while (true) {
      Optional<T> result = attempt.get();
      if (result.isPresent() || System.nanoTime() >= end) {
        return result;
      }
      try {
        Thread.sleep(interval.toMillis());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new OperationsException("interrupted while waiting", e);
      }
    }
  }
}
