package io.experimentetl.config;

/** How a user counts who was seen in more than one variant of an experiment. */
public enum CrossoverPolicy {
  /** The user does not count, on earlier days neither. */
  EXCLUDE,
  /** The user counts in the assigned variant. */
  FIRST
}
