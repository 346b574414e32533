package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.R_ORPHAN_USER;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceRow;
import java.util.List;
import java.util.stream.Stream;

/**
 * Holds facts with an unresolved reference. A pending fact is not delivered yet, and the visible
 * position stays before it. A flagged fact was delivered with its codes, and is corrected when the
 * reference arrives. A bounded number of events is held in the user's state; further flagged events
 * are spilled to a state entry of their own.
 */
final class PendingFacts {
  private final int eventsPerUser;
  private final SpilledEvents spilled;
  private final PendingLowWatermark lowWatermark;

  /**
   * Holds nothing yet.
   *
   * @param eventsPerUser the greatest number of events that a user in an experiment holds
   */
  PendingFacts(int eventsPerUser, SpilledEvents spilled, PendingLowWatermark lowWatermark) {
    this.eventsPerUser = eventsPerUser;
    this.spilled = spilled;
    this.lowWatermark = lowWatermark;
  }

  boolean isFull(ExperimentFacts facts) {
    return facts.pendingEvents.size() >= eventsPerUser;
  }

  /** Holds a pending event, also where the user is full. */
  void hold(ExperimentFacts facts, PendingEvent pending) {
    facts.pendingEvents.add(pending);
    lowWatermark.add(pending.origin());
  }

  void hold(ExperimentFacts facts, PendingAssignment pending) {
    facts.pendingAssignments.add(pending);
    lowWatermark.add(pending.origin());
  }

  /** Holds a flagged event until its reference arrives. */
  void holdFlagged(UserFacts user, ExperimentFacts facts, PendingEvent flagged) {
    if (isFull(facts)) {
      spill(user, facts, flagged);
    } else {
      facts.pendingEvents.add(flagged);
    }
  }

  void spill(UserFacts user, ExperimentFacts facts, PendingEvent flagged) {
    spilled.put(user, flagged);
    facts.spilledEvents++;
  }

  /** Removes a pending or a flagged event that is not spilled. */
  void remove(ExperimentFacts facts, PendingEvent event) {
    facts.pendingEvents.remove(event);
    release(event);
  }

  /**
   * Removes a pending or a flagged assignment.
   *
   * @param assignment null: there is none
   */
  void remove(ExperimentFacts facts, PendingAssignment assignment) {
    if (assignment != null) {
      facts.pendingAssignments.remove(assignment);
      release(assignment);
    }
  }

  /** Whether the row of an event or an assignment may be pending, or flagged. */
  static boolean mayHold(UserFacts user, SourceRow row) {
    for (ExperimentFacts facts : user.withPending()) {
      boolean holds =
          row instanceof EventRow event
              ? facts.experimentId == event.experimentId()
                  && (facts.spilledEvents > 0
                      || find(facts, event.id(), event.occurredAt()) != null)
              : facts.pendingAssignmentOf(((AssignmentRow) row).id()) != null;
      if (holds) {
        return true;
      }
    }
    return false;
  }

  /** Notes that a retention transaction has deleted the row of an event, if it is pending. */
  static void markRetentionDeleted(ExperimentFacts facts, EventRow event) {
    facts.pendingEvents.replaceAll(
        held ->
            !held.isFlagged()
                    && held.event().occurredAt() == event.occurredAt()
                    && held.event().id().equals(event.id())
                ? held.deletedByRetention()
                : held);
  }

  /** Notes that a retention transaction has deleted the row of an assignment, if it is pending. */
  static void markRetentionDeleted(ExperimentFacts facts, AssignmentRow row) {
    facts.pendingAssignments.replaceAll(
        held ->
            !held.isFlagged() && held.assignment().id() == row.id()
                ? held.deletedByRetention()
                : held);
  }

  /** Ends the hold on the visible position: the event is not pending any more. */
  void release(PendingEvent event) {
    if (!event.isFlagged()) {
      lowWatermark.remove(event.origin());
    }
  }

  /** Ends the hold on the visible position: the assignment is not pending any more. */
  void release(PendingAssignment assignment) {
    if (!assignment.isFlagged()) {
      lowWatermark.remove(assignment.origin());
    }
  }

  /** The event that is held and not spilled, with the row's key, or null. */
  PendingEvent find(ExperimentFacts facts, EventRow event) {
    return find(facts, event.id(), event.occurredAt());
  }

  /** The event that is held and not spilled, with this key, or null. */
  static PendingEvent find(ExperimentFacts facts, EventId id, long occurredAt) {
    if (facts.pendingEvents.isEmpty()) {
      return null;
    }
    for (PendingEvent held : facts.pendingEvents) {
      if (held.event().occurredAt() == occurredAt && held.event().id().equals(id)) {
        return held;
      }
    }
    return null;
  }

  /** Removes the event with this key and returns it, or null where there is none. */
  PendingEvent take(UserFacts user, ExperimentFacts facts, EventRow event) {
    PendingEvent held = find(facts, event);
    if (held != null) {
      remove(facts, held);
      return held;
    }
    PendingEvent flagged = facts.spilledEvents == 0 ? null : spilled.remove(user, event);
    if (flagged != null) {
      facts.spilledEvents--;
    }
    return flagged;
  }

  /** Removes and returns all spilled events of the user in the experiment. */
  List<PendingEvent> takeAllSpilled(UserFacts user, ExperimentFacts facts) {
    if (facts.spilledEvents == 0) {
      return List.of();
    }
    List<PendingEvent> taken = spilledOf(user, facts).toList();
    taken.forEach(flagged -> spilled.remove(user, flagged.event()));
    facts.spilledEvents = 0;
    return taken;
  }

  /** The spilled events of the user in the experiment; to be read before the next change. */
  Stream<PendingEvent> spilledOf(UserFacts user, ExperimentFacts facts) {
    return spilled.of(user).filter(flagged -> flagged.event().experimentId() == facts.experimentId);
  }

  /**
   * The codes whose findings are resolved when a flagged event is removed, because no other row
   * keeps them open. All rows of a user share a finding about the user. A finding about an
   * experiment or a variant is shared by all users, and stays open until the reference arrives.
   */
  List<FindingCode> resolvedByRemoval(UserFacts user, ExperimentFacts facts, PendingEvent gone) {
    return Stream.of(gone.unresolved())
        .filter(
            code ->
                switch (code) {
                  case R_ORPHAN_ASSIGNMENT -> !hasUnresolved(user, facts, code);
                  case R_ORPHAN_USER -> !hasUnresolvedUser(user);
                  case R_ORPHAN_EXPERIMENT, R_ORPHAN_VARIANT -> false;
                  default -> true;
                })
        .toList();
  }

  private boolean hasUnresolvedUser(UserFacts user) {
    return user.withPending().stream()
        .anyMatch(
            facts ->
                hasUnresolved(user, facts, R_ORPHAN_USER)
                    || facts.pendingAssignments.stream()
                        .anyMatch(row -> List.of(row.unresolved()).contains(R_ORPHAN_USER)));
  }

  private boolean hasUnresolved(UserFacts user, ExperimentFacts facts, FindingCode code) {
    boolean held =
        facts.pendingEvents.stream().anyMatch(event -> List.of(event.unresolved()).contains(code));
    return held
        || (facts.spilledEvents > 0
            && spilledOf(user, facts)
                .anyMatch(flagged -> List.of(flagged.unresolved()).contains(code)));
  }
}
