package io.experimentetl.clickhouse;

/**
 * A position in the stream that separates rows: every row up to it is sent before the marker, every
 * later row after it. The source's first operator sends one before each checkpoint barrier, and
 * every operator forwards it after its own output. {@link JointCommit} writes the marker to {@code
 * etl_sink_progress} when all rows before it are visible.
 *
 * @param sequenceNumber the last sequence number before the marker
 * @param lsn the source's position up to which its transactions are complete
 * @param committedAt commit time of the last transaction, microseconds since 1970 in UTC; 0 during
 *     the initial snapshot
 * @param snapshotDone whether the initial snapshot is complete; before, results are incomplete
 * @param replayStable whether a restart sends every row after this marker again with the same
 *     version; early writes need it
 * @param inTransaction whether rows of a transaction whose end is not known yet are before it
 */
public record ProgressMarker(
    long sequenceNumber,
    long lsn,
    long committedAt,
    boolean snapshotDone,
    boolean replayStable,
    boolean inTransaction) {

  /** A marker between two transactions. */
  public ProgressMarker(
      long sequenceNumber, long lsn, long committedAt, boolean snapshotDone, boolean replayStable) {
    this(sequenceNumber, lsn, committedAt, snapshotDone, replayStable, false);
  }
}
