package io.experimentetl.attribution;

import io.experimentetl.model.RowVersion;

/**
 * Gives corrections their versions. A row as the source sent it has the version of its stamp. A
 * correction that no change of the row itself caused (a reference came) must stand above all that
 * was sent of the row before, and below whatever the source sends of it next: it takes the greatest
 * stamp seen, and the next revision of the row, never the first, which is the source's. Findings
 * have no version at the source: each takes the next one that is its subtask's own: two subtasks
 * speak of one experiment, and of two statements with one version nobody could say which stands.
 */
final class RowVersionGenerator {
  /** As many as subtasks can be. */
  private static final int SUBTASKS = 128;

  private final int subtask;
  private long greatestSequenceNumber;
  private long lastFinding;

  /**
   * Starts above what was given before a restart.
   *
   * @param greatestSequenceNumber the greatest stamp seen
   * @param lastFinding the version of the last finding
   * @param subtask from 0
   */
  RowVersionGenerator(long greatestSequenceNumber, long lastFinding, int subtask) {
    this.subtask = subtask % SUBTASKS;
    this.greatestSequenceNumber = greatestSequenceNumber;
    this.lastFinding = lastFinding;
  }

  /** Takes note of a change, of any row. */
  void observe(long sequenceNumber) {
    greatestSequenceNumber = Math.max(greatestSequenceNumber, sequenceNumber);
  }

  /**
   * The version of a correction made now of a row that was sent with the given version last. Of
   * more than 1023 corrections of one row without any change seen between them, the last revision
   * is given again.
   */
  long correctionAfter(long version) {
    long base = RowVersion.ofSequenceNumber(greatestSequenceNumber);
    return Math.min(Math.max(base, version) + 1, base + RowVersion.LAST_REVISION);
  }

  /** The version of a finding made now. */
  long nextFinding() {
    long min = Math.max(lastFinding + 1, RowVersion.ofSequenceNumber(greatestSequenceNumber));
    lastFinding = min + Math.floorMod(subtask - min, (long) SUBTASKS);
    return lastFinding;
  }

  long greatestSequenceNumber() {
    return greatestSequenceNumber;
  }

  long lastFinding() {
    return lastFinding;
  }
}
