package io.experimentetl.config;

/** The event or column by which a user enters the population, and the time of entry. */
public enum Population {
  /** The first exposure event. */
  EXPOSURE,
  /** The assignment's {@code enrolled_at}. */
  ENROLLED,
  /** The assignment's {@code assigned_at}. */
  ASSIGNED
}
