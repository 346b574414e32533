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
    long version,
    boolean retentionDeleted) {
  static final PendingAssignment[] NONE = {};

  static PendingAssignment until(long pendingUntil, AssignmentRow assignment, Origin origin) {
    return new PendingAssignment(assignment, origin, pendingUntil, FindingCode.NO_CODES, 0, false);
  }

  static PendingAssignment flagged(
      AssignmentRow assignment, Origin origin, FindingCode[] unresolved, long version) {
    return new PendingAssignment(assignment, origin, 0, unresolved, version, false);
  }

  PendingAssignment withUserId(String userId) {
    return new PendingAssignment(
        assignment.withUserId(userId), origin, pendingUntil, unresolved, version, retentionDeleted);
  }

  /** The same, with the note that a retention transaction has deleted its row. */
  PendingAssignment deletedByRetention() {
    return new PendingAssignment(assignment, origin, pendingUntil, unresolved, version, true);
  }

  boolean isFlagged() {
    return pendingUntil == 0;
  }
}
