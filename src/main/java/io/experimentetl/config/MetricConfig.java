package io.experimentetl.config;

import java.io.Serializable;
import java.time.Duration;

/**
 * A metric, computed for every experiment.
 *
 * @param name stands in {@code experiment_daily_stats.metric}
 * @param eventType the events that count
 * @param property of a mean: the key in the event's properties that holds the value; of a
 *     proportion: null
 * @param delay events count from this long after the user's first exposure
 * @param window events count for this long from then on; null: until the experiment ends
 */
public record MetricConfig(
    String name,
    MetricKind kind,
    String eventType,
    String property,
    Duration delay,
    Duration window)
    implements Serializable {

  /** A proportion without delay or window. */
  public static MetricConfig proportion(String name, String eventType) {
    return new MetricConfig(name, MetricKind.PROPORTION, eventType, null, Duration.ZERO, null);
  }

  /** A mean without delay or window. */
  public static MetricConfig mean(String name, String eventType, String property) {
    return new MetricConfig(name, MetricKind.MEAN, eventType, property, Duration.ZERO, null);
  }
}
