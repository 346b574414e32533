package io.experimentetl.attribution;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricKind;
import io.experimentetl.model.DailySums;
import io.experimentetl.quality.PropertyValue;
import java.math.BigInteger;

/**
 * One user's running totals of one metric, day by day. For each day it computes the increments of
 * the sums over all users. Values are in millionths, products in millionths of millionths.
 */
final class UserTotals {
  private static final BigInteger ONE = BigInteger.valueOf(PropertyValue.ONE);

  private final boolean hasValues;
  private final BigInteger limit;
  private final BigInteger covariate;

  /** Before the cap is applied. */
  private BigInteger numerator;

  private BigInteger denominator;

  private UserTotals(
      MetricConfig metric, BigInteger numerator, BigInteger denominator, BigInteger covariate) {
    this.hasValues = metric.property() != null;
    this.limit = limit(metric);
    this.numerator = numerator;
    this.denominator = denominator;
    this.covariate = covariate;
  }

  /**
   * The totals before the first day.
   *
   * @param before the total of the covariate's period, without cap
   */
  static UserTotals before(MetricConfig metric, BigInteger before) {
    return new UserTotals(metric, BigInteger.ZERO, BigInteger.ZERO, limited(before, limit(metric)));
  }

  /**
   * The totals after days whose figures are known.
   *
   * @param total of these days
   */
  static UserTotals after(MetricConfig metric, MetricTotal total) {
    BigInteger numerator =
        metric.property() == null
            ? BigInteger.valueOf(total.events()).multiply(BigInteger.valueOf(PropertyValue.ONE))
            : total.values();
    return new UserTotals(metric, numerator, total.denominator(), total.covariate());
  }

  /** A proportion is a count that is capped at one event. */
  private static BigInteger limit(MetricConfig metric) {
    if (metric.kind() == MetricKind.PROPORTION) {
      return ONE;
    }
    return metric.cap() == null ? null : metric.cap().movePointRight(6).toBigIntegerExact();
  }

  private static BigInteger limited(BigInteger total, BigInteger limit) {
    return limit == null ? total : total.min(limit);
  }

  /** The increments that the first exposure itself adds to its day. */
  DailySums entry() {
    return new DailySums(
        0,
        0,
        0,
        0,
        BigInteger.ZERO,
        1,
        0,
        BigInteger.ZERO,
        BigInteger.ZERO,
        BigInteger.ZERO,
        BigInteger.ZERO,
        BigInteger.ZERO,
        covariate,
        covariate.multiply(covariate),
        BigInteger.ZERO);
  }

  /**
   * Adds a day's amounts to the totals, and returns the increments of that day.
   *
   * @param activity the counts of the day
   */
  DailySums add(DailySums activity, BigInteger toNumerator, BigInteger toDenominator) {
    BigInteger y = limited(numerator, limit);
    BigInteger z = denominator;
    numerator = numerator.add(toNumerator);
    denominator = z.add(toDenominator);
    BigInteger v = limited(numerator, limit).subtract(y);
    return new DailySums(
        activity.exposures(),
        activity.activeUsers(),
        activity.convertingUsers(),
        activity.events(),
        hasValues ? toNumerator : BigInteger.ZERO,
        activity.newUsers(),
        activity.newConverters(),
        v,
        y.shiftLeft(1).add(v).multiply(v),
        toDenominator,
        z.shiftLeft(1).add(toDenominator).multiply(toDenominator),
        y.multiply(toDenominator).add(v.multiply(denominator)),
        BigInteger.ZERO,
        BigInteger.ZERO,
        covariate.multiply(v));
  }
}
