package io.experimentetl.attribution;

import io.experimentetl.config.StatisticsConfig;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * The exposures of one user that count in one experiment: the first time and the number by variant.
 * They are exact after every change. Only when the first exposure goes are all events read.
 */
final class Exposures {
  /** Later than any event. */
  static final long NONE = Long.MAX_VALUE;

  private static final long[] NO_VARIANTS = {};
  private static final int[] NO_COUNTS = {};

  /** In ascending order; shared with the records of keyed state, so never changed in place. */
  private long[] variants = NO_VARIANTS;

  /** The numbers of exposures to them, in the same order; shared too. */
  private int[] counts = NO_COUNTS;

  private long first = NONE;

  /** The number of exposures by time; null: not read. */
  private TreeMap<Long, Integer> times;

  /** The exposures in state, without their times. */
  static Exposures of(long first, long[] variants, int[] counts) {
    Exposures exposures = new Exposures();
    exposures.first = first;
    exposures.variants = variants;
    exposures.counts = counts;
    return exposures;
  }

  /** The exposures among all events, while the experiment is running. */
  static Exposures of(
      EventFacts events, ExperimentDimension experiment, StatisticsConfig statistics) {
    Exposures exposures = new Exposures();
    if (experiment != null) {
      forEach(events, experiment, statistics, exposures::add);
    }
    return exposures;
  }

  private static void forEach(
      EventFacts events,
      ExperimentDimension experiment,
      StatisticsConfig statistics,
      Consumer<EventFact> consumer) {
    events.forEachId(
        sameId -> {
          EventFact event = EventFact.counted(sameId);
          if (isExposure(event, experiment, statistics)) {
            consumer.accept(event);
          }
        });
  }

  /**
   * Whether the event is an exposure while the experiment is running.
   *
   * @param event null: there is none
   */
  static boolean isExposure(
      EventFact event, ExperimentDimension experiment, StatisticsConfig statistics) {
    return event != null
        && event.eventType().equals(statistics.exposureEvent())
        && experiment.isRunningAt(event.occurredAt());
  }

  private void add(EventFact exposure) {
    count(exposure.variantId(), 1);
    first = Math.min(first, exposure.occurredAt());
  }

  private void count(long variantId, int difference) {
    int index = Arrays.binarySearch(variants, variantId);
    if (index >= 0) {
      int count = counts[index] + difference;
      if (count > 0) {
        counts = counts.clone();
        counts[index] = count;
      } else {
        variants = without(variants, index);
        counts = without(counts, index);
      }
    } else if (difference > 0) {
      int at = -index - 1;
      long[] moreVariants = Arrays.copyOf(variants, variants.length + 1);
      System.arraycopy(variants, at, moreVariants, at + 1, variants.length - at);
      moreVariants[at] = variantId;
      variants = moreVariants;
      int[] moreCounts = Arrays.copyOf(counts, counts.length + 1);
      System.arraycopy(counts, at, moreCounts, at + 1, counts.length - at);
      moreCounts[at] = difference;
      counts = moreCounts;
    }
  }

  private static long[] without(long[] numbers, int index) {
    long[] others = Arrays.copyOf(numbers, numbers.length - 1);
    System.arraycopy(numbers, index + 1, others, index, others.length - index);
    return others;
  }

  private static int[] without(int[] numbers, int index) {
    int[] others = Arrays.copyOf(numbers, numbers.length - 1);
    System.arraycopy(numbers, index + 1, others, index, others.length - index);
    return others;
  }

  /**
   * Replaces the exposure that counts of an id.
   *
   * @param old null: there was none
   * @param now null: there is none any more
   * @param events all events after the change
   */
  void replace(
      EventFact old,
      EventFact now,
      EventFacts events,
      ExperimentDimension experiment,
      StatisticsConfig statistics) {
    if (old != null) {
      count(old.variantId(), -1);
      if (times != null) {
        remove(times, old.occurredAt());
      }
    }
    if (now != null) {
      add(now);
      if (times != null) {
        times.merge(now.occurredAt(), 1, Integer::sum);
      }
    }
    boolean isFirstGone = old != null && old.occurredAt() == first;
    if (isFirstGone && times == null) {
      readTimes(events, experiment, statistics);
    }
    if (times != null) {
      first = times.isEmpty() ? NONE : times.firstKey();
    }
  }

  private static void remove(Map<Long, Integer> counts, long key) {
    counts.computeIfPresent(key, (same, count) -> count == 1 ? null : count - 1);
  }

  private void readTimes(
      EventFacts events, ExperimentDimension experiment, StatisticsConfig statistics) {
    TreeMap<Long, Integer> read = new TreeMap<>();
    forEach(
        events,
        experiment,
        statistics,
        exposure -> read.merge(exposure.occurredAt(), 1, Integer::sum));
    times = read;
  }

  /** Forgets what was read to find the next first exposure. */
  void forgetTimes() {
    times = null;
  }

  /** Microseconds since 1970 in UTC, or {@link #NONE}. */
  long first() {
    return first;
  }

  /** Whether an exposure names a variant other than this one. */
  boolean isElsewhere(long variantId) {
    for (long variant : variants) {
      if (variant != EventFact.NO_VARIANT && variant != variantId) {
        return true;
      }
    }
    return false;
  }

  /** The variants that the user was exposed to, in ascending order; not to be changed. */
  long[] variants() {
    return variants;
  }

  /** The numbers of exposures, in the order of {@link #variants}; not to be changed. */
  int[] counts() {
    return counts;
  }

  /** An estimate of the heap that the times take, in bytes. */
  int weight() {
    return times == null ? 0 : 64 * times.size();
  }
}
