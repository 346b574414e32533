package io.experimentetl.model;

import java.math.BigInteger;

/**
 * Additive figures of one (experiment, variant, metric, day): a contribution, a difference of
 * contributions, or their total. Sums of values are whole numbers of millionths, sums of squares of
 * millionths of millionths: exact, and exactly retractable.
 *
 * @param exposures exposure events on the day
 * @param activeUsers users of the population with an event on the day; does not add up over days
 * @param convertingUsers users with a counted event of the metric on the day; does not add up over
 *     days
 * @param events counted events of the metric on the day
 * @param valueSum sum of the counted events' values on the day
 * @param newUsers users whose first exposure is on the day
 * @param newConverters users whose first counted event of the metric is on the day
 * @param dSum increment of the sum over users of the user's total
 * @param dSumSq increment of the sum over users of the square of the user's total: 2Tv + v² for a
 *     total T before the day and v on it
 */
public record DailySums(
    long exposures,
    long activeUsers,
    long convertingUsers,
    long events,
    BigInteger valueSum,
    long newUsers,
    long newConverters,
    BigInteger dSum,
    BigInteger dSumSq) {

  public static final DailySums ZERO =
      new DailySums(0, 0, 0, 0, BigInteger.ZERO, 0, 0, BigInteger.ZERO, BigInteger.ZERO);

  public DailySums plus(DailySums other) {
    return new DailySums(
        exposures + other.exposures,
        activeUsers + other.activeUsers,
        convertingUsers + other.convertingUsers,
        events + other.events,
        valueSum.add(other.valueSum),
        newUsers + other.newUsers,
        newConverters + other.newConverters,
        dSum.add(other.dSum),
        dSumSq.add(other.dSumSq));
  }

  public DailySums negate() {
    return new DailySums(
        -exposures,
        -activeUsers,
        -convertingUsers,
        -events,
        valueSum.negate(),
        -newUsers,
        -newConverters,
        dSum.negate(),
        dSumSq.negate());
  }

  public boolean isZero() {
    return equals(ZERO);
  }
}
