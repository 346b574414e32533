package io.experimentetl.attribution;

import io.experimentetl.model.RowVersion;

/**
 * Gives rows their versions: {@code stamp * 1024 + revision}. A row as the source sent it has
 * revision 0. A correction that no change of the row itself caused (a reference came, a wait ended)
 * must stand above all that was sent before, and below whatever the source sends next: it takes the
 * greatest stamp seen, and the next revision of it.
 */
public final class VersionClock {
  private long greatest;

  /** Starts above the given version: the greatest one that was given before a restart. */
  public VersionClock(long greatest) {
    this.greatest = greatest;
  }

  /** Takes note of a change, of any row. */
  public void observe(long stamp) {
    greatest = Math.max(greatest, RowVersion.ofStamp(stamp));
  }

  /**
   * The version of a correction made now. Past 1023 corrections without any change seen, the last
   * revision is given again: then of two corrections the one that was inserted later stands.
   */
  public long correction() {
    if ((greatest & RowVersion.LAST_REVISION) < RowVersion.LAST_REVISION) {
      greatest++;
    }
    return greatest;
  }

  /** The greatest version given or passed so far. */
  public long greatest() {
    return greatest;
  }
}
