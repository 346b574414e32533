package io.experimentetl.config;

import static io.experimentetl.config.ValueType.CENTURY;
import static io.experimentetl.config.ValueType.choice;
import static io.experimentetl.config.ValueType.duration;
import static io.experimentetl.config.ValueType.text;
import static io.experimentetl.config.ValueType.timeZone;

import java.io.Serializable;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * How statistics are computed.
 *
 * @param zone IANA time zone of days, for experiments whose config has none
 * @param exposureEvent event type of an exposure
 * @param allowedLateness how long after its end a day is closed; a later change still restates it
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

  /** The default of every key. */
  public static StatisticsConfig defaults() {
    return read(Section.empty("statistics"));
  }

  static StatisticsConfig read(Section section) {
    Set<String> metricNames = new HashSet<>();
    return new StatisticsConfig(
        section.get("zone", timeZone(), "UTC"),
        section.get("population", choice(Population.class), Population.EXPOSURE),
        section.get("exposure-event", text(), "exposure"),
        section.get("crossover", choice(CrossoverPolicy.class), CrossoverPolicy.EXCLUDE),
        section.get("allowed-lateness", duration(Duration.ZERO, CENTURY), Duration.ofDays(3)),
        section.groups(
            "metrics",
            metric -> MetricConfig.read(metric, metricNames),
            List.of(
                MetricConfig.proportion("conversion", "conversion"),
                MetricConfig.mean("revenue", "purchase", "revenue"))));
  }

  /** Returns a copy with another crossover policy. */
  public StatisticsConfig withCrossover(CrossoverPolicy policy) {
    return new StatisticsConfig(zone, population, exposureEvent, policy, allowedLateness, metrics);
  }

  /** Returns a copy with other metrics. */
  public StatisticsConfig withMetrics(MetricConfig... catalogue) {
    return new StatisticsConfig(
        zone, population, exposureEvent, crossover, allowedLateness, List.of(catalogue));
  }
}
