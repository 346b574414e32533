package io.experimentetl.model;

import java.math.BigInteger;

/**
 * Additive figures of one metric in one variant, over all days: a difference, or the total.
 *
 * @param converters users with a counted event
 * @param events counted events (of a ratio: of its numerator)
 * @param sum sum(y) of {@link DailySums}, in millionths
 * @param sumSq sum(y²), in millionths of millionths
 */
public record MetricTotals(long converters, long events, BigInteger sum, BigInteger sumSq) {

  public static final MetricTotals ZERO = new MetricTotals(0, 0, BigInteger.ZERO, BigInteger.ZERO);

  /** What a day adds. */
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
