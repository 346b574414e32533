package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.R_ORPHAN_EXPERIMENT;
import static io.experimentetl.model.FindingCode.R_VARIANT_MISMATCH;
import static io.experimentetl.model.FindingCode.T_EVENT_BEFORE_ASSIGNMENT;
import static io.experimentetl.model.FindingCode.T_NOT_RUNNING;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import java.util.EnumSet;

/**
 * Resolves findings about events whose cause is corrected in a row that they refer to. The events'
 * own rows are not sent again: their codes say what held when they were written.
 */
final class CorrectedFindings {
  private final MissingReferences missing;
  private final UserFindings findings;
  private final long clockToleranceMicros;

  CorrectedFindings(MissingReferences missing, UserFindings findings, long clockToleranceMicros) {
    this.missing = missing;
    this.findings = findings;
    this.clockToleranceMicros = clockToleranceMicros;
  }

  /** The codes of which a correction of the row, or its removal, resolves the finding. */
  static EnumSet<FindingCode> resolvable(EnumSet<FindingCode> violations) {
    EnumSet<FindingCode> resolvable = EnumSet.copyOf(violations);
    resolvable.removeIf(code -> !code.resolvable());
    return resolvable;
  }

  /**
   * Resolves what the change of the user's assignment corrects.
   *
   * @param now null: the user has none any more
   */
  void afterAssignment(
      UserFacts user,
      ExperimentFacts facts,
      AssignmentRow before,
      AssignmentRow now,
      Origin origin) {
    long wasEarliest = before.assignedAt() - clockToleranceMicros;
    long earliest = now == null ? Long.MIN_VALUE : now.assignedAt() - clockToleranceMicros;
    if (now != null && earliest >= wasEarliest && before.variantId() == now.variantId()) {
      return;
    }
    EventFacts events = facts.events;
    for (int i = 0; i < events.size(); i++) {
      long at = events.occurredAt(i);
      if (at < wasEarliest && at >= earliest) {
        resolve(T_EVENT_BEFORE_ASSIGNMENT, user, facts, i, origin);
      }
      long seen = events.variantId(i);
      if (seen != EventFacts.NO_VARIANT
          && seen != before.variantId()
          && (now == null || seen == now.variantId())) {
        resolve(R_VARIANT_MISMATCH, user, facts, i, origin);
      }
    }
  }

  /**
   * Resolves what the change of the experiment corrects. Facts of an experiment that was deleted
   * are orphans, which is one finding about the experiment.
   *
   * @param before null: it was not known
   * @param now null: it was deleted
   */
  void afterExperiment(
      UserFacts user,
      ExperimentFacts facts,
      ExperimentDimension before,
      ExperimentDimension now,
      Origin origin) {
    EventFacts events = facts.events;
    if (before != null && now == null && events.size() > 0) {
      missing.experiments.add(facts.experimentId);
      findings.report(R_ORPHAN_EXPERIMENT, true, event(user, facts, 0), origin);
    }
    if (before == null || (now != null && before.countsLike(now))) {
      return;
    }
    for (int i = 0; i < events.size(); i++) {
      long at = events.occurredAt(i);
      boolean isIn = now == null || (now.isRunningAt(at) && now.isActiveAt(at));
      if (isIn && !(before.isRunningAt(at) && before.isActiveAt(at))) {
        resolve(T_NOT_RUNNING, user, facts, i, origin);
      }
    }
  }

  private void resolve(
      FindingCode code, UserFacts user, ExperimentFacts facts, int index, Origin origin) {
    findings.report(code, false, event(user, facts, index), origin);
  }

  private static EventRow event(UserFacts user, ExperimentFacts facts, int index) {
    return EventRow.ofKey(
        facts.events.id(index), facts.events.occurredAt(index), facts.experimentId, user.userId);
  }
}
