package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;

/**
 * An assignment that lacks a reference; a record of keyed state. The components are those of {@link
 * PendingEvent}.
 */
public record PendingAssignment(
    AssignmentRow assignment,
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

  PendingAssignment writtenWithout(String[] codes, long sentVersion) {
    return new PendingAssignment(
        assignment, lsn, committedAt, sequenceNumber, visibleBefore, 0, codes, sentVersion);
  }
}
