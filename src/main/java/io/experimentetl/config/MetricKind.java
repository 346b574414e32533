package io.experimentetl.config;

/** How a user's events become the user's value. */
public enum MetricKind {
  /** 1 for a user with a counted event, else 0. */
  PROPORTION,
  /** The sum of a property over the user's counted events. */
  MEAN
}
