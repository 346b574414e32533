package io.experimentetl.attribution;

import io.experimentetl.model.EventRow;

/**
 * An event that lacks a reference; a record of keyed state.
 *
 * @param lsn of its change; 0: the snapshot
 * @param committedAt microseconds since 1970 in UTC
 * @param sequenceNumber its place in commit order
 * @param visibleBefore LSN up to which everything is visible as long as this row waits
 * @param waitUntil processing time in milliseconds since 1970 until which it is held back; 0: it
 *     was written, flagged
 * @param unresolved codes of the references that it was written without; empty as long as it waits
 * @param version of the row that was sent last; 0 as long as it waits
 */
public record PendingEvent(
    EventRow event,
    long lsn,
    long committedAt,
    long sequenceNumber,
    long visibleBefore,
    long waitUntil,
    String[] unresolved,
    long version) {

  boolean isWritten() {
    return waitUntil == 0;
  }

  PendingEvent writtenWithout(String[] codes, long sentVersion) {
    return new PendingEvent(
        event, lsn, committedAt, sequenceNumber, visibleBefore, 0, codes, sentVersion);
  }
}
