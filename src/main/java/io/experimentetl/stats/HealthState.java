package io.experimentetl.stats;

import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.MetricTotals;

/**
 * An experiment's health figures; a record of keyed state.
 *
 * @param days figures by day and variant
 * @param metrics totals by metric and variant
 * @param verdicts the symptoms that the experiment shows
 * @param allocationPhase the phase of the allocation when the experiment was judged last
 * @param allocationsSent greatest sequence number of a phase that was sent; -1: none was
 * @param version of the rows and findings that were sent last
 */
public record HealthState(
    DayCounts[] days,
    VariantTotals[] metrics,
    HealthVerdict[] verdicts,
    int allocationPhase,
    long allocationsSent,
    long version) {

  /** The figures of one variant on one day; of assigned users, those of one phase. */
  public record DayCounts(int dayEpoch, long variantId, int phase, HealthCounts counts) {}

  /** The totals of one metric in one variant. */
  public record VariantTotals(String metric, long variantId, MetricTotals totals) {}

  static final HealthState EMPTY =
      new HealthState(
          new DayCounts[0],
          new VariantTotals[0],
          new HealthVerdict[0],
          0,
          AllocationState.NONE_SENT,
          0);
}
