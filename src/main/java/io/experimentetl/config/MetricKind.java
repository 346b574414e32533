package io.experimentetl.config;

import java.util.Locale;

/** How a user's events become the user's value y. */
public enum MetricKind {
  /** 1 for a user with a counted event, else 0. */
  PROPORTION,
  /** The sum of a property over the user's counted events. */
  MEAN,
  /** The number of the user's counted events. */
  COUNT,
  /** The sum over users of a numerator, divided by the sum over users of a denominator. */
  RATIO;

  /** As it stands in {@code experiment_daily_stats.kind}. */
  public String columnValue() {
    return name().toLowerCase(Locale.ROOT);
  }
}
