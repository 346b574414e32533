package io.experimentetl.model;

/**
 * What every row in ClickHouse says of its origin.
 *
 * @param lsn LSN of the change at the source; 0: the snapshot
 * @param committedAt its commit time, microseconds since 1970 in UTC
 * @param version {@code sequenceNumber * 1024 + revision}: of two rows with one key the greater one
 *     stands
 * @param deleted a tombstone
 * @param deleteReason how the delete was judged: empty, {@code erasure}, {@code unexpected}, {@code
 *     key-change}, {@code retention}
 * @param needsCheckpoint the row must not be visible before a checkpoint that knows of it
 */
public record RowVersion(
    long lsn,
    long committedAt,
    long version,
    boolean deleted,
    String deleteReason,
    boolean needsCheckpoint) {

  private static final int REVISION_BITS = 10;

  /**
   * Stamps that the stream's rows alone give are multiples of this, as LSNs are (PostgreSQL aligns
   * WAL records so: MAXALIGN). Between them is room for those of cuts.
   */
  public static final long SEQUENCE_NUMBER_STEP = 8;

  /** Revisions of one stamp are at most this. */
  public static final long LAST_REVISION = (1L << REVISION_BITS) - 1;

  public RowVersion(
      long lsn, long committedAt, long version, boolean deleted, String deleteReason) {
    this(lsn, committedAt, version, deleted, deleteReason, false);
  }

  /** The same, of a row that must not be visible before a checkpoint that knows of it. */
  public RowVersion behindCheckpoint() {
    return new RowVersion(lsn, committedAt, version, deleted, deleteReason, true);
  }

  /**
   * Whether the row may be visible before its checkpoint: the stream's rows alone give its version,
   * so that sent again after a restart it has this version or, where more cuts are before it, a
   * higher one. Of the snapshot's rows and of corrections that can't be said.
   */
  public boolean isReplayStable() {
    return !needsCheckpoint && lsn != 0 && version % ofSequenceNumber(SEQUENCE_NUMBER_STEP) == 0;
  }

  /** The same for a row with these findings: a code that depends on timing may be another then. */
  public boolean isReplayStable(FindingCode[] found) {
    for (FindingCode code : found) {
      if (code.dependsOnTiming()) {
        return false;
      }
    }
    return isReplayStable();
  }

  /** The version of a row as the source sent it: revision 0 of its stamp. */
  public static long ofSequenceNumber(long sequenceNumber) {
    return sequenceNumber << REVISION_BITS;
  }
}
