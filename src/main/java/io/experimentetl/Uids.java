package io.experimentetl;

/**
 * Names of the operators with state, which are also their uids. A savepoint finds its state by uid,
 * so a released uid never changes. The uid of a sink is its table, that of their committer is in
 * {@link io.experimentetl.clickhouse.JointCommit}. The uids of the source and the continuity step
 * are in {@link io.experimentetl.cdc.PostgresChanges}, those of the operators after the outbox's
 * commit in {@link io.experimentetl.outbox.OutboxSink}.
 */
final class Uids {
  static final String ROUTE = "route";
  static final String REPLICATE = "replicate";
  static final String LOOKED_UP_USERS = "looked-up-users";
  static final String LOOK_UP = "look-up";
  static final String JOIN_LOOKUPS = "join-lookups";
  static final String MISSING_LOOKUPS = "missing-lookups";
  static final String ATTRIBUTE = "attribute";
  static final String CHANGED_ROWS = "changed-rows";
  static final String TRUNCATED_USERS = "truncated-users";
  static final String DAILY_STATS = "daily-stats";
  static final String OUTBOX_RELAY = "outbox-relay";
  static final String CHECKED_EVENTS = "checked-events";
  static final String OUTBOX = "outbox";
  static final String FINDINGS_TOPIC = "findings-topic";
  static final String EXPERIMENT_HEALTH = "experiment-health";

  private Uids() {}
}
