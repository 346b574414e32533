package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;

/**
 * A truncate in the open transaction; a record of operator state.
 *
 * @param byRetention its transaction says that it is retention
 * @param sequenceNumber see {@link Change#sequenceNumber}
 * @param committedAt see {@link SourcePosition}, as the other positions
 */
public record TruncatedTable(
    SourceTable table,
    boolean byRetention,
    long sequenceNumber,
    long previousCommitLsn,
    long lsn,
    long txId,
    int indexAtLsn,
    long committedAt) {

  static TruncatedTable of(Change truncate, boolean byRetention) {
    SourcePosition position = truncate.position();
    return new TruncatedTable(
        truncate.table(),
        byRetention,
        truncate.sequenceNumber(),
        position.previousCommitLsn(),
        position.lsn(),
        position.txId(),
        position.indexAtLsn(),
        position.committedAt());
  }

  /** The delete of a row that the table held. It has the position of the truncate. */
  Change deleteOf(SourceRow row) {
    return change(byRetention ? ChangeKind.RETENTION_DELETE : ChangeKind.DELETE, row);
  }

  /** The truncate itself. */
  Change truncate() {
    return change(ChangeKind.TRUNCATE, null);
  }

  private Change change(ChangeKind kind, SourceRow before) {
    return new Change(
        table,
        kind,
        sequenceNumber,
        new SourcePosition(previousCommitLsn, lsn, txId, indexAtLsn, committedAt),
        before,
        null);
  }
}
