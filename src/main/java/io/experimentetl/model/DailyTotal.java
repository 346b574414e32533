package io.experimentetl.model;

import java.util.Arrays;

/** Adds differences of one (experiment, variant, metric, day) up, without an object for each. */
public final class DailyTotal {
  private static final int AMOUNTS = 9;

  private final ExactSum[] amounts = new ExactSum[AMOUNTS];
  private long exposures;
  private long activeUsers;
  private long convertingUsers;
  private long events;
  private long newUsers;
  private long newConverters;
  private long dayEndsAt;

  /** A total of no differences. */
  public DailyTotal() {
    Arrays.setAll(amounts, amount -> new ExactSum());
  }

  /**
   * Adds a difference.
   *
   * @param endOfDay milliseconds since 1970 in UTC, exclusive
   * @throws ArithmeticException a count does not fit into 64 bits
   */
  public void add(DailySums difference, long endOfDay) {
    exposures = Math.addExact(exposures, difference.exposures());
    activeUsers = Math.addExact(activeUsers, difference.activeUsers());
    convertingUsers = Math.addExact(convertingUsers, difference.convertingUsers());
    events = Math.addExact(events, difference.events());
    newUsers = Math.addExact(newUsers, difference.newUsers());
    newConverters = Math.addExact(newConverters, difference.newConverters());
    amounts[0].add(difference.valueSum());
    amounts[1].add(difference.dSum());
    amounts[2].add(difference.dSumSq());
    amounts[3].add(difference.dDenSum());
    amounts[4].add(difference.dDenSumSq());
    amounts[5].add(difference.dNumDen());
    amounts[6].add(difference.dXSum());
    amounts[7].add(difference.dXSumSq());
    amounts[8].add(difference.dXY());
    dayEndsAt = endOfDay;
  }

  /** The sum of all differences. */
  public DailySums sums() {
    return new DailySums(
        exposures,
        activeUsers,
        convertingUsers,
        events,
        amounts[0].total(),
        newUsers,
        newConverters,
        amounts[1].total(),
        amounts[2].total(),
        amounts[3].total(),
        amounts[4].total(),
        amounts[5].total(),
        amounts[6].total(),
        amounts[7].total(),
        amounts[8].total());
  }

  /** As the last difference named it. */
  public long dayEndsAt() {
    return dayEndsAt;
  }
}
