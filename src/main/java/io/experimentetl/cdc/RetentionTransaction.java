package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.HeartbeatRow;
import io.experimentetl.model.SourceTable;

/**
 * Recognises the transactions of retention clean-ups. Such a transaction writes a row of its own to
 * {@code etl_heartbeat} before its deletes.
 */
final class RetentionTransaction {
  /** {@code retention_begin()} of {@code sql/postgres/002_etl.sql} writes it. */
  static final String WRITER_PREFIX = "retention:";

  private boolean isMarked;

  /**
   * Continues behind a checkpoint.
   *
   * @param isMarked see {@link #isMarked()}
   */
  RetentionTransaction(boolean isMarked) {
    this.isMarked = isMarked;
  }

  /** Whether the open transaction has written a marker so far. */
  boolean isMarked() {
    return isMarked;
  }

  /**
   * Observes the next change of the stream, and returns its kind: a delete is a {@link
   * ChangeKind#RETENTION_DELETE}, and a truncate a {@link ChangeKind#RETENTION_TRUNCATE}, if the
   * marker was before it in its own transaction, and if the warehouse keeps rows of its table.
   */
  ChangeKind kindOf(Change change) {
    isMarked |= isMarker(change);
    if (!isMarked || !isKept(change.table())) {
      return change.kind();
    }
    return switch (change.kind()) {
      case DELETE -> ChangeKind.RETENTION_DELETE;
      case TRUNCATE -> ChangeKind.RETENTION_TRUNCATE;
      default -> change.kind();
    };
  }

  /** The open transaction has ended. */
  void endTransaction() {
    isMarked = false;
  }

  private static boolean isKept(SourceTable table) {
    return switch (table) {
      case EXPERIMENTS, VARIANTS, ASSIGNMENTS, EVENTS, REPLICATED -> true;
      // Without a user's row the user is erased. The relay drops what it knows of an outbox row.
      case USERS, OUTBOX_EVENTS, ETL_HEARTBEAT -> false;
    };
  }

  private static boolean isMarker(Change change) {
    return change.table() == SourceTable.ETL_HEARTBEAT
        && change.after() instanceof HeartbeatRow row
        && row.writer().startsWith(WRITER_PREFIX);
  }
}
