package io.experimentetl.cdc;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.Lsn;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourcePosition;

/**
 * Decides which rows of the source are new. After a restart the server sends every transaction
 * whose commit is beyond the stored position again, whole and in commit order:
 *
 * <ol>
 *   <li>transactions that committed while the last one was still open,
 *   <li>the last transaction of which rows were passed on,
 *   <li>new transactions.
 * </ol>
 *
 * <p>Everything up to the last row that was passed on is dropped; everything after it is passed on.
 * If the last transaction is not sent again although it must be, rows are missing.
 *
 * <p>A row names the commit before its transaction. For the first transaction after a restart, that
 * commit comes from the stored offset and is not reliable. From the second transaction on, the
 * server has sent it.
 */
final class Continuity {

  /** The remedy when rows are missing. */
  static final String START_ANEW =
      "read everything again: resync (java -jar experiment-etl.jar resync, or ./etl resync) reads into a database next to the old one, exchanges their tables, and lists the rows that it repaired.";

  private static final String REMEDY = " To continue, " + START_ANEW;

  private long sequenceNumber;
  private long rowSequenceNumber;
  private long previousCommitLsn;
  private long lsn;
  private long txId;
  private int indexAtLsn;
  private long committedAt;
  private boolean transactionComplete;
  private long completeLsn;
  private long reachedLsn;
  private long snapshotEndLsn;
  private boolean snapshotDone;
  private long systemIdentifier;

  /** The server must send the last transaction again and has not done so yet. */
  private boolean awaitingLast;

  /** The server is sending the last transaction again; rows up to the last one are dropped. */
  private boolean repeatingLast;

  /** The transaction of the last row that arrived, dropped or not; 0: none since the start. */
  private long arrivedTxId;

  /** A second transaction has arrived since the start. */
  private boolean previousCommitReliable;

  Continuity(ContinuityState state) {
    sequenceNumber = state.sequenceNumber();
    rowSequenceNumber = state.rowSequenceNumber();
    previousCommitLsn = state.previousCommitLsn();
    lsn = state.lsn();
    txId = state.txId();
    indexAtLsn = state.indexAtLsn();
    committedAt = state.committedAt();
    transactionComplete = state.transactionComplete();
    completeLsn = state.completeLsn();
    reachedLsn = state.reachedLsn();
    snapshotEndLsn = state.snapshotEndLsn();
    snapshotDone = state.snapshotDone();
    systemIdentifier = state.systemIdentifier();
    awaitingLast = lsn != 0 && !transactionComplete;
  }

  ContinuityState state() {
    return new ContinuityState(
        sequenceNumber,
        rowSequenceNumber,
        previousCommitLsn,
        lsn,
        txId,
        indexAtLsn,
        committedAt,
        transactionComplete,
        completeLsn,
        reachedLsn,
        snapshotEndLsn,
        snapshotDone,
        systemIdentifier);
  }

  /**
   * The progress marker after everything that was passed on so far. Each marker has a sequence
   * number of its own.
   *
   * @param retainedRowsRead false: rows of an older warehouse are still to be read
   * @param replayStable see {@link ProgressMarker#replayStable}
   */
  ProgressMarker nextMarker(boolean retainedRowsRead, boolean replayStable) {
    return new ProgressMarker(
        nextSequenceNumber(0),
        completeLsn,
        committedAt,
        snapshotDone && retainedRowsRead,
        replayStable,
        lsn != 0 && !transactionComplete);
  }

  /** The last sequence number that was assigned; 0: none. */
  long sequenceNumber() {
    return sequenceNumber;
  }

  /** Every transaction whose commit ends at or before it was passed on. */
  long completeLsn() {
    return completeLsn;
  }

  /**
   * The sequence number for the next row, at the given LSN (0: of the snapshot). {@code
   * rowSequenceNumber} depends only on the stream's rows: after a restart a row gets the same
   * number, whatever progress markers are between. If markers have used it up, the row gets a
   * number between the steps and is not {@link RowVersion#isReplayStable replay-stable}.
   */
  long nextSequenceNumber(long rowLsn) {
    if (rowLsn != 0) {
      rowSequenceNumber = Math.max(rowSequenceNumber + RowVersion.SEQUENCE_NUMBER_STEP, rowLsn);
    }
    sequenceNumber =
        rowLsn != 0 && rowSequenceNumber > sequenceNumber
            ? rowSequenceNumber
            : betweenSteps(sequenceNumber + 1);
    return sequenceNumber;
  }

  private static long betweenSteps(long sequenceNumber) {
    return sequenceNumber % RowVersion.SEQUENCE_NUMBER_STEP == 0
        ? sequenceNumber + 1
        : sequenceNumber;
  }

  /**
   * Compares a row of the stream with the position, and moves the position to a new row.
   *
   * @return whether the row is new; false: it was passed on before the restart, drop it
   * @throws DiscontinuityException rows before it are missing
   */
  boolean accept(SourcePosition row) {
    reach(row.lsn());
    boolean first = arrivedTxId == 0;
    if (row.txId() != arrivedTxId) {
      previousCommitReliable = !first;
      arrivedTxId = row.txId();
    }
    if (awaitingLast) {
      if (row.txId() != txId) {
        if (lastIsMissingBefore(row)) {
          throw gap(row.lsn());
        }
        return false;
      }
      awaitingLast = false;
      repeatingLast = true;
    }
    if (row.txId() == txId) {
      if (transactionComplete) {
        return false;
      }
      boolean behindLast = row.lsn() > lsn || (row.lsn() == lsn && row.indexAtLsn() > indexAtLsn);
      if (repeatingLast && !behindLast) {
        return false;
      }
      if (!behindLast) {
        throw DiscontinuityException.regression(
            "The source sent a row at LSN "
                + Lsn.print(row.lsn())
                + " after one at "
                + Lsn.print(lsn)
                + " of the same transaction: its order is broken."
                + REMEDY);
      }
    } else if (lsn != 0 && row.previousCommitLsn() != 0 && row.previousCommitLsn() <= lastBound()) {
      throw DiscontinuityException.regression(
          "The source sent a transaction that follows the commit at "
              + Lsn.print(row.previousCommitLsn())
              + " although it had already passed "
              + Lsn.print(lastBound())
              + ": the server was restored from a backup, or two jobs share the slot."
              + REMEDY);
    }
    repeatingLast = false;
    if (row.txId() != txId) {
      previousCommitLsn =
          row.previousCommitLsn() != 0 || lsn == 0 ? row.previousCommitLsn() : completeLsn;
      completeLsn = Math.max(completeLsn, previousCommitLsn);
      txId = row.txId();
      transactionComplete = false;
    }
    lsn = row.lsn();
    indexAtLsn = row.indexAtLsn();
    committedAt = row.committedAt();
    return true;
  }

  /**
   * The commit before the last row's transaction, or that row's LSN if the commit is unknown. A
   * later transaction follows a commit after it, an earlier one a commit before it.
   */
  private long lastBound() {
    return previousCommitLsn != 0 ? previousCommitLsn : lsn;
  }

  private boolean lastIsMissingBefore(SourcePosition other) {
    // No transaction committed before the very first one, so none can be sent again before it.
    return previousCommitLsn == 0
        || (previousCommitReliable && other.previousCommitLsn() >= previousCommitLsn);
  }

  /**
   * Moves the position to where the reader has read the stream, with or without rows.
   *
   * @param commitLsn every transaction whose commit ends at or before it was read; 0: none yet
   * @param readLsn where the source would continue after a restart
   * @return whether the last row's transaction has ended here; it is reported once, also if a
   *     restart repeats the position
   * @throws DiscontinuityException the last transaction was not sent again although it must be
   */
  boolean advance(long commitLsn, long readLsn) {
    reach(readLsn);
    if (lsn != 0 && commitLsn <= lastBound()) {
      return false;
    }
    if (awaitingLast) {
      throw gap(commitLsn);
    }
    // Only from the end of a commit on is the last transaction not sent again.
    if (readLsn < commitLsn || commitLsn == 0) {
      return false;
    }
    boolean ended = lsn != 0 && !transactionComplete;
    completeLsn = Math.max(completeLsn, commitLsn);
    transactionComplete = true;
    repeatingLast = false;
    return ended;
  }

  /** The end of the last row's transaction, after {@link #advance} has reported it. */
  Change endOfTransaction() {
    return new Change(
        null,
        ChangeKind.COMMIT,
        sequenceNumber,
        new SourcePosition(previousCommitLsn, completeLsn, txId, 0, committedAt),
        null,
        null);
  }

  /**
   * Notes that a chunk of the snapshot has been read completely.
   *
   * @param startLsn the stream must start here or earlier, so that no change after the chunk is
   *     lost
   * @param walEndLsn where the WAL ended behind the chunk: the chunk holds nothing that committed
   *     later
   */
  void completeChunk(long startLsn, long walEndLsn) {
    reachedLsn = snapshotEndLsn == 0 ? startLsn : Math.min(reachedLsn, startLsn);
    snapshotEndLsn = Math.max(snapshotEndLsn, walEndLsn);
  }

  /** Whether a chunk has been read, which fixes the start of the stream. */
  boolean hasReadChunk() {
    return snapshotEndLsn != 0;
  }

  private void reach(long toLsn) {
    reachedLsn = Math.max(reachedLsn, toLsn);
    if (!snapshotDone && snapshotEndLsn != 0 && toLsn >= snapshotEndLsn) {
      snapshotDone = true;
    }
  }

  /**
   * Compares the restored position with what the server offers, or notes the server at the first
   * start.
   *
   * @param server the server's system identifier and the end of its WAL
   * @param slot null: the slot does not exist
   * @throws DiscontinuityException with what is missing and the remedy
   */
  void check(String slotName, String place, ServerPosition server, ReplicationSlot slot) {
    String which = "The replication slot " + slotName + " on " + place;
    if (slot == null) {
      throw new DiscontinuityException(missingSlot(slotName, place));
    }
    if (slot.isLost()) {
      throw new DiscontinuityException(
          which
              + " has lost WAL (wal_status "
              + slot.walStatus()
              + "): drop it, apply sql/postgres/003_slot.sql, and raise max_slot_wal_keep_size."
              + REMEDY);
    }
    if (systemIdentifier != 0 && systemIdentifier != server.systemIdentifier()) {
      throw new DiscontinuityException(
          "The server at "
              + place
              + " is not the one that the job's state belongs to (system identifier "
              + server.systemIdentifier()
              + ", expected "
              + systemIdentifier
              + "): point the job at the right server."
              + REMEDY);
    }
    systemIdentifier = server.systemIdentifier();
    if (reachedLsn == 0) {
      // No stream yet: the slot must still keep its current WAL when the stream starts.
      reachedLsn = slot.confirmedFlushLsn();
      return;
    }
    if (slot.confirmedFlushLsn() > reachedLsn) {
      throw new DiscontinuityException(
          which
              + " is at LSN "
              + Lsn.print(slot.confirmedFlushLsn())
              + ", beyond the job's position "
              + Lsn.print(reachedLsn)
              + ": it was recreated or advanced by another process, or this savepoint is older than the position that a later run confirmed. If the job has a newer checkpoint or savepoint, start from that one. If not, the changes between are lost: "
              + START_ANEW);
    }
    if (server.walEndLsn() < reachedLsn) {
      throw DiscontinuityException.regression(
          "The WAL of the server at "
              + place
              + " ends at LSN "
              + Lsn.print(server.walEndLsn())
              + ", before the job's position "
              + Lsn.print(reachedLsn)
              + ": the server was restored from a backup or failed over to a standby that lagged."
              + REMEDY);
    }
  }

  static String missingSlot(String slotName, String place) {
    return "The replication slot "
        + slotName
        + " on "
        + place
        + " does not exist. For a first start, apply sql/postgres/003_slot.sql. For a job with state, the changes since it stopped are lost: apply the file, and "
        + START_ANEW;
  }

  private DiscontinuityException gap(long atLsn) {
    return new DiscontinuityException(
        "The source continues at LSN "
            + Lsn.print(atLsn)
            + " without transaction "
            + txId
            + ", of which the job has passed on rows up to LSN "
            + Lsn.print(lsn)
            + ": rows are missing (a gap in the slot's stream)."
            + REMEDY);
  }
}
