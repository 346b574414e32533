package io.experimentetl.model;

import java.math.BigInteger;

/**
 * Figures of one metric in one variant, over all days: a difference, or the total.
 *
 * @param users users in the variant
 * @param converters users with a counted event
 * @param events counted events (for a ratio: of its numerator)
 * @param sum sum(y) of {@link DailySums}, in units of 10^-6
 * @param sumSq sum(y²), in units of 10^-12
 * @param greatest the users with the greatest y
 */
public record MetricTotals(
    long users,
    long converters,
    long events,
    BigInteger sum,
    BigInteger sumSq,
    GreatestTotals greatest) {

  public static final MetricTotals ZERO =
      new MetricTotals(0, 0, 0, BigInteger.ZERO, BigInteger.ZERO, GreatestTotals.NONE);

  /** The increments of one day. */
  public static MetricTotals of(DailySums day) {
    return new MetricTotals(
        day.newUsers(),
        day.newConverters(),
        day.events(),
        day.dSum(),
        day.dSumSq(),
        GreatestTotals.NONE);
  }

  public MetricTotals plus(MetricTotals other) {
    return new MetricTotals(
        Math.addExact(users, other.users),
        Math.addExact(converters, other.converters),
        Math.addExact(events, other.events),
        sum.add(other.sum),
        sumSq.add(other.sumSq),
        greatest.plus(other.greatest));
  }

  public MetricTotals with(GreatestTotals changed) {
    return new MetricTotals(users, converters, events, sum, sumSq, changed);
  }

  public boolean isZero() {
    return users == 0
        && converters == 0
        && events == 0
        && sum.signum() == 0
        && sumSq.signum() == 0
        && greatest.isEmpty();
  }
}
