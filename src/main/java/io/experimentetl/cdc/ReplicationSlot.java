package io.experimentetl.cdc;

/**
 * A row of {@code pg_replication_slots}.
 *
 * @param walStatus reserved, extended, unreserved or lost
 * @param lagBytes of WAL written since confirmedFlushLsn
 * @param retainedBytes of WAL that the slot keeps on the server's disk
 * @param safeWalBytes that can be written before the slot is lost; -1: no limit is set
 */
record ReplicationSlot(
    String plugin,
    String database,
    boolean active,
    String walStatus,
    long confirmedFlushLsn,
    long lagBytes,
    long retainedBytes,
    long safeWalBytes) {

  boolean isLost() {
    return "lost".equals(walStatus);
  }
}
