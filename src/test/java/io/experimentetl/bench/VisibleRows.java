package io.experimentetl.bench;

import io.experimentetl.bench.Freshness.Step;
import io.experimentetl.local.PlatformException;
import io.experimentetl.local.demo.Pause;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/** How many rows a reader of ClickHouse sees, looked up again and again. */
final class VisibleRows {
  /** Each look is a query of the server that is measured. */
  private static final Duration LOOK = Duration.ofMillis(20);

  private static final Duration DEADLINE = Duration.ofMinutes(3);

  private final LongSupplier count;
  private final long before;
  private final List<Step> seen = new ArrayList<>();

  VisibleRows(LongSupplier count) {
    this.count = count;
    this.before = count.getAsLong();
  }

  /** Looks for this time. */
  void watch(Duration time) {
    long end = System.nanoTime() + time.toNanos();
    until(() -> System.nanoTime() >= end);
  }

  /** Looks until so many rows more than at first are visible. */
  void watchUntil(long rows) {
    until(() -> rows() >= rows);
  }

  private void until(BooleanSupplier isDone) {
    long end = System.nanoTime() + DEADLINE.toNanos();
    do {
      if (System.nanoTime() > end) {
        throw new PlatformException(
            "only %,d of the new rows are visible after %d minutes"
                .formatted(rows(), DEADLINE.toMinutes()));
      }
      long rows = count.getAsLong() - before;
      seen.add(new Step(System.nanoTime(), rows));
      Pause.of(LOOK);
    } while (!isDone.getAsBoolean());
  }

  /** The rows of the last look. */
  long rows() {
    return seen.isEmpty() ? 0 : seen.get(seen.size() - 1).rows();
  }

  List<Step> steps() {
    return seen;
  }
}
