package io.experimentetl.config;

/** What becomes of a user who was seen in more than one variant of an experiment. */
public enum CrossoverPolicy {
  /** The user counts nowhere, also not on earlier days. */
  EXCLUDE,
  /** The user counts in the assigned variant. */
  FIRST
}
