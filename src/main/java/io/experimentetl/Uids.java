package io.experimentetl;

/**
 * Names of the operators that hold state, which are their uids. A sink's is its table; the source's
 * and the continuity step's stand in {@link io.experimentetl.cdc.PostgresChanges}, those behind the
 * outbox's commit in {@link io.experimentetl.outbox.OutboxSink}. A savepoint finds its state by
 * them: they never change.
 */
final class Uids {
  static final String ROUTE = "route";
  static final String ATTRIBUTE = "attribute";
  static final String DAILY_STATS = "daily-stats";
  static final String OUTBOX_RELAY = "outbox-relay";
  static final String CHECKED_EVENTS = "checked-events";
  static final String OUTBOX = "outbox";
  static final String FINDINGS_TOPIC = "findings-topic";
  static final String EXPERIMENT_HEALTH = "experiment-health";

  private Uids() {}
}
