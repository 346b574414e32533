package io.experimentetl.model;

/**
 * What a subtask of {@code attribute} adds to an experiment's health between two checkpoint
 * barriers: to a (variant, day), or to a metric in a variant. The other two are null.
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
