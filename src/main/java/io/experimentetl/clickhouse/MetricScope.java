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

  private static final double MILLIS_PER_SECOND = 1e3;
  private static final double NANOS_PER_SECOND = 1e9;

  private MetricScope() {}

  /** The group of the job's own metrics within an operator's group. */
  public static MetricGroup of(MetricGroup operator) {
    return operator.addGroup(NAME);
  }

  /**
   * The seconds that have passed since a time.
   *
   * @param micros since 1970 in UTC; 0: there is no such time yet, and the value is 0
   */
  public static double secondsSince(long micros) {
    return micros == 0 ? 0 : (System.currentTimeMillis() - micros / 1000) / MILLIS_PER_SECOND;
  }

  static double secondsOf(long nanos) {
    return nanos / NANOS_PER_SECOND;
  }
}
