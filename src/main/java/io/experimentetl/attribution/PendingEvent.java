package io.experimentetl.attribution;

import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;

/**
 * An event with an unresolved reference; a record of keyed state. Until the grace period ends it is
 * pending: no row of it is delivered. Then it is delivered flagged, and kept to be corrected.
 *
 * @param pendingUntil processing time until which it is pending, milliseconds since 1970; 0: it was
 *     delivered flagged
 * @param unresolved the codes that it was flagged with; empty while it is pending
 * @param version of the row that was sent last; 0 while it is pending
 * @param retentionDeleted whether a retention transaction has deleted the row of a pending one; of
 *     a flagged one, its {@link FactMark} says so
 */
public record PendingEvent(
    EventRow event,
    Origin origin,
    long pendingUntil,
    FindingCode[] unresolved,
    long version,
    boolean retentionDeleted) {
  static final PendingEvent[] NONE = {};

  static PendingEvent until(long pendingUntil, EventRow event, Origin origin) {
    return new PendingEvent(event, origin, pendingUntil, FindingCode.NO_CODES, 0, false);
  }

  static PendingEvent flagged(
      EventRow event, Origin origin, FindingCode[] unresolved, long version) {
    return new PendingEvent(event, origin, 0, unresolved, version, false);
  }

  PendingEvent withUserId(String userId) {
    return new PendingEvent(
        event.withUserId(userId), origin, pendingUntil, unresolved, version, retentionDeleted);
  }

  /** The same, with the note that a retention transaction has deleted its row. */
  PendingEvent deletedByRetention() {
    return new PendingEvent(event, origin, pendingUntil, unresolved, version, true);
  }

  boolean isFlagged() {
    return pendingUntil == 0;
  }
}
