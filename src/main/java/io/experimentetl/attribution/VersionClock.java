package io.experimentetl.attribution;

import io.experimentetl.model.RowVersion;

/**
 * Gives corrections their versions. A row as the source sent it has the version of its stamp. A
 * correction that no change of the row itself caused (a reference came) must stand above all that
 * was sent of the row before, and below whatever the source sends of it next: it takes the greatest
 * stamp seen, and the next revision of the row. Findings have no version at the source: each takes
 * the next one.
 */
final class VersionClock {
  private long greatestStamp;
  private long lastFinding;

  /**
   * Starts above what was given before a restart.
   *
   * @param greatestStamp the greatest stamp seen
   * @param lastFinding the version of the last finding
   */
  VersionClock(long greatestStamp, long lastFinding) {
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
    return Math.min(Math.max(base, version + 1), base + RowVersion.LAST_REVISION);
  }

  /** The version of a finding made now. */
  long nextFinding() {
    lastFinding = Math.max(lastFinding + 1, RowVersion.ofStamp(greatestStamp));
    return lastFinding;
  }

  long greatestStamp() {
    return greatestStamp;
  }

  long lastFinding() {
    return lastFinding;
  }
}
