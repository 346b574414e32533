package io.experimentetl.audit;

import java.util.Comparator;

/**
 * One row of the daily statistics.
 *
 * @param day days since 1970-01-01 in the experiment's zone
 */
record StatisticsCell(long experimentId, String metric, long variantId, int day)
    implements Comparable<StatisticsCell> {
  private static final Comparator<StatisticsCell> ORDER =
      Comparator.comparingLong(StatisticsCell::experimentId)
          .thenComparing(StatisticsCell::metric)
          .thenComparingInt(StatisticsCell::day)
          .thenComparingLong(StatisticsCell::variantId);

  @Override
  public int compareTo(StatisticsCell other) {
    return ORDER.compare(this, other);
  }
}
