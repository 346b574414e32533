package io.experimentetl.attribution;

import java.time.Duration;

/**
 * How long a row is pending for a reference that is missing. While the initial snapshot is read,
 * each table in an order of its own, a missing reference is only late: no period ends.
 */
final class GracePeriod {
  private final long millis;
  private boolean inSnapshot;

  GracePeriod(Duration length) {
    this.millis = length.toMillis();
  }

  void setInSnapshot(boolean now) {
    inSnapshot = now;
  }

  /** When a period that begins now ends; processing time, milliseconds since 1970. */
  long endOf(long now) {
    return now + millis;
  }

  boolean isOver(long pendingUntil, long now) {
    return !inSnapshot && pendingUntil <= now;
  }

  /**
   * When to decide what is due at the given time: later while the snapshot is read.
   *
   * @param due {@link Long#MAX_VALUE}: never
   */
  long timerFor(long due, long now) {
    return inSnapshot && due != Long.MAX_VALUE ? now + millis : due;
  }
}
