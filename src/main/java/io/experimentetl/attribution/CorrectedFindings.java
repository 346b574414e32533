package io.experimentetl.attribution;

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
    facts.events.forEach(
        event -> {
          long at = event.occurredAt();
          if (at < wasEarliest && at >= earliest) {
            resolve(T_EVENT_BEFORE_ASSIGNMENT, user, facts, event, origin);
          }
          long seen = event.variantId();
          if (seen != EventFact.NO_VARIANT
              && seen != before.variantId()
              && (now == null || seen == now.variantId())) {
            resolve(R_VARIANT_MISMATCH, user, facts, event, origin);
          }
        });
  }

  /**
   * Resolves what the change of the experiment corrects. Facts of an experiment that was deleted
   * become orphans: see {@link RejoinedFacts}.
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
    if (before != null && now == null) {
      missing.experiments.add(facts.experimentId);
    }
    if (before == null || (now != null && before.countsLike(now))) {
      return;
    }
    facts.events.forEach(
        event -> {
          long at = event.occurredAt();
          boolean isIn = now == null || (now.isRunningAt(at) && now.isActiveAt(at));
          if (isIn && !(before.isRunningAt(at) && before.isActiveAt(at))) {
            resolve(T_NOT_RUNNING, user, facts, event, origin);
          }
        });
  }

  private void resolve(
      FindingCode code, UserFacts user, ExperimentFacts facts, EventFact event, Origin origin) {
    EventRow row = EventRow.ofKey(event.id(), event.occurredAt(), facts.experimentId, user.userId);
    findings.report(code, false, row, origin);
  }
}
