package io.experimentetl.bench;

import io.experimentetl.bench.Freshness.Step;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/** How many rows a reader of ClickHouse sees, looked up again and again. */
final class VisibleRows {
  private static final Waiting WAITING = new Waiting(Duration.ofMillis(20), Duration.ofMinutes(3));

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
    WAITING.secondsUntil(
        System.nanoTime(),
        () -> {
          long rows = count.getAsLong() - before;
          seen.add(new Step(System.nanoTime(), rows));
          return isDone.getAsBoolean();
        },
        () -> "only %,d of the new rows are visible".formatted(rows()));
  }

  /** The rows of the last look. */
  long rows() {
    return seen.isEmpty() ? 0 : seen.get(seen.size() - 1).rows();
  }

  List<Step> steps() {
    return seen;
  }
}
