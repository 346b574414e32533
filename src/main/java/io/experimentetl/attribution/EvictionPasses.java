package io.experimentetl.attribution;

import java.util.HashSet;
import java.util.Set;

/**
 * Decides when to check all users for facts to evict: at once when another experiment is over, and
 * again after a pause, for facts that could not be evicted then or were rehydrated. The pause grows
 * while nothing is evicted.
 */
final class EvictionPasses {
  private static final long FIRST_PAUSE_MILLIS = 10_000;
  private static final long LONGEST_PAUSE_MILLIS = 6 * 3_600_000L;

  private final Set<Long> checked = new HashSet<>();
  private long pauseMillis = FIRST_PAUSE_MILLIS;
  private long nextAt = Long.MIN_VALUE;

  /**
   * Whether to check all users now.
   *
   * @param over ids of the experiments that are over
   * @param now processing time, milliseconds since 1970
   */
  boolean isDue(Set<Long> over, long now) {
    return !over.isEmpty() && (now >= nextAt || !checked.containsAll(over));
  }

  void begin(Set<Long> over) {
    checked.clear();
    checked.addAll(over);
  }

  /** All users were checked, or the warehouse did not answer. */
  void end(boolean someEvicted, long now) {
    pauseMillis =
        someEvicted ? FIRST_PAUSE_MILLIS : Math.min(2 * pauseMillis, LONGEST_PAUSE_MILLIS);
    nextAt = now + pauseMillis;
  }
}
