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
final class VersionClock {
  /** As many as subtasks can be. */
  private static final int SUBTASKS = 128;

  private final int subtask;
  private long greatestStamp;
  private long lastFinding;

  /**
   * Starts above what was given before a restart.
   *
   * @param greatestStamp the greatest stamp seen
   * @param lastFinding the version of the last finding
   * @param subtask from 0
   */
  VersionClock(long greatestStamp, long lastFinding, int subtask) {
    this.subtask = subtask % SUBTASKS;
    this.greatestStamp = greatestStamp;
    this.lastFinding = lastFinding;
  }

  /** Takes note of a change, of any row. */
  void observe(long stamp) {
    greatestStamp = Math.max(greatestStamp, stamp);
  }

  /**
   * The version of a correction made now of a row that was sent with the given version last. Of
   * more than 1023 corrections of one row without any change seen between them, the last revision
   * is given again.
   */
  long correctionAfter(long version) {
    long base = RowVersion.ofStamp(greatestStamp);
    return Math.min(Math.max(base, version) + 1, base + RowVersion.LAST_REVISION);
  }

  /** The version of a finding made now. */
  long nextFinding() {
    long least = Math.max(lastFinding + 1, RowVersion.ofStamp(greatestStamp));
    lastFinding = least + Math.floorMod(subtask - least, (long) SUBTASKS);
    return lastFinding;
  }

  long greatestStamp() {
    return greatestStamp;
  }

  long lastFinding() {
    return lastFinding;
  }
}
