package io.experimentetl.cdc;

/**
 * The state of the continuity step: what it needs to pass on every row exactly once after a
 * restart.
 *
 * @param sequenceNumber the last one given
 * @param rowSequenceNumber the number that depends only on the stream's rows: that of the last row,
 *     unless progress markers had used it up
 * @param previousCommitLsn of the last row that was passed on; 0: its reader had seen no commit
 * @param lsn of the last row that was passed on; 0: no row of the stream yet
 * @param txId of the last row that was passed on
 * @param indexAtLsn of the last row that was passed on
 * @param committedAt of the last row of the stream that was passed on, microseconds since 1970 in
 *     UTC
 * @param transactionComplete the last row's transaction is known to have no more rows, and the
 *     source won't send it again
 * @param completeLsn every transaction whose commit ends at or before it was passed on
 * @param reachedLsn the greatest LSN that the source has reported: the slot never confirms more
 * @param snapshotEndLsn the WAL's end when the snapshot's last chunk so far had been read; 0: none
 * @param snapshotDone the stream has passed snapshotEndLsn
 * @param systemIdentifier of the server that the position belongs to; 0: not known yet
 */
public record ContinuityState(
    long sequenceNumber,
    long rowSequenceNumber,
    long previousCommitLsn,
    long lsn,
    long txId,
    int indexAtLsn,
    long committedAt,
    boolean transactionComplete,
    long completeLsn,
    long reachedLsn,
    long snapshotEndLsn,
    boolean snapshotDone,
    long systemIdentifier) {

  static final ContinuityState START =
      new ContinuityState(0, 0, 0, 0, 0, 0, 0, false, 0, 0, 0, false, 0);
}
