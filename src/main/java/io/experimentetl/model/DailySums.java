package io.experimentetl.model;

import java.math.BigInteger;

/**
 * Additive figures of one (experiment, variant, metric, day): a contribution, a difference of
 * contributions, or their total. A record of keyed state. Sums of values are integers in units of
 * 10^-6, sums of products in units of 10^-12: exact, and exactly retractable.
 *
 * <p>y is a user's total up to and including the day, under the metric's cap; for a ratio the total
 * of the numerator. z is the total of a ratio's denominator, x the user's covariate, fixed at the
 * first exposure. Increments are the total up to the day minus the total up to the day before.
 *
 * @param exposures exposure events on the day
 * @param activeUsers users of the population with an exposure or a counted event on the day; does
 *     not add up over days
 * @param convertingUsers users with a counted event of the metric (for a ratio: of the numerator)
 *     on the day; does not add up over days
 * @param events counted events of the metric (for a ratio: of the numerator) on the day
 * @param valueSum sum of these events' values on the day, without cap; 0 if events have no value
 * @param newUsers users whose first exposure is on the day
 * @param newConverters users whose first counted event of the metric is on the day
 * @param dSum increment of sum(y)
 * @param dSumSq increment of sum(y²): 2Tv + v² for a total T before the day and v on it
 * @param dDenSum increment of sum(z)
 * @param dDenSumSq increment of sum(z²)
 * @param dNumDen increment of sum(yz): T·w + v·U + v·w for totals T, U before the day and v, w on
 *     it
 * @param dXSum sum of x of the day's new users
 * @param dXSumSq sum of x² of the day's new users
 * @param dXY increment of sum(xy): x·v
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
    BigInteger dSumSq,
    BigInteger dDenSum,
    BigInteger dDenSumSq,
    BigInteger dNumDen,
    BigInteger dXSum,
    BigInteger dXSumSq,
    BigInteger dXY) {

  public static final DailySums ZERO =
      new DailySums(0, 0, 0, 0, BigInteger.ZERO, 0, 0, BigInteger.ZERO, BigInteger.ZERO);

  /** Figures of a metric without denominator and covariate. */
  public DailySums(
      long exposures,
      long activeUsers,
      long convertingUsers,
      long events,
      BigInteger valueSum,
      long newUsers,
      long newConverters,
      BigInteger dSum,
      BigInteger dSumSq) {
    this(
        exposures,
        activeUsers,
        convertingUsers,
        events,
        valueSum,
        newUsers,
        newConverters,
        dSum,
        dSumSq,
        BigInteger.ZERO,
        BigInteger.ZERO,
        BigInteger.ZERO,
        BigInteger.ZERO,
        BigInteger.ZERO,
        BigInteger.ZERO);
  }

  /**
   * The sum of both.
   *
   * @throws ArithmeticException a count does not fit into 64 bits
   */
  public DailySums plus(DailySums other) {
    return new DailySums(
        Math.addExact(exposures, other.exposures),
        Math.addExact(activeUsers, other.activeUsers),
        Math.addExact(convertingUsers, other.convertingUsers),
        Math.addExact(events, other.events),
        valueSum.add(other.valueSum),
        Math.addExact(newUsers, other.newUsers),
        Math.addExact(newConverters, other.newConverters),
        dSum.add(other.dSum),
        dSumSq.add(other.dSumSq),
        dDenSum.add(other.dDenSum),
        dDenSumSq.add(other.dDenSumSq),
        dNumDen.add(other.dNumDen),
        dXSum.add(other.dXSum),
        dXSumSq.add(other.dXSumSq),
        dXY.add(other.dXY));
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
        dSumSq.negate(),
        dDenSum.negate(),
        dDenSumSq.negate(),
        dNumDen.negate(),
        dXSum.negate(),
        dXSumSq.negate(),
        dXY.negate());
  }

  public boolean isZero() {
    return equals(ZERO);
  }
}
