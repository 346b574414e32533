package io.experimentetl.clickhouse;

import org.apache.flink.metrics.MetricGroup;

/**
 * The scope of the job's own metrics, so that they are not mistaken for Flink's. Their names follow
 * Prometheus: base units as suffixes ({@code _seconds}, {@code _bytes}), and {@code _total} for
 * what only grows until the job restarts.
 */
public final class MetricScope {
  /** The group's name, a part of every metric's name. */
  public static final String NAME = "etl";

  private MetricScope() {}

  /** The group of the job's own metrics within an operator's group. */
  public static MetricGroup of(MetricGroup operator) {
    return operator.addGroup(NAME);
  }
}
