package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.A_CROSSOVER;
import static io.experimentetl.model.FindingCode.A_DUP_ASSIGNMENT;
import static io.experimentetl.model.FindingCode.A_REASSIGNED;
import static io.experimentetl.model.FindingCode.C_DELETE_ERASURE;
import static io.experimentetl.model.FindingCode.C_DELETE_RETENTION;
import static io.experimentetl.model.FindingCode.C_DELETE_UNEXPECTED;
import static io.experimentetl.model.FindingCode.C_UPDATE_IMMUTABLE;
import static io.experimentetl.model.FindingCode.D_CONFLICTING_DUP;
import static io.experimentetl.model.FindingCode.D_DUP_EVENT;
import static io.experimentetl.model.FindingCode.H_BOT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_EXPERIMENT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_VARIANT;
import static io.experimentetl.model.FindingCode.R_VARIANT_NULL;
import static io.experimentetl.model.FindingCode.S_UNKNOWN_EVENT_TYPE;
import static io.experimentetl.model.FindingCode.T_ASSIGNMENT_AT_DRIFT;
import static io.experimentetl.model.FindingCode.T_ENROLL_MISMATCH;
import static io.experimentetl.model.FindingCode.T_LATE_BEYOND_STATE;

import io.experimentetl.config.JobConfig;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;
import io.experimentetl.quality.AssignmentChecks;
import io.experimentetl.quality.EventChecks;
import io.experimentetl.quality.EventReferences;
import io.experimentetl.quality.PropertyValue;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * What a change means for its user: which rows go out, what is found, and by what the statistics
 * change. It knows no operator: the user's facts are handed in, and what follows goes to the
 * output.
 *
 * <p>A fact whose reference is missing waits for the grace period, then goes out flagged, and is
 * corrected when the reference comes. It counts in the statistics from when it goes out, so that
 * rows and statistics always agree.
 */
final class UserAttribution {
  private static final String[] NO_CODES = {};

  private final JobConfig config;
  private final Dimensions dimensions;
  private final MissingReferences missing;
  private final RowVersionGenerator versions;
  private final PendingLowWatermark lowWatermark;
  private final SpilledEvents spilledEvents;
  private final WarehouseFacts evictedFacts;
  private final AttributionOutput out;
  private final EventChecks eventChecks;
  private final long graceMillis;

  /**
   * As long as every table is being read, in an order of its own, a reference is no more than late.
   */
  boolean inSnapshot;

  UserAttribution(
      JobConfig config,
      Dimensions dimensions,
      MissingReferences missing,
      RowVersionGenerator versions,
      PendingLowWatermark lowWatermark,
      SpilledEvents spilledEvents,
      WarehouseFacts evictedFacts,
      AttributionOutput out) {
    this.config = config;
    this.dimensions = dimensions;
    this.missing = missing;
    this.versions = versions;
    this.lowWatermark = lowWatermark;
    this.spilledEvents = spilledEvents;
    this.evictedFacts = evictedFacts;
    this.out = out;
    this.eventChecks = new EventChecks(config.statistics(), config.findings());
    this.graceMillis = config.findings().grace().toMillis();
  }

  /**
   * Applies a change of a user, an assignment or an event.
   *
   * @param now processing time, milliseconds since 1970
   */
  void apply(UserFacts user, Change change, long now) {
    versions.observe(change.sequenceNumber());
    switch (change.table()) {
      case USERS -> applyUser(user, change, now);
      case ASSIGNMENTS -> applyAssignment(user, change, now);
      case EVENTS -> applyEvent(user, change, now);
      default ->
          throw new IllegalArgumentException("attribute was sent a row of " + change.table());
    }
  }

  /** Decides what has waited until now. */
  void decide(UserFacts user, long now) {
    if (user.erasedTxId != 0 && user.erasedUntil <= now) {
      user.erasedTxId = 0;
      // Those of before the erasure, by which its last deletes were known to be of lost facts.
      user.evicted().clear();
    }
    for (Iterator<UndecidedDelete> it = user.undecidedDeletes.iterator(); it.hasNext(); ) {
      UndecidedDelete delete = it.next();
      if (delete.decideAt() <= now) {
        it.remove();
        reportUnexpectedDelete(user, delete);
      }
    }
    for (ExperimentFacts facts : List.copyOf(user.experiments())) {
      reevaluate(user, facts, now);
    }
  }

  /**
   * Recomputes what the user contributes after dimensions have changed.
   *
   * @param experiments ids of the experiments that changed
   * @param before the dimensions before the change
   */
  void applyDimensions(UserFacts user, Set<Long> experiments, Dimensions before, long now) {
    for (EvictionSummary summary : List.copyOf(user.evicted())) {
      if (experiments.contains(summary.experimentId()) && !hasFacts(user, summary.experimentId())) {
        reportBeyondState(user, summary.experimentId(), new Origin(0, 0, 0, 0));
      }
    }
    for (ExperimentFacts facts : user.experiments()) {
      boolean waits = facts.waits();
      if (experiments.contains(facts.experimentId)) {
        if (facts.contributions == null) {
          facts.contributions = Contributions.of(facts, before, config.statistics());
        }
        restate(user, facts, new Origin(0, 0, 0, 0));
      }
      if (waits) {
        reevaluate(user, facts, now);
        reevaluateSpilled(user, facts);
      }
    }
  }

  // ---- users

  private void applyUser(UserFacts user, Change change, long now) {
    if (change.kind() == ChangeKind.DELETE) {
      erase(user, change, now);
      return;
    }
    if (change.kind() == ChangeKind.KEY_CHANGE) {
      user.user = null;
      return;
    }
    boolean wasKnown = user.user != null;
    user.user = (UserRow) change.after();
    if (!wasKnown) {
      for (ExperimentFacts facts : user.experiments()) {
        reevaluate(user, facts, now);
        reevaluateSpilled(user, facts);
      }
    }
  }

  /**
   * The user row was deleted: the warehouse forgets all of the user, also what retention had
   * deleted at the source.
   */
  private void erase(UserFacts user, Change change, long now) {
    Origin origin = Origin.of(change);
    RowVersion tombstone = origin.asSent("erasure", true);
    int events = 0;
    int assignments = 0;
    for (EvictionSummary summary : List.copyOf(user.evicted())) {
      if (!hasFacts(user, summary.experimentId())) {
        ExperimentFacts remains = evictedFacts.remains(user.userId, summary.experimentId());
        events += remains.size();
        assignments += remains.assignments.size();
        writeTombstone(user, remains, tombstone);
        reportBeyondState(user, summary.experimentId(), origin);
      }
    }
    for (ExperimentFacts facts : user.experiments()) {
      ensureContributions(facts);
      events += facts.size();
      assignments += facts.assignments.size();
      writeTombstone(user, facts, tombstone);
      while (!facts.pending.isEmpty()) {
        PendingEvent removed = facts.pending.remove(0);
        if (removed.isWritten()) {
          resolveWhatNobodyElseLacks(user, facts, removed, origin);
        } else {
          lowWatermark.remove(removed.visibleBefore());
          // Before a restart it may have found its reference, and have been written through.
          writeTombstone(user, removed.event(), tombstone);
        }
      }
      for (PendingEvent removed : takeSpilled(user, facts)) {
        resolveWhatNobodyElseLacks(user, facts, removed, origin);
      }
      for (PendingAssignment waiting : facts.pendingAssignments) {
        stopWaiting(waiting);
        if (facts.assignmentOf(waiting.assignment().id()) == null) {
          writeTombstone(waiting.assignment(), tombstone);
        }
      }
      ExperimentFacts nothing = new ExperimentFacts(facts.experimentId);
      nothing.contributions = facts.contributions;
      restate(user, nothing, origin);
    }
    for (UndecidedDelete delete : user.undecidedDeletes) {
      if (delete.txId() != change.position().txId()) {
        reportUnexpectedDelete(user, delete);
      } else if (delete.eventId() != null) {
        events++;
        writeTombstone(
            user, delete.experimentId(), delete.eventId(), delete.occurredAt(), tombstone);
      } else {
        assignments++;
      }
    }
    user.experiments().clear();
    user.undecidedDeletes.clear();
    user.user = null;
    user.erasedTxId = change.position().txId();
    user.erasedUntil = now + graceMillis;
    report(
        C_DELETE_ERASURE,
        true,
        "erasure:tx-" + change.position().txId(),
        0,
        null,
        null,
        "a user was erased, with %d events and %d assignments".formatted(events, assignments),
        origin);
  }

  // ---- assignments

  private void applyAssignment(UserFacts user, Change change, long now) {
    Origin origin = Origin.of(change);
    if (change.after() == null) {
      deleteAssignment(user, (AssignmentRow) change.before(), change, origin, now);
      return;
    }
    AssignmentRow row = (AssignmentRow) change.after();
    if (!hasFacts(user, row.experimentId())) {
      emit(user, row, EnumSet.of(T_LATE_BEYOND_STATE), origin.asSent("", false));
      report(T_LATE_BEYOND_STATE, true, row, origin);
      return;
    }
    ExperimentFacts facts = user.in(row.experimentId());
    ensureContributions(facts);
    AssignmentRow before = facts.assignmentOf(row.id());
    PendingAssignment waiting = facts.pendingAssignmentOf(row.id());
    boolean isKnown = before != null || waiting != null;
    boolean isAsBefore = row.equals(before) && waiting == null;
    if (change.kind() == ChangeKind.RETAINED ? isKnown : isAsBefore) {
      return;
    }
    stopWaiting(waiting);
    facts.pendingAssignments.remove(waiting);
    facts.pendingAssignments.add(
        new PendingAssignment(
            row,
            origin.lsn(),
            origin.committedAt(),
            origin.sequenceNumber(),
            origin.visibleBefore(),
            now + graceMillis,
            NO_CODES,
            0));
    lowWatermark.add(origin.visibleBefore(), origin.committedAt());
    if (before != null && before.variantId() != row.variantId()) {
      report(
          A_REASSIGNED,
          true,
          "assignment:" + row.id(),
          row.experimentId(),
          row.userId(),
          null,
          "variant %d became %d".formatted(before.variantId(), row.variantId()),
          origin);
    }
    reevaluate(user, facts, now);
  }

  private void stopWaiting(PendingAssignment pending) {
    if (pending != null && !pending.isWritten()) {
      lowWatermark.remove(pending.visibleBefore());
    }
  }

  private void deleteAssignment(
      UserFacts user, AssignmentRow row, Change change, Origin origin, long now) {
    if (change.position().txId() == user.erasedTxId) {
      if (user.evictedIn(row.experimentId()) != null) {
        writeTombstone(row, origin.asSent("erasure", true));
      }
      return;
    }
    if (change.kind() == ChangeKind.DELETE
        && isBeyond(config.source().assignmentRetention().toMillis(), row.assignedAt(), origin)) {
      reportRetention("assignments", row.assignedAt(), origin);
      return;
    }
    if (!hasFacts(user, row.experimentId())) {
      writeTombstone(row, origin.asSent(reasonOf(change), true));
      report(T_LATE_BEYOND_STATE, true, row, origin);
      return;
    }
    ExperimentFacts facts = user.in(row.experimentId());
    ensureContributions(facts);
    PendingAssignment waiting = facts.pendingAssignmentOf(row.id());
    stopWaiting(waiting);
    facts.pendingAssignments.remove(waiting);
    if (facts.removeAssignment(row.id())) {
      restate(user, facts, origin);
    }
    writeTombstone(row, origin.asSent(reasonOf(change), true));
    if (change.kind() == ChangeKind.DELETE) {
      user.undecidedDeletes.add(
          new UndecidedDelete(
              change.position().txId(),
              row.experimentId(),
              null,
              0,
              row.id(),
              origin.lsn(),
              origin.committedAt(),
              now + graceMillis));
    }
  }

  /** Whether the assignment went out, for the first time or corrected. */
  private boolean reevaluateAssignment(
      UserFacts user, ExperimentFacts facts, PendingAssignment pending, long now) {
    AssignmentRow row = pending.assignment();
    ExperimentDimension experiment = experiment(row.experimentId());
    VariantDimension variant = variant(row.variantId());
    Long variantExperiment = variant == null ? null : variant.experimentId();
    EnumSet<FindingCode> unresolved =
        AssignmentChecks.unresolved(user.user != null, experiment != null, variantExperiment);
    String[] codes = codes(unresolved);
    boolean nothingNew =
        pending.isWritten()
            ? Arrays.equals(codes, pending.unresolved())
            : !unresolved.isEmpty() && !isDue(pending.waitUntil(), now);
    if (nothingNew) {
      return false;
    }
    Origin origin =
        new Origin(
            pending.lsn(),
            pending.committedAt(),
            pending.sequenceNumber(),
            pending.visibleBefore());
    EnumSet<FindingCode> all =
        AssignmentChecks.violations(
            row,
            variantExperiment,
            experiment == null ? 0 : experiment.version(),
            pending.committedAt() + config.findings().futureTolerance().toMillis() * 1000);
    if (facts.isAssignedBefore(row.id())) {
      all.add(A_DUP_ASSIGNMENT);
    }
    reportAll(all, row, origin);
    reportAll(unresolved, row, origin);
    resolve(pending.unresolved(), unresolved, row, origin);
    all.addAll(unresolved);
    RowVersion version =
        pending.isWritten()
            ? origin.corrected(versions.correctionAfter(pending.version()))
            : origin.asSent("", false);
    stopWaiting(pending);
    facts.pendingAssignments.remove(pending);
    if (!unresolved.isEmpty()) {
      facts.pendingAssignments.add(pending.writtenWithout(codes, version.version()));
    }
    facts.put(row);
    restate(user, facts, origin);
    emit(user, row, all, version);
    return true;
  }

  private void emit(
      UserFacts user, AssignmentRow row, EnumSet<FindingCode> codes, RowVersion version) {
    ExperimentDimension experiment = dimensions.experiment(row.experimentId());
    VariantDimension variant = dimensions.variant(row.variantId());
    out.assignment(
        new AssignmentProcessed(
            row,
            experiment == null ? "" : experiment.key(),
            experiment == null ? "" : experiment.name(),
            variant == null ? "" : variant.key(),
            variant == null ? "" : variant.name(),
            user.user == null ? null : user.user.properties(),
            dimensions.calendarOf(experiment).dayOf(row.assignedAt()),
            codes(codes),
            version));
  }

  // ---- events

  private void applyEvent(UserFacts user, Change change, long now) {
    Origin origin = Origin.of(change);
    if (change.after() == null) {
      deleteEvent(user, (EventRow) change.before(), change, origin, now);
      return;
    }
    EventRow event = (EventRow) change.after();
    if (!hasFacts(user, event.experimentId())) {
      emit(
          user,
          new ExperimentFacts(event.experimentId()),
          event,
          EnumSet.of(T_LATE_BEYOND_STATE),
          EnumSet.noneOf(FindingCode.class),
          origin.asSent("", false));
      report(T_LATE_BEYOND_STATE, true, event, origin);
      return;
    }
    ExperimentFacts facts = user.in(event.experimentId());
    ensureContributions(facts);
    long content = EventContent.of(event);
    int at = facts.indexOf(event.id(), event.occurredAt());
    if (at >= 0) {
      if (facts.content(at) != content && change.kind() != ChangeKind.RETAINED) {
        update(user, facts, change, event, origin);
      }
      return;
    }
    int waiting = facts.pendingIndexOf(event.id(), event.occurredAt());
    if (waiting >= 0) {
      if (change.kind() == ChangeKind.RETAINED) {
        return;
      }
      lowWatermark.remove(facts.pending.remove(waiting).visibleBefore());
    }
    EventReferences references = references(user, facts, event);
    EnumSet<FindingCode> unresolved = eventChecks.unresolved(event, references);
    if (unresolved.isEmpty()) {
      write(user, facts, new Fact(event, content, origin), references, unresolved);
    } else {
      hold(user, facts, origin.pending(event, now + graceMillis));
    }
    if (!facts.pending.isEmpty()) {
      reevaluate(user, facts, now);
    }
  }

  private void hold(UserFacts user, ExperimentFacts facts, PendingEvent pending) {
    if (isFull(facts)) {
      PendingEvent oldest = facts.pending.remove(0);
      if (oldest.isWritten()) {
        spill(facts, oldest);
      } else {
        lowWatermark.remove(oldest.visibleBefore());
        writeHeld(user, facts, oldest);
        if (isFull(facts)) {
          spill(facts, facts.pending.remove(facts.pending.size() - 1));
        }
      }
    }
    facts.pending.add(pending);
    lowWatermark.add(pending.visibleBefore(), pending.committedAt());
  }

  private boolean isFull(ExperimentFacts facts) {
    return facts.pending.size() >= config.findings().pendingPerUser();
  }

  private void spill(ExperimentFacts facts, PendingEvent flagged) {
    spilledEvents.put(flagged);
    facts.spilled++;
  }

  /** Holds what went out flagged until its reference comes. */
  private void holdFlagged(ExperimentFacts facts, PendingEvent flagged) {
    if (isFull(facts)) {
      spill(facts, flagged);
    } else {
      facts.pending.add(flagged);
    }
  }

  /** The flagged event of that key, which is held no more; null where none is. */
  private PendingEvent takeFlagged(ExperimentFacts facts, EventRow event) {
    int at = facts.pendingIndexOf(event.id(), event.occurredAt());
    if (at >= 0) {
      return facts.pending.remove(at);
    }
    PendingEvent removed = facts.spilled == 0 ? null : spilledEvents.remove(event);
    if (removed != null) {
      facts.spilled--;
    }
    return removed;
  }

  private List<PendingEvent> takeSpilled(UserFacts user, ExperimentFacts facts) {
    List<PendingEvent> taken = List.of();
    if (facts.spilled > 0) {
      taken = spilledOf(user, facts).toList();
      taken.forEach(flagged -> spilledEvents.remove(flagged.event()));
      facts.spilled = 0;
    }
    return taken;
  }

  private Stream<PendingEvent> spilledOf(UserFacts user, ExperimentFacts facts) {
    return spilledEvents
        .of(user.userId)
        .filter(flagged -> flagged.event().experimentId() == facts.experimentId);
  }

  /** The first time that an event that waited goes out, whole or flagged. */
  private void writeHeld(UserFacts user, ExperimentFacts facts, PendingEvent held) {
    EventRow event = held.event();
    EventReferences references = references(user, facts, event);
    Fact fact = new Fact(event, EventContent.of(event), Origin.of(held));
    write(user, facts, fact, references, eventChecks.unresolved(event, references));
  }

  private void write(
      UserFacts user,
      ExperimentFacts facts,
      Fact fact,
      EventReferences references,
      EnumSet<FindingCode> unresolved) {
    EventRow event = fact.event();
    Origin origin = fact.origin();
    EnumSet<FindingCode> violations =
        eventChecks.violations(event, references, origin.committedAt(), origin.lsn() != 0);
    int other = facts.otherOfId(event.id(), event.occurredAt());
    if (other >= 0) {
      violations.add(repetition(facts.content(other), fact.content()));
    }
    facts.add(event.id(), event.occurredAt(), event.variantId(), event.eventType(), fact.content());
    setValues(facts, facts.size() - 1, event);
    if (facts.size() > config.findings().health().botEventsPerDay()) {
      reportBot(facts, event, origin);
    }
    // Another event of the same id may stop counting, whatever its type.
    boolean restates =
        other >= 0
            || (eventChecks.counts(event.eventType())
                && !AppendedEvent.add(
                    facts, facts.size() - 1, dimensions, config.statistics(), out));
    if (restates) {
      restate(user, facts, origin);
    }
    RowVersion version = origin.asSent("", false);
    emit(user, facts, event, violations, unresolved, version);
    reportAll(violations, event, origin);
    reportAll(unresolved, event, origin);
    if (!unresolved.isEmpty()) {
      // What was held before it is written has its place with the user, even in a full one.
      facts.pending.add(
          origin.pending(event, 0).writtenWithout(codes(unresolved), version.version()));
    }
  }

  /** Once a day, with the event that is one too many. */
  private void reportBot(ExperimentFacts facts, EventRow event, Origin origin) {
    ExperimentCalendar clock = dimensions.calendarOf(dimensions.experiment(event.experimentId()));
    int day = clock.dayOf(event.occurredAt());
    int limit = config.findings().health().botEventsPerDay();
    int events = 0;
    for (int i = 0; i < facts.size(); i++) {
      events += clock.dayOf(facts.occurredAt(i)) == day ? 1 : 0;
    }
    if (events == limit + 1) {
      report(
          H_BOT,
          true,
          "user:" + event.experimentId() + "/" + event.userId(),
          event.experimentId(),
          event.userId(),
          null,
          "more than %d events on %s".formatted(limit, LocalDate.ofEpochDay(day)),
          origin);
    }
  }

  private void update(
      UserFacts user, ExperimentFacts facts, Change change, EventRow event, Origin origin) {
    int at = facts.indexOf(event.id(), event.occurredAt());
    facts.replace(at, event.variantId(), event.eventType(), EventContent.of(event));
    setValues(facts, at, event);
    restate(user, facts, origin);
    EnumSet<FindingCode> violations = violations(user, facts, event, origin);
    EnumSet<FindingCode> unresolved = unresolved(user, facts, event);
    if (change.kind() == ChangeKind.UPDATE) {
      violations.add(C_UPDATE_IMMUTABLE);
    }
    RowVersion version = origin.asSent("", false);
    emit(user, facts, event, violations, unresolved, version);
    reportAll(violations, event, origin);
    reportAll(unresolved, event, origin);
    if (!violations.contains(R_VARIANT_NULL)
        && change.before() instanceof EventRow before
        && before.variantId() == null
        && eventChecks.isExposure(before)) {
      report(R_VARIANT_NULL, false, event, origin);
    }
    if (!violations.contains(T_ASSIGNMENT_AT_DRIFT)
        && change.before() instanceof EventRow before
        && before.assignmentAt() != null
        && !before.assignmentAt().equals(event.assignmentAt())) {
      report(T_ASSIGNMENT_AT_DRIFT, false, event, origin);
    }
    PendingEvent flagged = takeFlagged(facts, event);
    if (flagged != null) {
      resolve(flagged.unresolved(), unresolved, event, origin);
    }
    if (!unresolved.isEmpty()) {
      holdFlagged(
          facts, origin.pending(event, 0).writtenWithout(codes(unresolved), version.version()));
    }
  }

  private void deleteEvent(UserFacts user, EventRow event, Change change, Origin origin, long now) {
    if (change.position().txId() == user.erasedTxId) {
      if (user.evictedIn(event.experimentId()) != null) {
        writeTombstone(user, event, origin.asSent("erasure", true));
      }
      return;
    }
    if (change.kind() == ChangeKind.DELETE
        && isBeyond(config.source().eventRetention().toMillis(), event.occurredAt(), origin)) {
      reportRetention("events", event.occurredAt(), origin);
      return;
    }
    if (!hasFacts(user, event.experimentId())) {
      writeTombstone(user, event, origin.asSent(reasonOf(change), true));
      report(T_LATE_BEYOND_STATE, true, event, origin);
      return;
    }
    ExperimentFacts facts = user.in(event.experimentId());
    ensureContributions(facts);
    PendingEvent removed = takeFlagged(facts, event);
    if (removed != null) {
      if (removed.isWritten()) {
        resolveWhatNobodyElseLacks(user, facts, removed, origin);
      } else {
        lowWatermark.remove(removed.visibleBefore());
      }
    }
    int at = facts.indexOf(event.id(), event.occurredAt());
    if (at >= 0) {
      facts.remove(at);
      restate(user, facts, origin);
    }
    writeTombstone(user, event, origin.asSent(reasonOf(change), true));
    if (change.kind() == ChangeKind.DELETE) {
      user.undecidedDeletes.add(
          new UndecidedDelete(
              change.position().txId(),
              event.experimentId(),
              event.id(),
              event.occurredAt(),
              0,
              origin.lsn(),
              origin.committedAt(),
              now + graceMillis));
    }
  }

  /**
   * Looks at what waits, and at what went out flagged, again: as long as one row that goes out
   * helps another.
   */
  private void reevaluate(UserFacts user, ExperimentFacts facts, long now) {
    ensureContributions(facts);
    for (PendingAssignment assignment : List.copyOf(facts.pendingAssignments)) {
      boolean written = reevaluateAssignment(user, facts, assignment, now);
      if (written) {
        reevaluateSpilled(user, facts);
      }
    }
    boolean moved = !facts.pending.isEmpty();
    while (moved) {
      moved = false;
      for (PendingEvent pending : new ArrayList<>(facts.pending)) {
        EnumSet<FindingCode> unresolved = unresolved(user, facts, pending.event());
        if (!pending.isWritten()) {
          if (unresolved.isEmpty() || isDue(pending.waitUntil(), now)) {
            facts.pending.remove(pending);
            lowWatermark.remove(pending.visibleBefore());
            writeHeld(user, facts, pending);
            moved = true;
          }
        } else if (!Arrays.equals(codes(unresolved), pending.unresolved())) {
          facts.pending.remove(pending);
          correct(user, facts, pending, unresolved);
        }
      }
    }
  }

  /** An event that went out flagged got a reference. */
  private void correct(
      UserFacts user,
      ExperimentFacts facts,
      PendingEvent pending,
      EnumSet<FindingCode> unresolved) {
    EventRow event = pending.event();
    Origin origin = Origin.of(pending);
    RowVersion version = origin.corrected(versions.correctionAfter(pending.version()));
    EnumSet<FindingCode> violations = violations(user, facts, event, origin);
    emit(user, facts, event, violations, unresolved, version);
    resolve(pending.unresolved(), unresolved, event, origin);
    // Only with an assignment can it be told that the event does not fit it.
    reportAll(violations, event, origin);
    reportAll(unresolved, event, origin);
    if (!unresolved.isEmpty()) {
      holdFlagged(facts, pending.writtenWithout(codes(unresolved), version.version()));
    }
  }

  /** Looks at what was spilled again, some at a time, when a reference has come. */
  private void reevaluateSpilled(UserFacts user, ExperimentFacts facts) {
    boolean moved = facts.spilled > 0;
    while (moved) {
      List<PendingEvent> changed =
          spilledOf(user, facts)
              .filter(
                  flagged ->
                      !Arrays.equals(
                          codes(unresolved(user, facts, flagged.event())), flagged.unresolved()))
              .limit(config.findings().pendingPerUser())
              .toList();
      for (PendingEvent flagged : changed) {
        spilledEvents.remove(flagged.event());
        facts.spilled--;
        correct(user, facts, flagged, unresolved(user, facts, flagged.event()));
      }
      moved = !changed.isEmpty();
    }
  }

  private EnumSet<FindingCode> unresolved(UserFacts user, ExperimentFacts facts, EventRow event) {
    return eventChecks.unresolved(event, references(user, facts, event));
  }

  private EnumSet<FindingCode> violations(
      UserFacts user, ExperimentFacts facts, EventRow event, Origin origin) {
    EnumSet<FindingCode> violations =
        eventChecks.violations(
            event, references(user, facts, event), origin.committedAt(), origin.lsn() != 0);
    // Of one id, the later ones are the repetitions.
    int at = facts.indexOf(event.id(), event.occurredAt());
    int other = facts.otherOfId(event.id(), event.occurredAt());
    if (other >= 0 && other < at) {
      violations.add(repetition(facts.content(other), facts.content(at)));
    }
    return violations;
  }

  private static FindingCode repetition(long content, long later) {
    return EventContent.saysTheSame(content, later) ? D_DUP_EVENT : D_CONFLICTING_DUP;
  }

  private EventReferences references(UserFacts user, ExperimentFacts facts, EventRow event) {
    ExperimentDimension experiment = experiment(event.experimentId());
    VariantDimension variant = event.variantId() == null ? null : variant(event.variantId());
    ExperimentCalendar clock = dimensions.calendarOf(experiment);
    return new EventReferences(
        experiment != null,
        experiment != null && experiment.isRunningAt(event.occurredAt()),
        experiment != null && experiment.isActiveAt(event.occurredAt()),
        user.user != null,
        variant == null ? null : variant.experimentId(),
        facts.assignment,
        facts.contributions.firstExposure(),
        clock.endOf(clock.dayOf(event.occurredAt())));
  }

  private void setValues(ExperimentFacts facts, int at, EventRow event) {
    for (String property : eventChecks.properties(event.eventType())) {
      facts.setValue(at, property, PropertyValue.of(event.properties(), property));
    }
  }

  private void emit(
      UserFacts user,
      ExperimentFacts facts,
      EventRow event,
      EnumSet<FindingCode> violations,
      EnumSet<FindingCode> unresolved,
      RowVersion version) {
    ExperimentDimension experiment = dimensions.experiment(event.experimentId());
    VariantDimension delivered =
        event.variantId() == null ? null : dimensions.variant(event.variantId());
    AssignmentRow assignment = facts.assignment;
    VariantDimension assigned =
        assignment == null ? null : dimensions.variant(assignment.variantId());
    String[] codes;
    if (unresolved.isEmpty()) {
      codes = codes(violations);
    } else {
      EnumSet<FindingCode> all = EnumSet.copyOf(unresolved);
      all.addAll(violations);
      codes = codes(all);
    }
    out.event(
        new EventProcessed(
            event,
            experiment == null ? "" : experiment.key(),
            experiment == null ? "" : experiment.name(),
            delivered == null ? "" : delivered.key(),
            delivered == null ? "" : delivered.name(),
            assignment == null ? null : assignment.variantId(),
            assigned == null ? "" : assigned.key(),
            user.user == null ? null : user.user.properties(),
            dimensions.calendarOf(experiment).dayOf(event.occurredAt()),
            codes,
            version));
  }

  // ---- settled facts

  /**
   * Whether the user's facts in the experiment are here. Those that have settled are brought back;
   * where the warehouse has not exactly them any more, nobody can say what a change of them changes
   * in the statistics: these stay as they are.
   */
  private boolean hasFacts(UserFacts user, long experimentId) {
    EvictionSummary summary = user.evictedIn(experimentId);
    if (summary == null) {
      return true;
    }
    ExperimentFacts facts = summary.lost() ? null : evictedFacts.rehydrate(user.userId, summary);
    if (facts == null) {
      user.evicted().set(user.evicted().indexOf(summary), summary.asLost());
      return false;
    }
    user.rehydrate(summary, facts);
    out.rehydrated(user.userId);
    return true;
  }

  private void reportBeyondState(UserFacts user, long experimentId, Origin origin) {
    report(
        T_LATE_BEYOND_STATE,
        true,
        "user:" + experimentId + "/" + user.userId,
        experimentId,
        user.userId,
        null,
        T_LATE_BEYOND_STATE.sentence(),
        origin);
  }

  // ---- statistics

  /**
   * The user's contributions must be known before a fact changes, or the difference can't be told.
   */
  private void ensureContributions(ExperimentFacts facts) {
    if (facts.contributions == null) {
      facts.contributions = Contributions.of(facts, dimensions, config.statistics());
    }
  }

  private void restate(UserFacts user, ExperimentFacts facts, Origin origin) {
    Contributions before = facts.contributions;
    Contributions after = Contributions.of(facts, dimensions, config.statistics());
    facts.contributions = after;
    ExperimentCalendar clock = dimensions.calendarOf(dimensions.experiment(facts.experimentId));
    Contributions.sendDaily(before.daily(), after.daily(), clock, out);
    after
        .health()
        .forEach(
            (key, counts) -> {
              HealthCounts old = before.health().get(key);
              if (!counts.equals(old)) {
                out.health(key, old == null ? counts : counts.plus(old.negate()));
              }
            });
    before
        .health()
        .forEach(
            (key, counts) -> {
              if (!after.health().containsKey(key)) {
                out.health(key, counts.negate());
              }
            });
    if (before.crossover() != after.crossover()) {
      report(
          A_CROSSOVER,
          after.crossover(),
          "user:" + facts.experimentId + "/" + user.userId,
          facts.experimentId,
          user.userId,
          null,
          after.crossover()
              ? "seen in more than one variant"
              : "seen in one variant only, after a change",
          origin);
    }
    if (before.enrolledElsewhere() != after.enrolledElsewhere()) {
      report(
          T_ENROLL_MISMATCH,
          after.enrolledElsewhere(),
          "user:" + facts.experimentId + "/" + user.userId,
          facts.experimentId,
          user.userId,
          null,
          after.enrolledElsewhere()
              ? T_ENROLL_MISMATCH.sentence()
              : "enrolment and first exposure agree, or one of them is gone",
          origin);
    }
  }

  // ---- deletes

  private static boolean isBeyond(long retentionMillis, long occurredAt, Origin origin) {
    return origin.committedAt() - occurredAt > retentionMillis * 1000;
  }

  private static String reasonOf(Change change) {
    return change.kind() == ChangeKind.KEY_CHANGE ? "key-change" : "unexpected";
  }

  private void writeTombstone(UserFacts user, ExperimentFacts facts, RowVersion tombstone) {
    for (int i = 0; i < facts.size(); i++) {
      writeTombstone(user, facts.experimentId, facts.eventId(i), facts.occurredAt(i), tombstone);
    }
    for (AssignmentRow row : facts.assignments) {
      writeTombstone(row, tombstone);
    }
  }

  private void writeTombstone(UserFacts user, EventRow event, RowVersion tombstone) {
    writeTombstone(user, event.experimentId(), event.id(), event.occurredAt(), tombstone);
  }

  private void writeTombstone(
      UserFacts user, long experimentId, EventId eventId, long occurredAt, RowVersion tombstone) {
    out.event(
        new EventProcessed(
            new EventRow(
                eventId, occurredAt, experimentId, user.userId, null, "", null, null, null, null),
            "",
            "",
            "",
            "",
            null,
            "",
            null,
            dimensions.calendarOf(dimensions.experiment(experimentId)).dayOf(occurredAt),
            NO_CODES,
            tombstone));
  }

  private void writeTombstone(AssignmentRow row, RowVersion tombstone) {
    out.assignment(
        new AssignmentProcessed(
            new AssignmentRow(
                row.id(),
                row.experimentId(),
                row.userId(),
                row.variantId(),
                row.version(),
                row.source(),
                null,
                row.assignedAt(),
                null,
                row.createdAt(),
                row.updatedAt()),
            "",
            "",
            "",
            "",
            null,
            dimensions
                .calendarOf(dimensions.experiment(row.experimentId()))
                .dayOf(row.assignedAt()),
            NO_CODES,
            tombstone));
  }

  private void reportRetention(String table, long occurredAt, Origin origin) {
    LocalDate day =
        Instant.ofEpochSecond(Math.floorDiv(occurredAt, 1_000_000L))
            .atZone(ZoneOffset.UTC)
            .toLocalDate();
    report(
        C_DELETE_RETENTION,
        true,
        "retention:" + table + "/" + day,
        0,
        null,
        null,
        "rows of %s of %s were deleted; the warehouse keeps them".formatted(table, day),
        origin);
  }

  private void reportUnexpectedDelete(UserFacts user, UndecidedDelete delete) {
    Origin origin = new Origin(delete.lsn(), delete.committedAt(), 0, 0);
    report(
        C_DELETE_UNEXPECTED,
        true,
        delete.eventId() == null
            ? "assignment:" + delete.assignmentId()
            : eventSubject(delete.eventId(), delete.occurredAt()),
        delete.experimentId(),
        user.userId,
        delete.eventId(),
        "deleted at the source inside its retention; the statistics were restated",
        origin);
  }

  // ---- findings

  private void reportAll(EnumSet<FindingCode> codes, EventRow event, Origin origin) {
    for (FindingCode code : codes) {
      report(code, true, event, origin);
    }
  }

  private void reportAll(EnumSet<FindingCode> codes, AssignmentRow row, Origin origin) {
    for (FindingCode code : codes) {
      report(code, true, row, origin);
    }
  }

  private void resolve(
      String[] lackedBefore, EnumSet<FindingCode> unresolved, EventRow event, Origin origin) {
    for (String code : lackedBefore) {
      FindingCode lacked = FindingCode.ofCode(code);
      if (!unresolved.contains(lacked)) {
        report(lacked, false, event, origin);
      }
    }
  }

  private void resolve(
      String[] lackedBefore, EnumSet<FindingCode> unresolved, AssignmentRow row, Origin origin) {
    for (String code : lackedBefore) {
      FindingCode lacked = FindingCode.ofCode(code);
      if (!unresolved.contains(lacked)) {
        report(lacked, false, row, origin);
      }
    }
  }

  /**
   * An event that went out flagged is gone. Findings about its user are about all of the user's
   * rows; those about an experiment or a variant are about all users' and wait for the reference.
   */
  private void resolveWhatNobodyElseLacks(
      UserFacts user, ExperimentFacts facts, PendingEvent gone, Origin origin) {
    for (String code : gone.unresolved()) {
      FindingCode lacked = FindingCode.ofCode(code);
      boolean lackedByAnother =
          switch (lacked) {
            case R_ORPHAN_ASSIGNMENT -> anyLacks(user, facts, code);
            case R_ORPHAN_USER ->
                user.experiments().stream()
                    .anyMatch(
                        other ->
                            anyLacks(user, other, code)
                                || other.pendingAssignments.stream()
                                    .anyMatch(row -> List.of(row.unresolved()).contains(code)));
            case R_ORPHAN_EXPERIMENT, R_ORPHAN_VARIANT -> true;
            default -> false;
          };
      if (!lackedByAnother) {
        report(lacked, false, gone.event(), origin);
      }
    }
  }

  private boolean anyLacks(UserFacts user, ExperimentFacts facts, String code) {
    boolean held =
        facts.pending.stream()
            .anyMatch(
                pending -> pending.isWritten() && List.of(pending.unresolved()).contains(code));
    return held
        || (facts.spilled > 0
            && spilledOf(user, facts)
                .anyMatch(flagged -> List.of(flagged.unresolved()).contains(code)));
  }

  /** An experiment that rows lacked is there, whether or not the rows still are. */
  void resolveOrphanExperiment(ExperimentRow row, Change reference) {
    resolve(R_ORPHAN_EXPERIMENT, experimentSubject(row.id()), row.id(), reference);
  }

  /** A variant that rows lacked is there, whether or not the rows still are. */
  void resolveOrphanVariant(VariantRow row, Change reference) {
    resolve(R_ORPHAN_VARIANT, variantSubject(row.id()), row.experimentId(), reference);
  }

  private void resolve(FindingCode lacked, String subject, long experimentId, Change reference) {
    report(
        lacked, false, subject, experimentId, null, null, lacked.sentence(), Origin.of(reference));
  }

  private void report(FindingCode code, boolean open, EventRow event, Origin origin) {
    String subject =
        switch (code) {
          case R_ORPHAN_EXPERIMENT -> experimentSubject(event.experimentId());
          case R_ORPHAN_VARIANT -> variantSubject(event.variantId());
          case R_ORPHAN_USER -> "user:" + event.userId();
          case R_ORPHAN_ASSIGNMENT -> "user:" + event.experimentId() + "/" + event.userId();
          case T_LATE -> {
            ExperimentCalendar clock =
                dimensions.calendarOf(dimensions.experiment(event.experimentId()));
            yield "day:"
                + event.experimentId()
                + "/"
                + LocalDate.ofEpochDay(clock.dayOf(event.occurredAt()));
          }
          case S_UNKNOWN_EVENT_TYPE -> "event-type:" + event.eventType();
          default -> eventSubject(event.id(), event.occurredAt());
        };
    boolean ofOneEvent = subject.startsWith("event:");
    boolean ofOneUser = ofOneEvent || subject.startsWith("user:");
    report(
        code,
        open,
        subject,
        code == S_UNKNOWN_EVENT_TYPE ? 0 : event.experimentId(),
        ofOneUser ? event.userId() : null,
        ofOneEvent ? event.id() : null,
        code.sentence(),
        origin);
  }

  private void report(FindingCode code, boolean open, AssignmentRow row, Origin origin) {
    String subject =
        switch (code) {
          case R_ORPHAN_EXPERIMENT -> experimentSubject(row.experimentId());
          case R_ORPHAN_VARIANT -> variantSubject(row.variantId());
          case R_ORPHAN_USER -> "user:" + row.userId();
          default -> "assignment:" + row.id();
        };
    report(code, open, subject, row.experimentId(), row.userId(), null, code.sentence(), origin);
  }

  private void report(
      FindingCode code,
      boolean open,
      String subject,
      long experimentId,
      String userId,
      EventId eventId,
      String detail,
      Origin origin) {
    out.finding(
        new Finding(
            code,
            subject,
            open,
            experimentId,
            userId,
            eventId,
            detail,
            origin.committedAt(),
            origin.lsn(),
            versions.nextFinding()));
  }

  private static String experimentSubject(long experimentId) {
    return "experiment:" + experimentId;
  }

  private static String variantSubject(Long variantId) {
    return "variant:" + variantId;
  }

  private static String eventSubject(EventId eventId, long occurredAt) {
    return "event:" + eventId + "@" + occurredAt;
  }

  private static String[] codes(EnumSet<FindingCode> codes) {
    if (codes.isEmpty()) {
      return NO_CODES;
    }
    return codes.stream().map(FindingCode::code).toArray(String[]::new);
  }

  private boolean isDue(long waitUntil, long now) {
    return !inSnapshot && waitUntil <= now;
  }

  // ---- references

  private ExperimentDimension experiment(long id) {
    ExperimentDimension experiment = dimensions.experiment(id);
    if (experiment == null) {
      missing.experiments.add(id);
    }
    return experiment;
  }

  private VariantDimension variant(long id) {
    VariantDimension variant = dimensions.variant(id);
    if (variant == null) {
      missing.variants.add(id);
    }
    return variant;
  }

  /** An event on its way out. */
  private record Fact(EventRow event, long content, Origin origin) {}

  /** Where a change came from, as far as its rows say it. */
  private record Origin(long lsn, long committedAt, long sequenceNumber, long visibleBefore) {
    static Origin of(Change change) {
      SourcePosition position = change.position();
      return new Origin(
          position.lsn(),
          position.committedAt(),
          change.sequenceNumber(),
          position.previousCommitLsn());
    }

    static Origin of(PendingEvent pending) {
      return new Origin(
          pending.lsn(), pending.committedAt(), pending.sequenceNumber(), pending.visibleBefore());
    }

    PendingEvent pending(EventRow event, long waitUntil) {
      return new PendingEvent(
          event, lsn, committedAt, sequenceNumber, visibleBefore, waitUntil, NO_CODES, 0);
    }

    RowVersion asSent(String deleteReason, boolean deleted) {
      return new RowVersion(
          lsn, committedAt, RowVersion.ofSequenceNumber(sequenceNumber), deleted, deleteReason);
    }

    RowVersion corrected(long version) {
      return new RowVersion(lsn, committedAt, version, false, "");
    }
  }
}
