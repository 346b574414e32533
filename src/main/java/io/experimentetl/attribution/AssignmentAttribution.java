package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.A_DUP_ASSIGNMENT;
import static io.experimentetl.model.FindingCode.A_REASSIGNED;
import static io.experimentetl.model.FindingCode.T_FUTURE;
import static io.experimentetl.model.FindingCode.T_LATE_BEYOND_STATE;
import static io.experimentetl.model.SourceTable.ASSIGNMENTS;

import io.experimentetl.config.FindingsConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import io.experimentetl.quality.AssignmentChecks;
import io.experimentetl.warehouse.RawEvents;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;

/** Applies changes of a user's assignments. */
final class AssignmentAttribution {
  private final ReferenceLookup references;
  private final PendingFacts pending;
  private final GracePeriod grace;
  private final DeletedFacts deleted;
  private final Rehydration rehydration;
  private final UserStatistics statistics;
  private final ProcessedRows rows;
  private final UserFindings findings;
  private final RowVersionGenerator versions;
  private final OpenTruncates truncates;
  private final CorrectedFindings corrected;
  private final long futureToleranceMicros;
  private final long clockToleranceMicros;

  AssignmentAttribution(
      AttributionSteps steps, CorrectedFindings corrected, FindingsConfig findingsConfig) {
    this.corrected = corrected;
    this.references = steps.references();
    this.pending = steps.pending();
    this.grace = steps.grace();
    this.deleted = steps.deleted();
    this.rehydration = steps.rehydration();
    this.statistics = steps.statistics();
    this.rows = steps.rows();
    this.findings = steps.findings();
    this.versions = steps.versions();
    this.truncates = steps.truncates();
    this.futureToleranceMicros = findingsConfig.futureTolerance().toMillis() * 1000;
    this.clockToleranceMicros = findingsConfig.clockTolerance().toMillis() * 1000;
  }

  /** Applies the change, and returns the facts to re-evaluate then, or null. */
  ExperimentFacts apply(UserFacts user, Change change, long now) {
    Origin origin = Origin.of(change);
    if (change.after() == null) {
      delete(user, (AssignmentRow) change.before(), change, origin);
      return null;
    }
    AssignmentRow row = (AssignmentRow) change.after();
    boolean hasFacts = rehydration.ensureFacts(user, row.experimentId(), change.kind());
    RowVersion moved = origin.tombstone(DeletedFacts.KEY_CHANGE);
    boolean standsUnderFormerId =
        change.kind() != ChangeKind.RETAINED && rows.leaveFormerId(user, row, moved);
    if (change.kind() == ChangeKind.RENAME && !standsUnderFormerId) {
      rows.writeTombstone((AssignmentRow) change.before(), moved);
    }
    if (!hasFacts) {
      rows.send(
          user, row, origin.sequenceInStream(), EnumSet.of(T_LATE_BEYOND_STATE), origin.version());
      findings.report(T_LATE_BEYOND_STATE, true, row, origin);
      return null;
    }
    ExperimentFacts facts = user.factsIn(row.experimentId());
    statistics.ensureCurrent(user, facts);
    if (change.kind() == ChangeKind.UPDATE
        && change.isBeforeWhole()
        && change.before() instanceof AssignmentRow old
        && old.id() != row.id()) {
      resolve(found(facts, old, known(user, old), origin), old, origin);
    }
    AssignmentRow before = facts.assignmentOf(row.id());
    PendingAssignment held = facts.pendingAssignmentOf(row.id());
    boolean wasKept = FactMark.isRetentionDeleted(facts.assignmentMark(row.id()));
    if (before != null && change.kind() != ChangeKind.RETAINED) {
      facts.setAssignmentMark(
          row.id(), truncates.markAgain(ASSIGNMENTS, origin, facts.assignmentMark(row.id())));
    }
    boolean isKnown = before != null || held != null;
    if (before != null && change.kind() == ChangeKind.INSERT && origin.fromStream()) {
      // The snapshot had read it already: only now its place in commit order is known.
      facts.setSequence(row.id(), origin.sequenceNumber());
      before = null;
    }
    boolean isUnchanged =
        change.kind() != ChangeKind.REREAD
            && row.equals(before)
            && held == null
            && !standsUnderFormerId
            && !wasKept;
    if (change.kind() == ChangeKind.RETAINED ? isKnown : isUnchanged) {
      return null;
    }
    pending.remove(facts, held);
    PendingAssignment arrived = PendingAssignment.until(grace.endOf(now), row, origin);
    pending.hold(facts, deleted.wasKept(change, row, now) ? arrived.deletedByRetention() : arrived);
    if (before != null && before.variantId() != row.variantId()) {
      findings.report(A_REASSIGNED, true, row, origin);
    }
    return facts;
  }

  private void delete(UserFacts user, AssignmentRow row, Change change, Origin origin) {
    if (deleted.isByRetention(change, row, origin)) {
      retain(user, row, change);
      return;
    }
    RowVersion tombstone = origin.tombstone(deleted.reasonOf(change));
    if (!rehydration.ensureFacts(user, row.experimentId())) {
      rows.writeTombstone(row, tombstone);
      findings.report(T_LATE_BEYOND_STATE, true, row, origin);
      return;
    }
    ExperimentFacts facts = user.factsIn(row.experimentId());
    statistics.ensureCurrent(user, facts);
    pending.remove(facts, facts.pendingAssignmentOf(row.id()));
    AssignmentRow delivered = facts.assignmentOf(row.id());
    byte mark = facts.assignmentMark(row.id());
    // With another key it may be of another user now, who reports about the same assignment.
    if (delivered != null && change.kind() != ChangeKind.KEY_CHANGE) {
      resolveFindingsOf(user, facts, delivered, origin);
    } else if (delivered != null && isPastFuture(mark, delivered, origin)) {
      findings.report(T_FUTURE, false, delivered, origin);
    }
    if (facts.removeAssignment(row.id())) {
      statistics.restate(user, facts, origin);
    }
    rows.writeTombstone(row, tombstone);
    rows.leaveFormerId(user, row, tombstone);
    deleted.add(change, row, origin);
  }

  private boolean isPastFuture(byte mark, AssignmentRow row, Origin origin) {
    return FactMark.found(mark).contains(T_FUTURE)
        && row.assignedAt() <= origin.committedAt() + futureToleranceMicros;
  }

  /**
   * Resolves the findings about a delivered assignment that the source has no longer, and those
   * about events that contradict it. Call it before the facts change.
   */
  void resolveFindingsOf(UserFacts user, ExperimentFacts facts, AssignmentRow row, Origin origin) {
    EnumSet<FindingCode> found = found(facts, row, known(user, row), origin);
    found.addAll(FactMark.found(facts.assignmentMark(row.id())));
    resolve(found, row, origin);
    if (row.equals(facts.assignment())) {
      corrected.afterAssignment(user, facts, row, facts.assignmentWithout(row.id()), origin);
    }
  }

  /**
   * Notes that retention has deleted a young row: a later TRUNCATE does not take it, and its row in
   * the warehouse says that the source no longer has it.
   */
  private void retain(UserFacts user, AssignmentRow row, Change change) {
    if (deleted.mustRemember(change, row) && rehydration.ensureFacts(user, row.experimentId())) {
      ExperimentFacts facts = user.factsIn(row.experimentId());
      PendingFacts.markRetentionDeleted(facts, row);
      AssignmentRow known = facts.assignmentOf(row.id());
      PendingAssignment held = facts.pendingAssignmentOf(row.id());
      if (known != null) {
        facts.setAssignmentMark(
            row.id(), FactMark.retentionDeleted(facts.assignmentMark(row.id())));
        if (held == null || held.isFlagged()) {
          Origin origin = Origin.of(change);
          statistics.ensureCurrent(user, facts);
          rows.leaveFormerId(user, known, origin.tombstone(DeletedFacts.KEY_CHANGE));
          deliver(user, facts, known, known(user, known), held, origin, origin.version());
        }
      }
    }
  }

  /** Delivers all assignments under the user's id whose rows stand under a former one. */
  void move(UserFacts user, ExperimentFacts facts, Origin origin) {
    for (AssignmentRow row : List.copyOf(facts.assignments())) {
      RowVersion version = versions.moved(origin);
      if (rows.leaveFormerId(user, row, version.deletedBy(DeletedFacts.KEY_CHANGE))) {
        statistics.ensureCurrent(user, facts);
        PendingAssignment held = facts.pendingAssignmentOf(row.id());
        if (held == null || held.isFlagged()) {
          deliver(user, facts, row, known(user, row), held, origin, version);
        }
      }
    }
  }

  /**
   * Evaluates the references of the user's pending and flagged assignments again.
   *
   * @param delivered called after each assignment that is delivered, for the first time or
   *     corrected
   */
  void reevaluate(UserFacts user, ExperimentFacts facts, long now, Runnable delivered) {
    for (PendingAssignment assignment : List.copyOf(facts.pendingAssignments)) {
      if (reevaluate(user, facts, assignment, now)) {
        delivered.run();
      }
    }
  }

  /**
   * What is known of an assignment's references.
   *
   * @param experimentVersion 0: unknown
   * @param variantExperiment null: the variant is unknown
   */
  private record Known(
      int experimentVersion, Long variantExperiment, EnumSet<FindingCode> unresolved) {}

  private Known known(UserFacts user, AssignmentRow row) {
    ExperimentDimension experiment = references.experiment(row.experimentId());
    VariantDimension variant = references.variant(row.variantId());
    Long variantExperiment = variant == null ? null : variant.experimentId();
    return new Known(
        experiment == null ? 0 : experiment.version(),
        variantExperiment,
        AssignmentChecks.unresolved(
            references.isKnown(user), experiment != null, variantExperiment));
  }

  private boolean reevaluate(
      UserFacts user, ExperimentFacts facts, PendingAssignment held, long now) {
    AssignmentRow row = held.assignment();
    Known known = known(user, row);
    EnumSet<FindingCode> unresolved = known.unresolved();
    // The commit may delete the truncated one, and a correction would be above its tombstone.
    boolean isUnchanged =
        held.isFlagged()
            ? Arrays.equals(FindingCode.toArray(unresolved), held.unresolved())
                || truncates.removes(ASSIGNMENTS, facts.assignmentMark(row.id()))
            : !unresolved.isEmpty() && !grace.isOver(held.pendingUntil(), now);
    if (isUnchanged) {
      return false;
    }
    Origin origin = held.origin();
    RowVersion version =
        held.isFlagged()
            ? origin.corrected(versions.correctionAfter(held.version()))
            : origin.version();
    rows.leaveFormerId(user, row, version.deletedBy(DeletedFacts.KEY_CHANGE));
    if (!held.isFlagged()) {
      byte mark = truncates.markAgain(ASSIGNMENTS, origin, facts.assignmentMark(row.id()));
      facts.setAssignmentMark(
          row.id(), held.retentionDeleted() ? FactMark.retentionDeleted(mark) : mark);
    }
    deliver(user, facts, row, known, held, origin, version);
    return true;
  }

  /** Delivers an assignment again whose experiment was deleted, is back, or has another zone. */
  void rejoin(
      UserFacts user,
      ExperimentFacts facts,
      AssignmentRow row,
      Origin origin,
      RawEvents.Stored stored) {
    Known known = known(user, row);
    EnumSet<FindingCode> found = found(facts, row, known, origin);
    if (stored.found().contains(A_REASSIGNED)) {
      found.add(A_REASSIGNED);
    }
    byte mark = FactMark.withFound(facts.assignmentMark(row.id()), found);
    facts.setAssignmentMark(row.id(), mark);
    pending.remove(facts, facts.pendingAssignmentOf(row.id()));
    RowVersion version = origin.corrected(versions.correctionAfter(stored.version()));
    if (RejoinedFacts.mustBeHeld(known.unresolved())) {
      facts.pendingAssignments.add(
          PendingAssignment.flagged(
              row, origin, FindingCode.toArray(known.unresolved()), version.version()));
    }
    found.addAll(known.unresolved());
    rows.send(
        user,
        row,
        facts.sequenceOf(row.id()),
        found,
        FactMark.isRetentionDeleted(mark) ? version.keptBeyondSource() : version);
    findings.open(RejoinedFacts.opened(found, stored.found()), row, origin);
    resolve(RejoinedFacts.resolved(found, stored.found()), row, origin);
  }

  private EnumSet<FindingCode> found(
      ExperimentFacts facts, AssignmentRow row, Known known, Origin origin) {
    EnumSet<FindingCode> found =
        AssignmentChecks.violations(
            row,
            known.variantExperiment(),
            known.experimentVersion(),
            clockToleranceMicros,
            origin.committedAt() + futureToleranceMicros);
    if (facts.isAssignedBefore(row.id())) {
      found.add(A_DUP_ASSIGNMENT);
    }
    return found;
  }

  private void resolve(EnumSet<FindingCode> codes, AssignmentRow row, Origin origin) {
    for (FindingCode code : CorrectedFindings.resolvable(codes)) {
      findings.report(code, false, row, origin);
    }
  }

  /**
   * Sends an assignment, and holds it flagged while references are missing.
   *
   * @param known of its references
   * @param held the assignment as it was held; null: it was not
   */
  private void deliver(
      UserFacts user,
      ExperimentFacts facts,
      AssignmentRow row,
      Known known,
      PendingAssignment held,
      Origin origin,
      RowVersion version) {
    EnumSet<FindingCode> unresolved = known.unresolved();
    EnumSet<FindingCode> found = found(facts, row, known, origin);
    AssignmentRow before = facts.assignmentOf(row.id());
    byte mark = facts.assignmentMark(row.id());
    EnumSet<FindingCode> had = FactMark.found(mark);
    boolean isCorrected = before != null && !before.equals(row);
    if (isCorrected) {
      had.addAll(found(facts, before, known(user, before), origin));
    }
    had.removeAll(found);
    resolve(had, row, origin);
    facts.setAssignmentMark(row.id(), FactMark.withFound(mark, found));
    if (isCorrected && before.equals(facts.assignment())) {
      corrected.afterAssignment(user, facts, before, row, origin);
    }
    findings.open(found, row, origin);
    if (before != null && before.variantId() != row.variantId()) {
      found.add(A_REASSIGNED);
    }
    findings.open(unresolved, row, origin);
    if (held != null) {
      findings.resolveArrivedReferences(held.unresolved(), unresolved, row, origin);
    }
    found.addAll(unresolved);
    pending.remove(facts, held);
    if (!unresolved.isEmpty()) {
      facts.pendingAssignments.add(
          PendingAssignment.flagged(
              row, origin, FindingCode.toArray(unresolved), version.version()));
    }
    facts.put(row, origin.sequenceInStream());
    statistics.restate(user, facts, origin);
    boolean isKept = FactMark.isRetentionDeleted(facts.assignmentMark(row.id()));
    rows.send(
        user,
        row,
        facts.sequenceOf(row.id()),
        found,
        isKept ? version.keptBeyondSource() : version);
  }
}
