package io.experimentetl.attribution;

import static io.experimentetl.model.SourceTable.ASSIGNMENTS;
import static io.experimentetl.model.SourceTable.EVENTS;
import static io.experimentetl.model.SourceTable.USERS;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.RowVersion;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Deletes a user's facts of truncated tables, at the commit, and erases a user whose row a truncate
 * of {@code users} has deleted. A TRUNCATE takes what the source still held: a fact stays if the
 * transaction has written it behind the truncate, if it is older than its retention, or if a
 * retention transaction had deleted its row. Tombstones have the position of the truncate, below
 * the rows that the transaction writes behind it.
 */
final class TruncatedFacts {
  private static final String REASON = "truncate";

  private final OpenTruncates truncates;
  private final RetentionPeriods retention;
  private final PendingFacts pending;
  private final AssignmentAttribution assignments;
  private final EventAttribution events;
  private final Rehydration rehydration;
  private final UserStatistics statistics;
  private final ProcessedRows rows;
  private final UserErasure erasure;
  private final AttributionOutput out;

  TruncatedFacts(
      AttributionSteps steps,
      RetentionPeriods retention,
      AssignmentAttribution assignments,
      EventAttribution events,
      UserErasure erasure,
      AttributionOutput out) {
    this.erasure = erasure;
    this.out = out;
    this.truncates = steps.truncates();
    this.retention = retention;
    this.pending = steps.pending();
    this.assignments = assignments;
    this.events = events;
    this.rehydration = steps.rehydration();
    this.statistics = steps.statistics();
    this.rows = steps.rows();
  }

  /** Whether the facts of the summary may have been rows of a truncated table. */
  boolean concerns(EvictionSummary summary) {
    Truncate ofEvents = truncates.lastOf(EVENTS);
    Truncate ofAssignments = truncates.lastOf(ASSIGNMENTS);
    return (ofEvents != null
            && !retention.isAnyEventPast(summary.latest(), ofEvents.origin().committedAt()))
        || (ofAssignments != null && isHeldAssignment(summary.latest(), ofAssignments));
  }

  /** Applies the truncates of the transaction that has committed. */
  void apply(UserFacts user) {
    Truncate ofUsers = truncates.lastOf(USERS);
    boolean isErased =
        ofUsers != null && user.user != null && truncates.removes(USERS, user.userMark);
    user.userMark = FactMark.committed(user.userMark);
    if (ofUsers != null && user.erasedAt < ofUsers.origin().sequenceNumber()) {
      // The row that erased the user is gone too.
      user.erasedAt = 0;
    }
    if (isErased) {
      out.truncatedUser(new TruncatedUser(user.user, ofUsers.origin()));
      for (String formerId : user.formerIds()) {
        out.truncatedUser(new TruncatedUser(user.user.withUserId(formerId), ofUsers.origin()));
      }
      erasure.eraseTruncated(user, ofUsers.origin());
      return;
    }
    Truncate ofEvents = truncates.lastOf(EVENTS);
    Truncate ofAssignments = truncates.lastOf(ASSIGNMENTS);
    if (ofEvents != null || ofAssignments != null) {
      apply(user, ofEvents, ofAssignments);
    }
  }

  private void apply(UserFacts user, Truncate ofEvents, Truncate ofAssignments) {
    for (EvictionSummary summary : List.copyOf(user.evicted())) {
      if (concerns(summary) && !rehydration.ensureFacts(user, summary.experimentId())) {
        removeRemains(user, summary, ofEvents, ofAssignments);
      }
    }
    statistics.defer();
    for (ExperimentFacts facts : user.experiments()) {
      statistics.ensureCurrent(user, facts);
      if (ofAssignments != null) {
        int before = facts.assignments().size();
        removeAssignments(user, facts, ofAssignments);
        if (facts.assignments().size() < before) {
          statistics.restate(user, facts, ofAssignments.origin());
        }
      }
      if (ofEvents != null) {
        removeEvents(user, facts, ofEvents);
      }
    }
    statistics.reportDeferred(user);
  }

  private void removeEvents(UserFacts user, ExperimentFacts facts, Truncate truncate) {
    RowVersion tombstone = truncate.origin().tombstone(REASON);
    for (EventFact event : markedOrRemoved(facts, truncate)) {
      if (!isRemoved(event, truncate)) {
        facts.events.put(event.withMark(FactMark.committed(event.mark())));
        continue;
      }
      if (truncate.byRetention()) {
        facts.events.put(
            event.withMark(FactMark.retentionDeleted(FactMark.committed(event.mark()))));
        continue;
      }
      EventRow gone =
          EventRow.ofKey(event.id(), event.occurredAt(), facts.experimentId, user.userId);
      events.resolveFindingsOf(user, facts, event, truncate.origin());
      statistics.remove(user, facts, event, truncate.origin());
      facts.daysCounted = false;
      PendingEvent flagged = pending.take(user, facts, gone);
      if (flagged != null) {
        events.resolveFindingsOf(user, facts, flagged, truncate.origin());
      }
      rows.writeTombstone(gone, tombstone);
      rows.leaveFormerId(user, gone, tombstone);
    }
    for (PendingEvent held : List.copyOf(facts.pendingEvents)) {
      if (held.isFlagged()
          || held.retentionDeleted()
          || !isBefore(held.origin(), truncate)
          || !isHeldEvent(held.event().occurredAt(), held.event().fact(), truncate)) {
        continue;
      }
      if (truncate.byRetention()) {
        PendingFacts.markRetentionDeleted(facts, held.event());
      } else {
        pending.remove(facts, held);
        // Before a restart it may have got its reference, and an early write may be visible.
        rows.writeTombstone(held.event(), tombstone);
      }
    }
  }

  /**
   * The events that change: those that are removed, and those with a mark of the transaction. Of
   * one id, the last one is first: each but the first may be a finding because of those before it.
   */
  private List<EventFact> markedOrRemoved(ExperimentFacts facts, Truncate truncate) {
    List<EventFact> changing = new ArrayList<>();
    facts.events.forEach(
        event -> {
          if (isRemoved(event, truncate) || event.mark() != FactMark.committed(event.mark())) {
            changing.add(event);
          }
        });
    Collections.reverse(changing);
    return changing;
  }

  private boolean isRemoved(EventFact event, Truncate truncate) {
    return truncates.removes(EVENTS, event.mark())
        && !FactMark.isRetentionDeleted(event.mark())
        && isHeldEvent(event.occurredAt(), event.fact(), truncate);
  }

  private void removeAssignments(UserFacts user, ExperimentFacts facts, Truncate truncate) {
    RowVersion tombstone = truncate.origin().tombstone(REASON);
    // From the last one on: each but the first may be a finding because of those before it.
    for (int i = facts.assignments().size() - 1; i >= 0; i--) {
      AssignmentRow row = facts.assignments().get(i);
      byte mark = facts.assignmentMark(row.id());
      facts.setAssignmentMark(row.id(), FactMark.committed(mark));
      if (!truncates.removes(ASSIGNMENTS, mark)
          || FactMark.isRetentionDeleted(mark)
          || !isHeldAssignment(row.assignedAt(), truncate)) {
        continue;
      }
      if (truncate.byRetention()) {
        facts.setAssignmentMark(row.id(), FactMark.retentionDeleted(FactMark.committed(mark)));
      } else {
        assignments.resolveFindingsOf(user, facts, row, truncate.origin());
        pending.remove(facts, facts.pendingAssignmentOf(row.id()));
        facts.removeAssignment(row.id());
        rows.writeTombstone(row, tombstone);
        rows.leaveFormerId(user, row, tombstone);
      }
    }
    for (PendingAssignment held : List.copyOf(facts.pendingAssignments)) {
      if (held.isFlagged()
          || held.retentionDeleted()
          || !isBefore(held.origin(), truncate)
          || !isHeldAssignment(held.assignment().assignedAt(), truncate)) {
        continue;
      }
      if (truncate.byRetention()) {
        PendingFacts.markRetentionDeleted(facts, held.assignment());
      } else {
        pending.remove(facts, held);
        rows.writeTombstone(held.assignment(), tombstone);
      }
    }
  }

  /** Deletes the visible rows of evicted facts that can't be rehydrated. */
  private void removeRemains(
      UserFacts user, EvictionSummary summary, Truncate ofEvents, Truncate ofAssignments) {
    long experimentId = summary.experimentId();
    String userId = Rehydration.idOf(user, summary);
    ExperimentFacts remains = rehydration.remains(user, summary);
    if (ofEvents != null && !ofEvents.byRetention()) {
      RowVersion tombstone = ofEvents.origin().tombstone(REASON);
      remains.events.forEach(
          event -> {
            if (isHeldEvent(event.occurredAt(), event.fact(), ofEvents)) {
              rows.writeTombstone(
                  EventRow.ofKey(event.id(), event.occurredAt(), experimentId, userId), tombstone);
            }
          });
    }
    if (ofAssignments != null && !ofAssignments.byRetention()) {
      RowVersion tombstone = ofAssignments.origin().tombstone(REASON);
      for (AssignmentRow row : remains.assignments()) {
        if (isHeldAssignment(row.assignedAt(), ofAssignments)) {
          rows.writeTombstone(row, tombstone);
        }
      }
    }
    rehydration.reportLost(
        user, experimentId, (ofEvents == null ? ofAssignments : ofEvents).origin());
  }

  private boolean isHeldEvent(long occurredAt, String fact, Truncate truncate) {
    return !retention.isEventPast(occurredAt, fact, truncate.origin().committedAt());
  }

  private boolean isHeldAssignment(long assignedAt, Truncate truncate) {
    return !retention.isAssignmentPast(assignedAt, truncate.origin().committedAt());
  }

  private static boolean isBefore(Origin origin, Truncate truncate) {
    return origin.sequenceNumber() < truncate.origin().sequenceNumber();
  }
}
