package io.experimentetl.attribution;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.RowVersion;
import java.util.List;

/**
 * Erases a user whose row was deleted and is absent at its transaction's end, or whom a row erases
 * that stays: all of the user's rows in the warehouse get tombstones, also those that retention had
 * deleted at the source, and the statistics are restated.
 */
final class UserErasure {
  private final DeletedFacts deleted;
  private final PendingFacts pending;
  private final EventAttribution events;
  private final Rehydration rehydration;
  private final UserStatistics statistics;
  private final ProcessedRows rows;
  private final UserFindings findings;

  /** Number of facts that an erasure has deleted. */
  private static final class Erased {
    private int events;
    private int assignments;

    void add(ExperimentFacts facts) {
      events += facts.events.size();
      assignments += facts.assignments().size();
    }
  }

  UserErasure(AttributionSteps steps, EventAttribution events) {
    this.deleted = steps.deleted();
    this.pending = steps.pending();
    this.events = events;
    this.rehydration = steps.rehydration();
    this.statistics = steps.statistics();
    this.rows = steps.rows();
    this.findings = steps.findings();
  }

  /** Erases the user's facts. Those that the transaction deleted before have their tombstones. */
  void erase(UserFacts user, Change change) {
    Origin origin = Origin.of(change);
    Erased erased = erase(user, origin);
    erased.events += deleted.events();
    erased.assignments += deleted.assignments();
    // The snapshot shows what happened before; and an erased user may be deleted later.
    if (origin.fromStream() && user.erasedAt == 0) {
      findings.reportErasure(change.position().txId(), erased.events, erased.assignments, origin);
    }
    user.erasedAt = change.kind() == ChangeKind.ERASE ? change.sequenceNumber() : 0;
  }

  /** Erases the facts of a user whose row a truncate has deleted, which is reported as such. */
  void eraseTruncated(UserFacts user, Origin truncate) {
    erase(user, truncate);
  }

  private Erased erase(UserFacts user, Origin origin) {
    RowVersion tombstone = origin.tombstone(DeletedFacts.ERASURE);
    Erased erased = new Erased();
    eraseEvicted(user, tombstone, origin, erased);
    for (ExperimentFacts facts : user.experiments()) {
      statistics.ensureCurrent(user, facts);
      erased.add(facts);
      rows.writeTombstones(user.userId, facts, tombstone);
      for (String formerId : user.formerIds()) {
        // Their tombstones have another reason: the clean-up would leave the rows on the disks.
        rows.writeTombstones(formerId, facts, tombstone);
      }
      erasePending(user, facts, tombstone, origin);
      statistics.retract(user, facts, origin);
    }
    user.clearExperiments();
    user.user = null;
    user.forgetFormerIds();
    return erased;
  }

  /** Erases the visible rows of evicted facts that can't be rehydrated. */
  private void eraseEvicted(UserFacts user, RowVersion tombstone, Origin origin, Erased erased) {
    for (EvictionSummary summary : List.copyOf(user.evicted())) {
      if (!rehydration.ensureFacts(user, summary.experimentId())) {
        ExperimentFacts remains = rehydration.remains(user, summary);
        erased.add(remains);
        rows.writeTombstones(Rehydration.idOf(user, summary), remains, tombstone);
        rehydration.reportLost(user, summary.experimentId(), origin);
      }
    }
  }

  private void erasePending(
      UserFacts user, ExperimentFacts facts, RowVersion tombstone, Origin origin) {
    while (!facts.pendingEvents.isEmpty()) {
      PendingEvent held = facts.pendingEvents.get(0);
      pending.remove(facts, held);
      if (held.isFlagged()) {
        events.resolveFindingsOf(user, facts, held, origin);
      } else {
        // Before a restart it may have got its reference, and an early write of it may be visible.
        rows.writeTombstone(held.event(), tombstone);
      }
    }
    for (PendingEvent flagged : pending.takeAllSpilled(user, facts)) {
      events.resolveFindingsOf(user, facts, flagged, origin);
    }
    for (PendingAssignment held : facts.pendingAssignments) {
      pending.release(held);
      if (facts.assignmentOf(held.assignment().id()) == null) {
        rows.writeTombstone(held.assignment(), tombstone);
      }
    }
  }
}
