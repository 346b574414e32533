package io.experimentetl.attribution;

import io.experimentetl.config.SourceConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import java.util.Iterator;

/** Judges why a fact was deleted: by the user's erasure, by retention, by its key, or otherwise. */
final class DeletedFacts {
  /** Reason in the tombstone of an erased row. */
  static final String ERASURE = "erasure";

  private static final String KEY_CHANGE = "key-change";
  private static final String UNEXPECTED = "unexpected";

  private final long eventRetentionMillis;
  private final long assignmentRetentionMillis;
  private final GracePeriod grace;
  private final UserFindings findings;

  DeletedFacts(SourceConfig source, GracePeriod grace, UserFindings findings) {
    this.eventRetentionMillis = source.eventRetention().toMillis();
    this.assignmentRetentionMillis = source.assignmentRetention().toMillis();
    this.grace = grace;
    this.findings = findings;
  }

  /** Whether the delete belongs to a transaction that has erased the user before it. */
  boolean isOfErasure(UserFacts user, Change change) {
    return change.position().txId() == user.erasedTxId;
  }

  /** Whether retention deleted the event, which is then reported and otherwise ignored. */
  boolean isByRetention(Change change, EventRow event, Origin origin) {
    return isByRetention(change, "events", eventRetentionMillis, event.occurredAt(), origin);
  }

  /** Whether retention deleted the assignment, which is then reported and otherwise ignored. */
  boolean isByRetention(Change change, AssignmentRow row, Origin origin) {
    return isByRetention(
        change, "assignments", assignmentRetentionMillis, row.assignedAt(), origin);
  }

  private boolean isByRetention(
      Change change, String table, long retentionMillis, long occurredAt, Origin origin) {
    boolean byRetention =
        change.kind() == ChangeKind.DELETE
            && origin.committedAt() - occurredAt > retentionMillis * 1000;
    if (byRetention) {
      findings.reportRetention(table, occurredAt, origin);
    }
    return byRetention;
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
