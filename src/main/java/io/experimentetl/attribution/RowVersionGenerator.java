package io.experimentetl.attribution;

import io.experimentetl.model.RowVersion;

/**
 * Generates the versions of corrections and findings.
 *
 * <ul>
 *   <li>A row as the source sent it has revision 0 of its sequence number.
 *   <li>A correction is caused by another row (a reference arrived). Its version must be above
 *       every version of the row so far, and below the next version that the source sends. It gets
 *       the next revision of the greatest sequence number seen, never revision 0.
 *   <li>A finding has no version at the source. It gets the next version of its subtask's own
 *       residue class: two subtasks may report about one experiment, and equal versions could not
 *       be ordered.
 * </ul>
 */
final class RowVersionGenerator {
  /** The greatest number of subtasks. */
  private static final int SUBTASKS = 128;

  private final int subtask;
  private long greatestSequenceNumber;

  /** The position at which rows are corrected; 0: the greatest sequence number seen. */
  private long correctedAt;

  private long lastFinding;

  /**
   * Continues above the versions given before a restart.
   *
   * @param greatestSequenceNumber the greatest sequence number seen
   * @param lastFinding the version of the last finding
   * @param subtask from 0
   */
  RowVersionGenerator(long greatestSequenceNumber, long lastFinding, int subtask) {
    this.subtask = subtask % SUBTASKS;
    this.greatestSequenceNumber = greatestSequenceNumber;
    this.lastFinding = lastFinding;
  }

  /** Notes the sequence number of a change of any row. */
  void observe(long sequenceNumber) {
    greatestSequenceNumber = Math.max(greatestSequenceNumber, sequenceNumber);
  }

  /**
   * Corrections belong to a change that is applied late, because it awaited its transaction's end:
   * their versions must be below those of later changes that awaited it too.
   */
  void correctAt(long sequenceNumber) {
    correctedAt = sequenceNumber;
  }

  /** Corrections are above everything seen again. */
  void correctBehindAll() {
    correctedAt = 0;
  }

  /**
   * The version of a correction of a row.
   *
   * @param version of the row that was sent last. After 1023 corrections without any change seen
   *     between them, the last revision is given again
   */
  long correctionAfter(long version) {
    long base =
        RowVersion.ofSequenceNumber(correctedAt == 0 ? greatestSequenceNumber : correctedAt);
    return Math.min(Math.max(base, version) + 1, base + RowVersion.LAST_REVISION);
  }

  /**
   * The version of a row that moves to another id of its user, and of its tombstone under the
   * former one. It is above the corrections under the former id that the rename itself has caused,
   * because it ended grace periods: they have the lower revisions of the rename's sequence number.
   */
  RowVersion moved(Origin rename) {
    long caused =
        RowVersion.ofSequenceNumber(rename.sequenceNumber()) + RowVersion.LAST_REVISION / 2;
    return rename.corrected(correctionAfter(caused));
  }

  /** The version of the next finding. */
  long nextFinding() {
    long min = Math.max(lastFinding + 1, RowVersion.ofSequenceNumber(greatestSequenceNumber));
    lastFinding = min + Math.floorMod(subtask - min, (long) SUBTASKS);
    return lastFinding;
  }

  /** The greatest version that a row sent so far can have. */
  long greatestRowVersion() {
    return RowVersion.ofSequenceNumber(greatestSequenceNumber) + RowVersion.LAST_REVISION;
  }

  long greatestSequenceNumber() {
    return greatestSequenceNumber;
  }

  long lastFinding() {
    return lastFinding;
  }
}
