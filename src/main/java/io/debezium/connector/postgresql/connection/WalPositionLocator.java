package io.debezium.connector.postgresql.connection;

import java.util.Optional;

/**
 * Replaces Debezium 1.9's class of this name. The original looks for the row to go on from after a
 * restart by LSN alone and loses rows: the end of a commit can be the LSN of the next transaction's
 * first row, and rows of one COPY page share an LSN (FLINK-39265, DBZ-5915, DBZ-6204). This one
 * neither searches nor filters: the server sends again, whole, every transaction that had not
 * committed at the stored position, and {@code io.experimentetl.cdc.Continuity} drops what was
 * passed on before.
 */
public class WalPositionLocator {

  private final Lsn lastEventStoredLsn;

  public WalPositionLocator(Lsn lastCommitStoredLsn, Lsn lastEventStoredLsn) {
    this.lastEventStoredLsn = lastEventStoredLsn;
  }

  public WalPositionLocator() {
    this(null, null);
  }

  public Optional<Lsn> resumeFromLsn(Lsn currentLsn, ReplicationMessage message) {
    return Optional.of(currentLsn);
  }

  public boolean skipMessage(Lsn lsn) {
    return false;
  }

  public void enableFiltering() {}

  public boolean searchingEnabled() {
    return false;
  }

  public Lsn getLastEventStoredLsn() {
    return lastEventStoredLsn;
  }
}
