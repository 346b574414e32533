package io.experimentetl.model;

/**
 * The increments of an experiment's health from one subtask of {@code attribute} between two
 * checkpoint barriers: of a (variant, day), or of a metric in a variant. The other two components
 * are null.
 */
public record HealthContribution(
    HealthKey key, HealthCounts counts, MetricKey metric, MetricTotals totals) {

  public HealthContribution(HealthKey key, HealthCounts counts) {
    this(key, counts, null, null);
  }

  public HealthContribution(MetricKey metric, MetricTotals totals) {
    this(null, null, metric, totals);
  }

  public long experimentId() {
    return key == null ? metric.experimentId() : key.experimentId();
  }
}
