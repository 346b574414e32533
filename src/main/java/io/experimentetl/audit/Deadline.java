package io.experimentetl.audit;

import java.time.Duration;

/** The time by which a task must end, on the monotonic clock. */
final class Deadline {
  private final long endsAtNanos;
  private final Duration length;

  Deadline(Duration length) {
    this.length = length;
    this.endsAtNanos = System.nanoTime() + length.toNanos();
  }

  /** The time left, at least one millisecond: most callees read zero as "no limit". */
  Duration left() {
    return Duration.ofMillis(Math.max(1, (endsAtNanos - System.nanoTime()) / 1_000_000));
  }

  boolean isOver() {
    return System.nanoTime() >= endsAtNanos;
  }

  Duration length() {
    return length;
  }
}
