package io.experimentetl.model;

/**
 * The version columns of every row in ClickHouse: the origin of the row.
 *
 * @param lsn LSN of the change at the source; 0: the snapshot
 * @param committedAt its commit time, microseconds since 1970 in UTC
 * @param version {@code sequenceNumber * 1024 + revision}: the row with the greatest version of a
 *     key is current
 * @param deleted a tombstone
 * @param deleteReason the kind of the delete: empty, {@code erasure}, {@code replacement}, {@code
 *     unexpected}, {@code key-change}, {@code truncate}, {@code mutable}: a row that may change;
 *     {@code retention}: retention has deleted the row at the source, and the warehouse keeps it
 * @param needsCheckpoint the row must not be visible before a checkpoint that contains it
 */
public record RowVersion(
    long lsn,
    long committedAt,
    long version,
    boolean deleted,
    String deleteReason,
    boolean needsCheckpoint) {

  private static final int REVISION_BITS = 10;

  /** The reason of a row that retention has deleted at the source and the warehouse keeps. */
  public static final String RETENTION = "retention";

  /**
   * The sequence numbers of the stream's rows are multiples of this, as LSNs are (PostgreSQL aligns
   * WAL records: MAXALIGN). Progress markers get the numbers between them.
   */
  public static final long SEQUENCE_NUMBER_STEP = 8;

  /** The greatest revision of one sequence number. */
  public static final long LAST_REVISION = (1L << REVISION_BITS) - 1;

  public RowVersion(
      long lsn, long committedAt, long version, boolean deleted, String deleteReason) {
    this(lsn, committedAt, version, deleted, deleteReason, false);
  }

  /** The same for a row that must not be visible before a checkpoint that contains it. */
  public RowVersion behindCheckpoint() {
    return new RowVersion(lsn, committedAt, version, deleted, deleteReason, true);
  }

  /** The same place, in a version that is above this one. */
  public RowVersion revised(long by) {
    return new RowVersion(lsn, committedAt, version + by, deleted, deleteReason, needsCheckpoint);
  }

  /** The same place, of a row that is deleted there. */
  public RowVersion deletedBy(String reason) {
    return new RowVersion(lsn, committedAt, version, true, reason, needsCheckpoint);
  }

  /** The same place, of a row that retention has deleted at the source and the warehouse keeps. */
  public RowVersion keptBeyondSource() {
    return new RowVersion(lsn, committedAt, version, false, RETENTION, needsCheckpoint);
  }

  /**
   * Whether the row may be visible before its checkpoint. Its version then depends only on the
   * stream's rows: if it is sent again after a restart, the row has this version, or a higher one
   * if more progress markers precede it. This does not hold for rows of the snapshot and
   * corrections.
   */
  public boolean isReplayStable() {
    return !needsCheckpoint && lsn != 0 && version % ofSequenceNumber(SEQUENCE_NUMBER_STEP) == 0;
  }

  /** The same for a row with these findings: a code that depends on timing may change. */
  public boolean isReplayStable(FindingCode[] found) {
    for (FindingCode code : found) {
      if (code.dependsOnTiming()) {
        return false;
      }
    }
    return isReplayStable();
  }

  /** The sequence number of a version. */
  public static long sequenceNumberOf(long version) {
    return version >>> REVISION_BITS;
  }

  /** The version of a row as the source sent it: revision 0 of its sequence number. */
  public static long ofSequenceNumber(long sequenceNumber) {
    return sequenceNumber << REVISION_BITS;
  }
}
