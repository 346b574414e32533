package io.experimentetl.config;

import java.util.Locale;

/** How the user's value y is computed from the user's events. */
public enum MetricKind {
  /** 1 for a user with a counted event, else 0. */
  PROPORTION,
  /** The sum of a property over the user's counted events. */
  MEAN,
  /** The number of the user's counted events. */
  COUNT,
  /** The sum over users of a numerator, divided by the sum over users of a denominator. */
  RATIO;

  /** The value of {@code experiment_daily_stats.kind}. */
  public String columnValue() {
    return name().toLowerCase(Locale.ROOT);
  }
}
