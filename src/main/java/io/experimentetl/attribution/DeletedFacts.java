package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import java.util.Iterator;

/** Judges why a fact was deleted: by the user's erasure, by retention, by its key, or otherwise. */
final class DeletedFacts {
  /** Reason in the tombstone of an erased row. */
  static final String ERASURE = "erasure";

  /** Reason in the tombstone of a row that has another key now. */
  static final String KEY_CHANGE = "key-change";

  private static final String UNEXPECTED = "unexpected";

  private final RetentionPeriods retention;
  private final GracePeriod grace;
  private final UserFindings findings;

  DeletedFacts(RetentionPeriods retention, GracePeriod grace, UserFindings findings) {
    this.retention = retention;
    this.grace = grace;
    this.findings = findings;
  }

  /** Whether the delete belongs to a transaction that has erased the user before it. */
  boolean isOfErasure(UserFacts user, Change change) {
    return change.position().txId() == user.erasedTxId;
  }

  /** Whether retention deleted the event, which is then reported and otherwise ignored. */
  boolean isByRetention(Change change, EventRow event, Origin origin) {
    boolean isPast = retention.isEventPast(event.occurredAt(), origin.committedAt());
    return isByRetention(change, "events", isPast, event.occurredAt(), origin);
  }

  /** Whether retention deleted the assignment, which is then reported and otherwise ignored. */
  boolean isByRetention(Change change, AssignmentRow row, Origin origin) {
    boolean isPast = retention.isAssignmentPast(row.assignedAt(), origin.committedAt());
    return isByRetention(change, "assignments", isPast, row.assignedAt(), origin);
  }

  private boolean isByRetention(
      Change change, String table, boolean isPast, long occurredAt, Origin origin) {
    boolean byRetention =
        change.kind() == ChangeKind.RETENTION_DELETE
            || (change.kind() == ChangeKind.DELETE && isPast);
    if (byRetention) {
      findings.reportRetention(table, occurredAt, origin);
    }
    return byRetention;
  }

  /**
   * Whether the state must remember that a retention transaction has deleted the event: its age
   * does not say so.
   */
  boolean mustRemember(Change change, EventRow event) {
    return change.kind() == ChangeKind.RETENTION_DELETE
        && !retention.isEventPast(event.occurredAt(), change.position().committedAt());
  }

  /** The same for an assignment. */
  boolean mustRemember(Change change, AssignmentRow row) {
    return change.kind() == ChangeKind.RETENTION_DELETE
        && !retention.isAssignmentPast(row.assignedAt(), change.position().committedAt());
  }

  /** The reason in the tombstone of a row that neither erasure nor retention deleted. */
  static String reasonOf(Change change) {
    return change.kind() == ChangeKind.KEY_CHANGE ? KEY_CHANGE : UNEXPECTED;
  }

  /** Keeps a delete back: its transaction may still erase the user. */
  void add(UserFacts user, Change change, EventRow event, Origin origin, long now) {
    if (change.kind() == ChangeKind.DELETE) {
      user.undecidedDeletes.add(
          UndecidedDelete.of(event, change.position().txId(), origin, grace.endOf(now)));
    }
  }

  /** Keeps a delete back: its transaction may still erase the user. */
  void add(UserFacts user, Change change, AssignmentRow row, Origin origin, long now) {
    if (change.kind() == ChangeKind.DELETE) {
      user.undecidedDeletes.add(
          UndecidedDelete.of(row, change.position().txId(), origin, grace.endOf(now)));
    }
  }

  /** Reports the deletes that no erasure has explained in time. */
  void decide(UserFacts user, long now) {
    if (user.erasedTxId != 0 && user.erasedUntil <= now) {
      user.erasedTxId = 0;
      // Older than the erasure: they showed that its later deletes were of lost facts.
      user.evicted().clear();
    }
    for (Iterator<UndecidedDelete> it = user.undecidedDeletes.iterator(); it.hasNext(); ) {
      UndecidedDelete delete = it.next();
      if (delete.decideAt() <= now) {
        it.remove();
        findings.reportUnexpectedDelete(user, delete);
      }
    }
  }
}
