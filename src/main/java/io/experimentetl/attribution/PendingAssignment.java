package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.FindingCode;

/**
 * An assignment with an unresolved reference; a record of keyed state. The components are those of
 * {@link PendingEvent}.
 */
public record PendingAssignment(
    AssignmentRow assignment,
    Origin origin,
    long pendingUntil,
    FindingCode[] unresolved,
    long version) {

  static PendingAssignment until(long pendingUntil, AssignmentRow assignment, Origin origin) {
    return new PendingAssignment(assignment, origin, pendingUntil, FindingCode.NO_CODES, 0);
  }

  static PendingAssignment flagged(
      AssignmentRow assignment, Origin origin, FindingCode[] unresolved, long version) {
    return new PendingAssignment(assignment, origin, 0, unresolved, version);
  }

  PendingAssignment withUserId(String userId) {
    return new PendingAssignment(
        assignment.withUserId(userId), origin, pendingUntil, unresolved, version);
  }

  boolean isFlagged() {
    return pendingUntil == 0;
  }
}
