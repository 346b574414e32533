package io.debezium.connector.postgresql.connection;

import java.util.Optional;

/**
 * Replaces Debezium 1.9's class of this name. After a restart the original searches for the row to
 * continue from by LSN alone and loses rows: the end of a commit can be the LSN of the next
 * transaction's first row, and rows of one COPY page share an LSN (FLINK-39265, DBZ-5915,
 * DBZ-6204). This class neither searches nor filters. The server resends, as a whole, every
 * transaction that had not committed at the stored position, and {@code
 * io.experimentetl.cdc.Continuity} drops the rows that were passed on before.
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
