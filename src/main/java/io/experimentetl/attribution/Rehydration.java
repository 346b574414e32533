package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.T_LATE_BEYOND_STATE;

import io.experimentetl.model.ChangeKind;

/** Gets evicted facts back into state before a change needs them. */
final class Rehydration {
  private final WarehouseFacts warehouse;
  private final UserFindings findings;
  private final AttributionOutput out;

  Rehydration(WarehouseFacts warehouse, UserFindings findings, AttributionOutput out) {
    this.warehouse = warehouse;
    this.findings = findings;
    this.out = out;
  }

  /**
   * Rehydrates the user's facts in the experiment if they were evicted.
   *
   * @return false where the warehouse does not hold exactly these facts any more: how a change of
   *     them changes the statistics can't be known, so the statistics stay as they are
   */
  boolean ensureFacts(UserFacts user, long experimentId) {
    if (hasRehydrated(user, experimentId)) {
      return true;
    }
    EvictionSummary summary = user.evictedIn(experimentId);
    user.evicted().set(user.evicted().indexOf(summary), summary.asLost());
    return false;
  }

  /**
   * The same for a change that writes a fact. A row that is read again is one that the warehouse
   * has lost: the facts are whole when all such rows are back, so a later change tries again.
   */
  boolean ensureFacts(UserFacts user, long experimentId, ChangeKind kind) {
    return kind == ChangeKind.REREAD
        ? hasRehydrated(user, experimentId)
        : ensureFacts(user, experimentId);
  }

  private boolean hasRehydrated(UserFacts user, long experimentId) {
    EvictionSummary summary = user.evictedIn(experimentId);
    if (summary == null) {
      return true;
    }
    String id = idOf(user, summary);
    ExperimentFacts facts = summary.lost() ? null : warehouse.rehydrate(id, summary);
    if (facts == null) {
      return false;
    }
    user.rehydrate(summary, facts);
    out.rehydrated(id);
    if (!id.equals(user.userId)) {
      out.rehydrated(user.userId);
    }
    return true;
  }

  /** The visible facts of the user in the summary's experiment, complete or not. */
  ExperimentFacts remains(UserFacts user, EvictionSummary summary) {
    return warehouse.remains(idOf(user, summary), summary);
  }

  /** The id under which the rows of evicted facts stand. */
  static String idOf(UserFacts user, EvictionSummary summary) {
    return summary.formerId() == null ? user.userId : summary.formerId();
  }

  /** Reports that the statistics could not follow a change, because the facts are lost. */
  void reportLost(UserFacts user, long experimentId, Origin origin) {
    findings.report(
        T_LATE_BEYOND_STATE, true, user, experimentId, T_LATE_BEYOND_STATE.sentence(), origin);
  }
}
