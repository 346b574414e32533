package io.experimentetl.config;

import java.io.Serializable;
import java.time.Duration;
import java.util.List;

/**
 * What is counted, and how.
 *
 * @param zone IANA name of the zone of days, for experiments whose config names none
 * @param exposureEvent event type of an exposure
 * @param allowedLateness how long after its end a day closes; a later change still restates it
 */
public record StatisticsConfig(
    String zone,
    Population population,
    String exposureEvent,
    CrossoverPolicy crossover,
    Duration allowedLateness,
    List<MetricConfig> metrics)
    implements Serializable {

  public StatisticsConfig {
    metrics = List.copyOf(metrics);
  }

  /** What holds where the file says nothing. */
  public static StatisticsConfig defaults() {
    return new StatisticsConfig(
        "UTC",
        Population.EXPOSURE,
        "exposure",
        CrossoverPolicy.EXCLUDE,
        Duration.ofDays(3),
        List.of(
            MetricConfig.proportion("conversion", "conversion"),
            MetricConfig.mean("revenue", "purchase", "revenue")));
  }

  /** The same with another policy. */
  public StatisticsConfig withCrossover(CrossoverPolicy policy) {
    return new StatisticsConfig(zone, population, exposureEvent, policy, allowedLateness, metrics);
  }

  /** The same with another catalogue. */
  public StatisticsConfig withMetrics(MetricConfig... catalogue) {
    return new StatisticsConfig(
        zone, population, exposureEvent, crossover, allowedLateness, List.of(catalogue));
  }
}
