package io.experimentetl.attribution;

import java.util.HashSet;
import java.util.Set;

/**
 * When all users are looked through for facts that may settle: at once when another experiment is
 * over, and again for what could not settle then, or was brought back, after a pause that grows as
 * long as it finds nothing.
 */
final class EvictionPasses {
  private static final long FIRST_PAUSE_MILLIS = 10_000;
  private static final long LONGEST_PAUSE_MILLIS = 6 * 3_600_000L;

  private final Set<Long> looked = new HashSet<>();
  private long pauseMillis = FIRST_PAUSE_MILLIS;
  private long nextAt = Long.MIN_VALUE;

  /**
   * Whether to look through all users now.
   *
   * @param over ids of the experiments that are over
   * @param now processing time, milliseconds since 1970
   */
  boolean isDue(Set<Long> over, long now) {
    return !over.isEmpty() && (now >= nextAt || !looked.containsAll(over));
  }

  void begin(Set<Long> over) {
    looked.clear();
    looked.addAll(over);
  }

  /** All were looked at, or the warehouse did not answer. */
  void end(boolean someEvicted, long now) {
    pauseMillis =
        someEvicted ? FIRST_PAUSE_MILLIS : Math.min(2 * pauseMillis, LONGEST_PAUSE_MILLIS);
    nextAt = now + pauseMillis;
  }
}
