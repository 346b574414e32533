package io.experimentetl.stats;

import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.MetricTotals;

/**
 * An experiment's health figures; a record of keyed state.
 *
 * @param days figures by day and variant
 * @param metrics totals by metric and variant
 * @param verdicts the symptoms that the experiment shows
 * @param version of the rows and findings that were sent last
 */
public record HealthState(
    DayCounts[] days, VariantTotals[] metrics, HealthVerdict[] verdicts, long version) {

  /** The figures of one variant on one day. */
  public record DayCounts(int dayEpoch, long variantId, HealthCounts counts) {}

  /** The totals of one metric in one variant. */
  public record VariantTotals(String metric, long variantId, MetricTotals totals) {}

  static final HealthState EMPTY =
      new HealthState(new DayCounts[0], new VariantTotals[0], new HealthVerdict[0], 0);
}
