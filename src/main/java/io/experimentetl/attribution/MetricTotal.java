package io.experimentetl.attribution;

import io.experimentetl.model.DailySums;
import java.math.BigInteger;

/**
 * One user's total of a metric over all days, by which a later day is counted.
 *
 * @param events counted events of the numerator
 * @param values sum of their values, in millionths, without cap
 * @param denominator in millionths
 * @param covariate in millionths, under the cap
 * @param converted an event of the numerator counted
 * @param lastDay the last day with a counted event, days since 1970; {@link Integer#MIN_VALUE}:
 *     none
 */
record MetricTotal(
    long events,
    BigInteger values,
    BigInteger denominator,
    BigInteger covariate,
    boolean converted,
    int lastDay) {
  static final MetricTotal ZERO =
      new MetricTotal(
          0, BigInteger.ZERO, BigInteger.ZERO, BigInteger.ZERO, false, Integer.MIN_VALUE);

  /** With the figures of a day added. */
  MetricTotal plus(DailySums sums, int day) {
    boolean counted =
        sums.convertingUsers() != 0 || sums.dDenSum().signum() != 0 || sums.events() != 0;
    return new MetricTotal(
        events + sums.events(),
        values.add(sums.valueSum()),
        denominator.add(sums.dDenSum()),
        covariate.add(sums.dXSum()),
        converted || sums.newConverters() > 0,
        counted ? Math.max(lastDay, day) : lastDay);
  }

  /** With the total of other days added. */
  MetricTotal plus(MetricTotal other) {
    return new MetricTotal(
        events + other.events,
        values.add(other.values),
        denominator.add(other.denominator),
        covariate.add(other.covariate),
        converted || other.converted,
        Math.max(lastDay, other.lastDay));
  }
}
