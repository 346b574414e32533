package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.T_LATE_BEYOND_STATE;

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
    EvictionSummary summary = user.evictedIn(experimentId);
    if (summary == null) {
      return true;
    }
    String id = idOf(user, summary);
    ExperimentFacts facts = summary.lost() ? null : warehouse.rehydrate(id, summary);
    if (facts == null) {
      user.evicted().set(user.evicted().indexOf(summary), summary.asLost());
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
