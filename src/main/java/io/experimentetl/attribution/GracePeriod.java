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
   * When to decide about the user's facts that were in use since {@link UserFacts#clearTouched},
   * milliseconds since 1970: when their next period ends, and later while the snapshot is read.
   * {@link Long#MAX_VALUE}: never, or not before a transaction ends.
   */
  long timerFor(UserFacts user, long now) {
    if (!user.undecided.isEmpty()) {
      return Long.MAX_VALUE;
    }
    long next = Long.MAX_VALUE;
    for (ExperimentFacts facts : user.touched()) {
      if (facts.hasPending()) {
        next = Math.min(next, nextEnd(facts));
      }
    }
    return inSnapshot && next != Long.MAX_VALUE ? now + millis : next;
  }

  private static long nextEnd(ExperimentFacts facts) {
    long next = Long.MAX_VALUE;
    for (PendingAssignment held : facts.pendingAssignments) {
      if (!held.isFlagged()) {
        next = Math.min(next, held.pendingUntil());
      }
    }
    for (PendingEvent held : facts.pendingEvents) {
      if (!held.isFlagged()) {
        next = Math.min(next, held.pendingUntil());
      }
    }
    return next;
  }
}
