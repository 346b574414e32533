package io.experimentetl.audit;

import java.time.Duration;

/** A moment by which all must be done, on the clock that never jumps. */
final class Deadline {
  private final long endsAtNanos;
  private final Duration length;

  Deadline(Duration length) {
    this.length = length;
    this.endsAtNanos = System.nanoTime() + length.toNanos();
  }

  /** At least a millisecond: zero means "for ever" to most who are given it. */
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
