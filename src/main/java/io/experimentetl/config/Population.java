package io.experimentetl.config;

/** What makes a user count, and since when. */
public enum Population {
  /** The first exposure event. */
  EXPOSURE,
  /** The assignment's {@code enrolled_at}. */
  ENROLLED,
  /** The assignment's {@code assigned_at}. */
  ASSIGNED
}
