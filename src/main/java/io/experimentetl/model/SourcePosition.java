package io.experimentetl.model;

/**
 * The position of a change in the source. For rows of the stream, the order of (previousCommitLsn,
 * lsn, indexAtLsn) is the order in which the server sends rows: transactions by commit, rows by
 * LSN, rows of one COPY page (they share an LSN) by index.
 *
 * @param previousCommitLsn LSN of the commit before this row's transaction; 0 in the snapshot, and
 *     if the reader has not seen one yet (the first transaction after a start)
 * @param lsn LSN of the row's WAL record; 0 in the snapshot
 * @param txId the transaction's id; 0 in the snapshot
 * @param indexAtLsn number of rows of this transaction with the same LSN before this row
 * @param committedAt commit time by the server's clock (the snapshot: read time), microseconds
 *     since 1970 in UTC
 */
public record SourcePosition(
    long previousCommitLsn, long lsn, long txId, int indexAtLsn, long committedAt) {}
