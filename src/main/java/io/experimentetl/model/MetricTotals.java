package io.experimentetl.model;

import java.math.BigInteger;

/**
 * Additive figures of one metric in one variant, over all days: a difference, or the total.
 *
 * @param converters users with a counted event
 * @param events counted events (for a ratio: of its numerator)
 * @param sum sum(y) of {@link DailySums}, in units of 10^-6
 * @param sumSq sum(y²), in units of 10^-12
 */
public record MetricTotals(long converters, long events, BigInteger sum, BigInteger sumSq) {

  public static final MetricTotals ZERO = new MetricTotals(0, 0, BigInteger.ZERO, BigInteger.ZERO);

  /** The increments of one day. */
  public static MetricTotals of(DailySums day) {
    return new MetricTotals(day.newConverters(), day.events(), day.dSum(), day.dSumSq());
  }

  public MetricTotals plus(MetricTotals other) {
    return new MetricTotals(
        Math.addExact(converters, other.converters),
        Math.addExact(events, other.events),
        sum.add(other.sum),
        sumSq.add(other.sumSq));
  }

  public boolean isZero() {
    return equals(ZERO);
  }
}
