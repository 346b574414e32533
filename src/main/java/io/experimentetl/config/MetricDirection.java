package io.experimentetl.config;

/** In which direction a metric is meant to move. */
public enum MetricDirection {
  /** More is better. */
  INCREASE,
  /** Less is better. */
  DECREASE
}
