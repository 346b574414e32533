package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Judges why a fact was deleted: by the user's erasure or replacement, by retention, by its key, or
 * otherwise. Remembers a user's deletes until all changes of their transaction are applied: a fact
 * that the transaction inserted again was not deleted.
 */
final class DeletedFacts {
  /** Reason in the tombstone of an erased row. */
  static final String ERASURE = "erasure";

  /** Reason in the tombstone of a row that has another key now. */
  static final String KEY_CHANGE = "key-change";

  private static final String REPLACEMENT = "replacement";
  private static final String UNEXPECTED = "unexpected";
  private static final String MUTABLE = "mutable";

  /**
   * A deleted fact.
   *
   * @param eventId null: an assignment
   * @param occurredAt of the event, microseconds since 1970 in UTC
   * @param assignmentId 0: an event
   * @param mutable whether a delete of the row is no finding
   */
  record Deleted(
      long experimentId,
      EventId eventId,
      long occurredAt,
      long assignmentId,
      boolean mutable,
      Origin origin) {}

  /** A fact that retention has deleted, with its table and time. */
  private record Retained(Deleted fact, String table, long occurredAt) {}

  private final RetentionPeriods retention;
  private final MutableFacts mutable;
  private final UserFindings findings;
  private final Set<Deleted> deleted = new LinkedHashSet<>();
  private int deletedEvents;
  private final List<Retained> retained = new ArrayList<>();
  private Judgement judgement = Judgement.KEPT;

  DeletedFacts(RetentionPeriods retention, MutableFacts mutable, UserFindings findings) {
    this.retention = retention;
    this.mutable = mutable;
    this.findings = findings;
  }

  /** Begins the changes of a user in a transaction that has ended. */
  void begin(Judgement byItsEnd) {
    judgement = byItsEnd;
    deleted.clear();
    deletedEvents = 0;
    retained.clear();
  }

  /** Ends them: reports the facts that are gone without an erasure. */
  void end(UserFacts user) {
    for (Retained row : retained) {
      findings.reportRetention(row.table(), row.occurredAt(), row.fact().origin());
    }
    if (judgement != Judgement.ERASED) {
      for (Deleted fact : deleted) {
        if (!fact.mutable() && !isThere(user, fact)) {
          findings.reportUnexpectedDelete(fact);
        }
      }
    }
    begin(Judgement.KEPT);
  }

  private static boolean isThere(UserFacts user, Deleted fact) {
    ExperimentFacts facts = user.findIn(fact.experimentId());
    if (facts == null) {
      return false;
    }
    return fact.eventId() == null
        ? facts.assignmentOf(fact.assignmentId()) != null
            || facts.pendingAssignmentOf(fact.assignmentId()) != null
        : facts.events.find(fact.eventId(), fact.occurredAt()) != null
            || PendingFacts.find(facts, fact.eventId(), fact.occurredAt()) != null;
  }

  /** Whether retention deleted the event, which is then reported and otherwise ignored. */
  boolean isByRetention(Change change, EventRow event, Origin origin) {
    boolean isPast = retention.isEventPast(event.occurredAt(), event.fact(), origin.committedAt());
    return isByRetention(change, "events", isPast, event.occurredAt(), deletedEvent(event, origin));
  }

  /** Whether retention deleted the assignment, which is then reported and otherwise ignored. */
  boolean isByRetention(Change change, AssignmentRow row, Origin origin) {
    boolean isPast = retention.isAssignmentPast(row.assignedAt(), origin.committedAt());
    return isByRetention(
        change, "assignments", isPast, row.assignedAt(), deletedAssignment(row, origin));
  }

  private boolean isByRetention(
      Change change, String table, boolean isPast, long occurredAt, Deleted fact) {
    if (change.kind() == ChangeKind.RETENTION_DELETE) {
      findings.reportRetention(table, occurredAt, fact.origin());
      return true;
    }
    boolean byAge = change.kind() == ChangeKind.DELETE && judgement == Judgement.KEPT && isPast;
    if (byAge) {
      retained.add(new Retained(fact, table, occurredAt));
    }
    return byAge;
  }

  /**
   * Whether the state must remember that a retention transaction has deleted the event: its age
   * does not say so.
   */
  boolean mustRemember(Change change, EventRow event) {
    return change.kind() == ChangeKind.RETENTION_DELETE
        && !retention.isEventPast(
            event.occurredAt(), event.fact(), change.position().committedAt());
  }

  /** The same for an assignment. */
  boolean mustRemember(Change change, AssignmentRow row) {
    return change.kind() == ChangeKind.RETENTION_DELETE
        && !retention.isAssignmentPast(row.assignedAt(), change.position().committedAt());
  }

  /**
   * Whether the older warehouse of a resync kept the event although its age does not say so: a
   * retention transaction had deleted it.
   *
   * @param now processing time, milliseconds since 1970
   */
  boolean wasKept(Change change, EventRow event, long now) {
    return change.kind() == ChangeKind.RETAINED
        && !retention.isEventPast(event.occurredAt(), event.fact(), now * 1000);
  }

  /** The same for an assignment. */
  boolean wasKept(Change change, AssignmentRow row, long now) {
    return change.kind() == ChangeKind.RETAINED
        && !retention.isAssignmentPast(row.assignedAt(), now * 1000);
  }

  /**
   * Whether the change can be judged only by its transaction's end: the delete may be half of an
   * update, or part of an erasure. By a retention transaction's delete of an old row nothing
   * changes, unless its reference may still arrive.
   */
  boolean mustAwaitEnd(UserFacts user, Change change) {
    boolean isDelete =
        change.kind().isDelete()
            || (change.before() instanceof EventRow event
                && (mustRemember(change, event) || isHeldDelete(user, change)))
            || (change.before() instanceof AssignmentRow row
                && (mustRemember(change, row) || isHeldDelete(user, change)));
    return isDelete && change.position().lsn() != 0;
  }

  private static boolean isHeldDelete(UserFacts user, Change change) {
    return change.kind() == ChangeKind.RETENTION_DELETE
        && PendingFacts.mayHold(user, change.before());
  }

  /** The reason in the tombstone of an event that retention did not delete. */
  String reasonOf(Change change, EventRow event) {
    String reason = reasonOf(change);
    return reason.equals(UNEXPECTED) && mutable.contain(event) ? MUTABLE : reason;
  }

  /** The reason in the tombstone of an assignment that retention did not delete. */
  String reasonOf(Change change) {
    if (change.kind() == ChangeKind.KEY_CHANGE) {
      return KEY_CHANGE;
    }
    return switch (judgement) {
      case ERASED -> ERASURE;
      case REPLACED -> REPLACEMENT;
      case KEPT -> UNEXPECTED;
    };
  }

  /** Notes a delete that was applied. */
  void add(Change change, EventRow event, Origin origin) {
    add(change, deletedEvent(event, origin));
  }

  /** Notes a delete that was applied. */
  void add(Change change, AssignmentRow row, Origin origin) {
    add(change, deletedAssignment(row, origin));
  }

  private Deleted deletedEvent(EventRow event, Origin origin) {
    return new Deleted(
        event.experimentId(), event.id(), event.occurredAt(), 0, mutable.contain(event), origin);
  }

  private static Deleted deletedAssignment(AssignmentRow row, Origin origin) {
    return new Deleted(row.experimentId(), null, 0, row.id(), false, origin);
  }

  private void add(Change change, Deleted fact) {
    if (change.kind() == ChangeKind.DELETE) {
      if (deleted.add(fact) && fact.eventId() != null) {
        deletedEvents++;
      }
    } else if (change.kind() == ChangeKind.KEY_CHANGE) {
      // Sent again with the number of a delete, which is known now to be the half of an update.
      if (deleted.remove(fact) && fact.eventId() != null) {
        deletedEvents--;
      }
      retained.removeIf(row -> row.fact().equals(fact));
    }
  }

  /** Number of events that the transaction has deleted so far. */
  int events() {
    return deletedEvents;
  }

  /** Number of assignments that the transaction has deleted so far. */
  int assignments() {
    return deleted.size() - events();
  }
}
