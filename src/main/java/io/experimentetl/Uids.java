package io.experimentetl;

/**
 * Names of the operators that hold state, which are their uids. A sink's is its table; the source's
 * and the continuity step's stand in {@link io.experimentetl.cdc.PostgresChanges}. A savepoint
 * finds its state by them: they never change.
 */
final class Uids {
  static final String ROUTE = "route";
  static final String ATTRIBUTE = "attribute";
  static final String DAILY_STATS = "daily-stats";
  static final String EXPERIMENT_HEALTH = "experiment-health";

  private Uids() {}
}
