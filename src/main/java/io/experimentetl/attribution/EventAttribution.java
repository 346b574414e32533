package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.C_UPDATE_IMMUTABLE;
import static io.experimentetl.model.FindingCode.T_FUTURE;
import static io.experimentetl.model.FindingCode.T_LATE_BEYOND_STATE;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourceTable;
import io.experimentetl.quality.EventChecks;
import io.experimentetl.quality.EventReferences;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;

/** Applies changes of a user's events. */
final class EventAttribution {
  private final EventChecks checks;
  private final EventViolations found;
  private final ReferenceLookup references;
  private final PendingFacts pending;
  private final GracePeriod grace;
  private final DeletedFacts deleted;
  private final Rehydration rehydration;
  private final UserStatistics statistics;
  private final BotCheck bots;
  private final ProcessedRows rows;
  private final UserFindings findings;
  private final RowVersionGenerator versions;
  private final OpenTruncates truncates;
  private final MutableFacts mutable;
  private final int correctedAtOnce;

  EventAttribution(
      AttributionSteps steps,
      EventChecks checks,
      BotCheck bots,
      MutableFacts mutable,
      int correctedAtOnce) {
    this.checks = checks;
    this.found = new EventViolations(checks, steps.references());
    this.references = steps.references();
    this.pending = steps.pending();
    this.grace = steps.grace();
    this.deleted = steps.deleted();
    this.rehydration = steps.rehydration();
    this.statistics = steps.statistics();
    this.bots = bots;
    this.rows = steps.rows();
    this.findings = steps.findings();
    this.versions = steps.versions();
    this.truncates = steps.truncates();
    this.mutable = mutable;
    this.correctedAtOnce = correctedAtOnce;
  }

  /**
   * Applies a change of an event: delivers the event, or holds it while a reference is missing.
   *
   * @return the facts whose pending rows the caller must re-evaluate, or null
   */
  ExperimentFacts apply(UserFacts user, Change change, long now) {
    Origin origin = Origin.of(change);
    if (change.after() == null) {
      delete(user, (EventRow) change.before(), change, origin);
      return null;
    }
    EventRow event = (EventRow) change.after();
    boolean hasFacts = rehydration.ensureFacts(user, event.experimentId(), change.kind());
    boolean standsUnderFormerId =
        change.kind() != ChangeKind.RETAINED
            && !user.unmoved().isEmpty()
            && rows.leaveFormerId(user, event, origin.tombstone(DeletedFacts.KEY_CHANGE));
    if (change.kind() == ChangeKind.RENAME && !standsUnderFormerId) {
      rows.writeTombstone((EventRow) change.before(), origin.tombstone(DeletedFacts.KEY_CHANGE));
    }
    if (!hasFacts) {
      rows.send(user, null, event, new FindingCode[] {T_LATE_BEYOND_STATE}, origin.version());
      findings.report(T_LATE_BEYOND_STATE, true, event, origin);
      return null;
    }
    ExperimentFacts facts = user.factsIn(event.experimentId());
    statistics.ensureCurrent(user, facts);
    EventFact delivered = facts.events.find(event.id(), event.occurredAt());
    if (delivered != null) {
      if (change.kind() != ChangeKind.RETAINED) {
        write(user, facts, delivered, change, origin, standsUnderFormerId);
      }
      return null;
    }
    PendingEvent held = pending.find(facts, event);
    if (held != null) {
      if (change.kind() == ChangeKind.RETAINED || isUnchanged(held, event, origin)) {
        return null;
      }
      pending.remove(facts, held);
    }
    addOrHold(user, facts, change, origin, now);
    return facts.pendingEvents.isEmpty() ? null : facts;
  }

  /**
   * Whether the source wrote a pending event again as it was. It keeps its version: a restart may
   * deliver it before this change, which then sends no row, and would leave an early write of this
   * change above all others.
   */
  private boolean isUnchanged(PendingEvent held, EventRow event, Origin origin) {
    return held.event().equals(event)
        && !held.retentionDeleted()
        && truncates.markOf(SourceTable.EVENTS, held.origin())
            == truncates.markOf(SourceTable.EVENTS, origin);
  }

  /** Delivers an event that is not known yet, or holds it while a reference is missing. */
  private void addOrHold(
      UserFacts user, ExperimentFacts facts, Change change, Origin origin, long now) {
    EventRow event = (EventRow) change.after();
    EventReferences known = references.of(user, facts, event);
    EnumSet<FindingCode> unresolved = checks.unresolved(event, known);
    boolean changedKey = changesKey(change);
    if (changedKey) {
      resolveUnderOldKey(user, facts, change, origin);
    }
    PendingEvent arrived = PendingEvent.until(grace.endOf(now), event, origin);
    if (deleted.wasKept(change, event, now)) {
      arrived = arrived.deletedByRetention();
    }
    if (unresolved.isEmpty()) {
      add(user, facts, arrived, known, unresolved, changedKey);
    } else {
      if (changedKey && !mutable.contain(event)) {
        findings.report(C_UPDATE_IMMUTABLE, true, event, origin);
      }
      hold(user, facts, arrived);
    }
  }

  /** Applies a change that writes a known event. */
  private void write(
      UserFacts user,
      ExperimentFacts facts,
      EventFact delivered,
      Change change,
      Origin origin,
      boolean standsUnderFormerId) {
    EventRow event = (EventRow) change.after();
    byte mark = truncates.markAgain(SourceTable.EVENTS, origin, delivered.mark());
    if (delivered.content() != EventContent.of(event)) {
      update(user, facts, delivered.withMark(mark), change, origin);
      return;
    }
    if (delivered.mark() != mark) {
      facts.events.put(delivered.withMark(mark));
    }
    if (change.kind() == ChangeKind.REREAD
        || standsUnderFormerId
        || FactMark.isRetentionDeleted(delivered.mark())) {
      // Else its row was sent under the new id already, if it was pending at the rename.
      deliverAgain(user, facts, event, origin, origin.version());
    }
  }

  /** Whether the event was written under another key before. */
  private static boolean changesKey(Change change) {
    return change.kind() == ChangeKind.UPDATE
        && change.before() instanceof EventRow before
        && change.after() instanceof EventRow after
        && !(before.id().equals(after.id())
            && before.occurredAt() == after.occurredAt()
            && before.experimentId() == after.experimentId()
            && before.userId().equals(after.userId()));
  }

  /**
   * Delivers an event under the user's id, and deletes its row under a former one.
   *
   * @param stored the row that is in the warehouse, under a former id
   */
  void move(UserFacts user, EventRow stored, Origin origin) {
    ExperimentFacts facts = user.factsIn(stored.experimentId());
    EventFact delivered = facts.events.find(stored.id(), stored.occurredAt());
    if (delivered == null || delivered.content() != EventContent.of(stored)) {
      return;
    }
    RowVersion version = versions.moved(origin);
    if (!rows.leaveFormerId(user, stored, version.deletedBy(DeletedFacts.KEY_CHANGE))) {
      return;
    }
    statistics.ensureCurrent(user, facts);
    deliverAgain(user, facts, stored.withUserId(user.userId), origin, version);
  }

  /** Sends an event that is among the facts already and has not changed, but for its user's id. */
  private void deliverAgain(
      UserFacts user, ExperimentFacts facts, EventRow event, Origin origin, RowVersion version) {
    EventReferences known = references.of(user, facts, event);
    // It did not arrive now, so it is not late.
    EnumSet<FindingCode> violations =
        found.of(facts, event, known, checks.values(event), origin, false);
    sendUpdated(user, facts, event, violations, checks.unresolved(event, known), origin, version);
  }

  /** Holds an event. Where the user holds the maximum, the oldest one is delivered or spilled. */
  private void hold(UserFacts user, ExperimentFacts facts, PendingEvent held) {
    if (pending.isFull(facts)) {
      PendingEvent oldest = facts.pendingEvents.get(0);
      pending.remove(facts, oldest);
      if (oldest.isFlagged()) {
        pending.spill(user, facts, oldest);
      } else {
        EventReferences known = references.of(user, facts, oldest.event());
        add(user, facts, oldest, known, checks.unresolved(oldest.event(), known), false);
        if (pending.isFull(facts)) {
          pending.spill(user, facts, facts.pendingEvents.remove(facts.pendingEvents.size() - 1));
        }
      }
    }
    pending.hold(facts, held);
  }

  /**
   * Adds an event to the user's facts, counts it and sends its row.
   *
   * @param arrived the event, which is not held any more
   * @param changedKey it was written under another key before
   */
  private void add(
      UserFacts user,
      ExperimentFacts facts,
      PendingEvent arrived,
      EventReferences known,
      EnumSet<FindingCode> unresolved,
      boolean changedKey) {
    EventRow event = arrived.event();
    Origin origin = arrived.origin();
    long content = EventContent.of(event);
    long[] values = checks.values(event);
    EnumSet<FindingCode> violations =
        checks.violations(
            event, known, values, origin.committedAt(), origin.fromStream() && !changedKey);
    if (changedKey && !mutable.contain(event)) {
      violations.add(C_UPDATE_IMMUTABLE);
    }
    EventFact[] others = facts.events.withId(event.id());
    if (others.length > 0) {
      violations.add(EventViolations.repetition(others[0].content(), content));
    }
    byte mark = FactMark.withFound(truncates.markOf(SourceTable.EVENTS, origin), violations);
    statistics.put(
        user,
        facts,
        fact(event, content, values)
            .withMark(arrived.retentionDeleted() ? FactMark.retentionDeleted(mark) : mark),
        origin);
    bots.check(user, facts, event, origin);
    RowVersion version = origin.version();
    rows.send(user, facts, event, violations, unresolved, version);
    findings.open(violations, event, origin);
    findings.open(unresolved, event, origin);
    if (!unresolved.isEmpty()) {
      // It keeps the place that it had while it was pending, also where the user is full.
      facts.pendingEvents.add(
          PendingEvent.flagged(event, origin, FindingCode.toArray(unresolved), version.version()));
    }
  }

  private void update(
      UserFacts user, ExperimentFacts facts, EventFact before, Change change, Origin origin) {
    EventRow event = (EventRow) change.after();
    long[] values = checks.values(event);
    EnumSet<FindingCode> corrected = found.shown(user, facts, before);
    statistics.put(
        user, facts, fact(event, EventContent.of(event), values).withMark(before.mark()), origin);
    EventReferences known = references.of(user, facts, event);
    EnumSet<FindingCode> violations =
        found.of(facts, event, known, values, origin, origin.fromStream());
    boolean isUpdate = change.kind() == ChangeKind.UPDATE || change.kind() == ChangeKind.RENAME;
    if (isUpdate && !mutable.contain(event)) {
      violations.add(C_UPDATE_IMMUTABLE);
    }
    sendUpdated(
        user, facts, event, violations, checks.unresolved(event, known), origin, origin.version());
    corrected.removeAll(violations);
    resolve(corrected, event, origin);
  }

  /**
   * Sends a new version of a delivered event, and holds it flagged while references are missing.
   * What was found on the version before and the facts do not show is resolved if it holds no more.
   */
  private void sendUpdated(
      UserFacts user,
      ExperimentFacts facts,
      EventRow event,
      EnumSet<FindingCode> violations,
      EnumSet<FindingCode> unresolved,
      Origin origin,
      RowVersion version) {
    EventFact delivered = facts.events.find(event.id(), event.occurredAt());
    EnumSet<FindingCode> gone = FactMark.found(delivered.mark());
    gone.removeAll(violations);
    byte mark = FactMark.withFound(delivered.mark(), violations);
    if (mark != delivered.mark()) {
      facts.events.put(delivered.withMark(mark));
    }
    rows.send(user, facts, event, violations, unresolved, version);
    findings.open(violations, event, origin);
    findings.open(unresolved, event, origin);
    resolve(gone, event, origin);
    PendingEvent flagged = pending.take(user, facts, event);
    if (flagged != null) {
      findings.resolveArrivedReferences(flagged, unresolved, event, origin);
    }
    if (!unresolved.isEmpty()) {
      pending.holdFlagged(
          user,
          facts,
          PendingEvent.flagged(event, origin, FindingCode.toArray(unresolved), version.version()));
    }
  }

  /**
   * Resolves the findings of an event that has another id or time now. The half of the update that
   * deleted the row under its old key does not: the event may be of another user now, whose
   * findings about it have the same subject and may have been sent already.
   */
  private void resolveUnderOldKey(
      UserFacts user, ExperimentFacts facts, Change change, Origin origin) {
    EventRow before = (EventRow) change.before();
    EventRow after = (EventRow) change.after();
    boolean isOfOtherSubject =
        !before.id().equals(after.id()) || before.occurredAt() != after.occurredAt();
    if (isOfOtherSubject && change.isBeforeWhole()) {
      EventReferences known = references.of(user, facts, before);
      EnumSet<FindingCode> violations =
          found.of(facts, before, known, checks.values(before), origin, false);
      resolve(CorrectedFindings.resolvable(violations), before, origin);
    }
  }

  private void resolve(EnumSet<FindingCode> codes, EventRow event, Origin origin) {
    for (FindingCode code : codes) {
      findings.report(code, false, event, origin);
    }
  }

  private void delete(UserFacts user, EventRow event, Change change, Origin origin) {
    if (deleted.isByRetention(change, event, origin)) {
      retain(user, event, change);
      return;
    }
    RowVersion tombstone = origin.tombstone(deleted.reasonOf(change, event));
    if (!rehydration.ensureFacts(user, event.experimentId())) {
      rows.writeTombstone(event, tombstone);
      findings.report(T_LATE_BEYOND_STATE, true, event, origin);
      return;
    }
    ExperimentFacts facts = user.factsIn(event.experimentId());
    statistics.ensureCurrent(user, facts);
    PendingEvent held = pending.take(user, facts, event);
    if (held != null) {
      resolveFindingsOf(user, facts, held, origin);
    }
    EventFact gone = facts.events.find(event.id(), event.occurredAt());
    if (gone != null) {
      if (change.kind() != ChangeKind.KEY_CHANGE) {
        // A finding about a row that is gone has no cause any more.
        resolve(found.all(user, facts, gone), event, origin);
      } else if (found.isPastFuture(gone, origin)) {
        findings.report(T_FUTURE, false, event, origin);
      }
      statistics.remove(user, facts, gone, origin);
      bots.removed(facts, event);
    }
    rows.writeTombstone(event, tombstone);
    rows.leaveFormerId(user, event, tombstone);
    deleted.add(change, event, origin);
  }

  /**
   * Notes that retention has deleted a young row: a later TRUNCATE does not take it, and its row in
   * the warehouse says that the source no longer has it.
   */
  private void retain(UserFacts user, EventRow event, Change change) {
    if (deleted.mustRemember(change, event)
        && rehydration.ensureFacts(user, event.experimentId())) {
      ExperimentFacts facts = user.factsIn(event.experimentId());
      PendingFacts.markRetentionDeleted(facts, event);
      EventFact delivered = facts.events.find(event.id(), event.occurredAt());
      if (delivered != null) {
        facts.events.put(delivered.withMark(FactMark.retentionDeleted(delivered.mark())));
        if (change.isBeforeWhole()) {
          Origin origin = Origin.of(change);
          statistics.ensureCurrent(user, facts);
          rows.leaveFormerId(user, event, origin.tombstone(DeletedFacts.KEY_CHANGE));
          deliverAgain(user, facts, event, origin, origin.version());
        }
      }
    }
  }

  /** Resolves the findings about a delivered event that the source has no longer. */
  void resolveFindingsOf(UserFacts user, ExperimentFacts facts, EventFact gone, Origin origin) {
    resolve(found.all(user, facts, gone), facts.eventRow(gone, user.userId), origin);
  }

  /** Resolves the findings of an event that is gone, if nothing else keeps them open. */
  void resolveFindingsOf(UserFacts user, ExperimentFacts facts, PendingEvent gone, Origin origin) {
    for (FindingCode code : pending.resolvedByRemoval(user, facts, gone)) {
      findings.report(code, false, gone.event(), origin);
    }
  }

  /**
   * Evaluates the references of the user's pending and flagged events again, as long as a delivered
   * event resolves a reference of another.
   */
  void reevaluate(UserFacts user, ExperimentFacts facts, long now) {
    boolean delivered = !facts.pendingEvents.isEmpty();
    while (delivered) {
      delivered = false;
      for (PendingEvent held : new ArrayList<>(facts.pendingEvents)) {
        EventReferences known = references.of(user, facts, held.event());
        EnumSet<FindingCode> unresolved = checks.unresolved(held.event(), known);
        if (!held.isFlagged()) {
          if (unresolved.isEmpty() || grace.isOver(held.pendingUntil(), now)) {
            pending.remove(facts, held);
            add(user, facts, held, known, unresolved, false);
            delivered = true;
          }
        } else if (differ(held, unresolved) && !isTruncated(facts, held)) {
          correct(user, facts, held, known, unresolved);
        }
      }
    }
  }

  /** Evaluates the references of the spilled events again, a bounded number at a time. */
  void reevaluateSpilled(UserFacts user, ExperimentFacts facts) {
    boolean corrected = facts.spilledEvents > 0;
    while (corrected) {
      List<PendingEvent> changed =
          pending
              .spilledOf(user, facts)
              .filter(
                  flagged ->
                      !isTruncated(facts, flagged)
                          && differ(
                              flagged,
                              checks.unresolved(
                                  flagged.event(), references.of(user, facts, flagged.event()))))
              .limit(correctedAtOnce)
              .toList();
      for (PendingEvent flagged : changed) {
        EventReferences known = references.of(user, facts, flagged.event());
        correct(user, facts, flagged, known, checks.unresolved(flagged.event(), known));
      }
      corrected = !changed.isEmpty();
    }
  }

  /** Whether the commit may delete the event. A correction would be above its tombstone. */
  private boolean isTruncated(ExperimentFacts facts, PendingEvent flagged) {
    EventFact delivered = facts.events.find(flagged.event().id(), flagged.event().occurredAt());
    return delivered != null && truncates.removes(SourceTable.EVENTS, delivered.mark());
  }

  private static boolean differ(PendingEvent flagged, EnumSet<FindingCode> unresolved) {
    return !Arrays.equals(FindingCode.toArray(unresolved), flagged.unresolved());
  }

  /** Sends a flagged event again, with a reference that has arrived. */
  private void correct(
      UserFacts user,
      ExperimentFacts facts,
      PendingEvent flagged,
      EventReferences known,
      EnumSet<FindingCode> unresolved) {
    // A spilled event has the id that the user had when it was spilled.
    EventRow event = flagged.event().withUserId(user.userId);
    Origin origin = flagged.origin();
    RowVersion version = origin.corrected(versions.correctionAfter(flagged.version()));
    rows.leaveFormerId(user, event, version.deletedBy(DeletedFacts.KEY_CHANGE));
    EnumSet<FindingCode> violations =
        found.of(facts, event, known, checks.values(event), origin, origin.fromStream());
    // Some violations are known only now: an event is compared with its assignment if it has one.
    sendUpdated(user, facts, event, violations, unresolved, origin, version);
  }

  private EventFact fact(EventRow event, long content, long[] values) {
    return EventFact.of(event, content, checks.properties(event), values);
  }
}
