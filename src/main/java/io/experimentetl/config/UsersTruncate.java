package io.experimentetl.config;

/** What the job does when {@code users} is truncated at the source. */
public enum UsersTruncate {
  /** The job fails and does not restart: a TRUNCATE of all users is hardly ever meant. */
  REFUSE,
  /** Users that are absent at the commit are erased. */
  ERASE
}
