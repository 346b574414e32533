package io.experimentetl.bench;

import io.experimentetl.local.PlatformException;
import io.experimentetl.local.demo.Pause;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/**
 * Looks again and again until something is reached.
 *
 * @param look the time between two looks, which ask a server that is measured: seldom is cheap
 */
record Waiting(Duration look, Duration deadline) {

  /**
   * Waits.
   *
   * @param begin nanoseconds of {@link System#nanoTime}
   * @param problem says what is not reached
   * @return the seconds since the begin
   * @throws PlatformException when the deadline has passed
   */
  double secondsUntil(long begin, BooleanSupplier isReached, Supplier<String> problem) {
    while (!isReached.getAsBoolean()) {
      if (System.nanoTime() - begin > deadline.toNanos()) {
        throw new PlatformException(
            "%s within %d minutes".formatted(problem.get(), deadline.toMinutes()));
      }
      Pause.of(look);
    }
    return (System.nanoTime() - begin) / 1e9;
  }
}
