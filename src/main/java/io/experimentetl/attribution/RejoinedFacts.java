package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.C_UPDATE_IMMUTABLE;
import static io.experimentetl.model.FindingCode.R_ORPHAN_EXPERIMENT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_VARIANT;
import static io.experimentetl.model.FindingCode.T_LATE;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import io.experimentetl.quality.EventChecks;
import io.experimentetl.quality.EventReferences;
import io.experimentetl.warehouse.RawEvents;
import java.util.EnumSet;
import java.util.Set;

/**
 * Joins delivered facts again with an experiment that was deleted, is back, or has another zone.
 * Facts of a deleted experiment are orphans: their rows lose its names and get the code, in one
 * finding about the experiment. Facts of another zone get its days. The rows are read from the
 * warehouse, because state holds no whole events. A corrected row is not held in state: when the
 * experiment comes back, it is read again.
 */
final class RejoinedFacts {
  private final ReferenceLookup references;
  private final PendingFacts pending;
  private final Rehydration rehydration;
  private final UserStatistics statistics;
  private final ProcessedRows rows;
  private final UserFindings findings;
  private final RowVersionGenerator versions;
  private final OpenTruncates truncates;
  private final AssignmentAttribution assignments;
  private final EventChecks checks;
  private final EventViolations violations;

  RejoinedFacts(AttributionSteps steps, AssignmentAttribution assignments, EventChecks checks) {
    this.references = steps.references();
    this.pending = steps.pending();
    this.rehydration = steps.rehydration();
    this.statistics = steps.statistics();
    this.rows = steps.rows();
    this.findings = steps.findings();
    this.versions = steps.versions();
    this.truncates = steps.truncates();
    this.assignments = assignments;
    this.checks = checks;
    this.violations = new EventViolations(checks, steps.references());
  }

  /**
   * Gets the user's facts in the experiment ready for {@link #event} and {@link #assignment}.
   *
   * @return false: the user's rows must not get versions above those of changes and truncates that
   *     await their end, or do not stand under the user's id yet
   */
  boolean prepare(UserFacts user, long experimentId) {
    if (!user.undecided.isEmpty() || !truncates.isEmpty() || user.hasUnmoved()) {
      return false;
    }
    if (rehydration.ensureFacts(user, experimentId)) {
      ExperimentFacts facts = user.findIn(experimentId);
      if (facts != null) {
        statistics.ensureCurrent(user, facts);
      }
    }
    return true;
  }

  /** Whether a stored row says of its experiment, or of its day, what no longer holds. */
  private boolean isWrong(long experimentId, long occurredAt, RawEvents.Stored stored) {
    boolean isKnown = references.experiment(experimentId) != null;
    return stored.found().contains(R_ORPHAN_EXPERIMENT) == isKnown
        || stored.dayEpoch() != rows.dayOf(experimentId, occurredAt);
  }

  /** Delivers an event again, if its row says of the experiment what no longer holds. */
  void event(UserFacts user, EventRow row, RawEvents.Stored stored) {
    ExperimentFacts facts = user.findIn(row.experimentId());
    EventFact delivered = facts == null ? null : facts.events.find(row.id(), row.occurredAt());
    if (delivered == null
        || delivered.content() != EventContent.of(row)
        || !isWrong(row.experimentId(), row.occurredAt(), stored)) {
      return;
    }
    Origin origin = originOf(stored);
    EventReferences known = references.of(user, facts, row);
    EnumSet<FindingCode> unresolved = checks.unresolved(row, known);
    // A row of another key is an update, and updates are not late.
    boolean isUpdate = stored.found().contains(C_UPDATE_IMMUTABLE);
    EnumSet<FindingCode> found =
        violations.of(
            facts, row, known, checks.values(row), origin, origin.fromStream() && !isUpdate);
    if (isUpdate) {
      found.add(C_UPDATE_IMMUTABLE);
    }
    facts.events.put(delivered.withMark(FactMark.withFound(delivered.mark(), found)));
    pending.take(user, facts, row);
    RowVersion version = origin.corrected(versions.correctionAfter(stored.version()));
    rows.send(user, facts, row, found, unresolved, version);
    if (mustBeHeld(unresolved)) {
      pending.holdFlagged(
          user,
          facts,
          PendingEvent.flagged(row, origin, FindingCode.toArray(unresolved), version.version()));
    }
    found.addAll(unresolved);
    EnumSet<FindingCode> opened = opened(found, stored.found());
    if (found.contains(T_LATE)) {
      // Its finding is about the row's day.
      opened.add(T_LATE);
    }
    findings.open(opened, row, origin);
    for (FindingCode code : resolved(found, stored.found())) {
      findings.report(code, false, row, origin);
    }
  }

  /** Delivers an assignment again, if its row says of the experiment what no longer holds. */
  void assignment(UserFacts user, AssignmentRow row, RawEvents.Stored stored) {
    ExperimentFacts facts = user.findIn(row.experimentId());
    AssignmentRow delivered = facts == null ? null : facts.assignmentOf(row.id());
    PendingAssignment held = facts == null ? null : facts.pendingAssignmentOf(row.id());
    if (held != null && !held.isFlagged()) {
      // The row is to be replaced by one that joins what holds then.
      return;
    }
    if (delivered != null && isWrong(row.experimentId(), delivered.assignedAt(), stored)) {
      assignments.rejoin(user, facts, delivered, originOf(stored), stored);
    }
  }

  /** Whether a row waits for more than the experiment, which brings its facts itself. */
  static boolean mustBeHeld(EnumSet<FindingCode> unresolved) {
    return !unresolved.isEmpty() && !unresolved.equals(EnumSet.of(R_ORPHAN_EXPERIMENT));
  }

  /** The codes to report that the row did not carry before. */
  static EnumSet<FindingCode> opened(EnumSet<FindingCode> now, Set<FindingCode> before) {
    EnumSet<FindingCode> opened = EnumSet.copyOf(now);
    opened.removeAll(before);
    return opened;
  }

  /**
   * The codes whose findings no longer hold. Those that all users share are resolved by the row
   * that arrives.
   */
  static EnumSet<FindingCode> resolved(EnumSet<FindingCode> now, Set<FindingCode> before) {
    EnumSet<FindingCode> resolved = EnumSet.noneOf(FindingCode.class);
    for (FindingCode code : before) {
      if (code.resolvable()
          && !now.contains(code)
          && code != R_ORPHAN_EXPERIMENT
          && code != R_ORPHAN_VARIANT) {
        resolved.add(code);
      }
    }
    return resolved;
  }

  private static Origin originOf(RawEvents.Stored stored) {
    return new Origin(
        stored.lsn(), stored.committedAt(), RowVersion.sequenceNumberOf(stored.version()), 0);
  }
}
