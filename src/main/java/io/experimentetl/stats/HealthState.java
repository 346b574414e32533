package io.experimentetl.stats;

import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.MetricTotals;
import io.experimentetl.model.Subject;

/**
 * An experiment's health figures; a record of keyed state. The first three arrays are parallel: one
 * place a (day, variant); so are the three of metrics: one place a (variant, metric). What was
 * added to the record is null in what was kept before.
 *
 * @param srmOpen a sample ratio mismatch was reported and not closed; what an earlier release reads
 * @param version of the rows and findings that were sent last
 * @param metricsAreWhole the metrics' totals were kept from the first contribution on
 */
public record HealthState(
    int[] dayEpoch,
    long[] variantId,
    HealthCounts[] counts,
    boolean srmOpen,
    long version,
    long[] metricVariantId,
    String[] metric,
    MetricTotals[] totals,
    boolean metricsAreWhole,
    HealthVerdict[] verdicts) {

  static final HealthState EMPTY =
      new HealthState(
          new int[0],
          new long[0],
          new HealthCounts[0],
          false,
          0,
          new long[0],
          new String[0],
          new MetricTotals[0],
          true,
          new HealthVerdict[0]);

  public HealthState {
    metricVariantId = metricVariantId == null ? new long[0] : metricVariantId;
    metric = metric == null ? new String[0] : metric;
    totals = totals == null ? new MetricTotals[0] : totals;
  }

  /** What was seen of the experiment, a sample ratio mismatch of an earlier release included. */
  HealthVerdict[] verdictsOf(Subject subject) {
    if (verdicts != null) {
      return verdicts;
    }
    return srmOpen
        ? new HealthVerdict[] {new HealthVerdict(FindingCode.H_SRM, subject, 0, true)}
        : new HealthVerdict[0];
  }
}
