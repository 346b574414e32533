package io.experimentetl.model;

/**
 * The key of a row of {@code experiment_daily_stats}.
 *
 * @param dayEpoch days since 1970-01-01 in the experiment's zone
 */
public record DailyKey(long experimentId, long variantId, String metric, int dayEpoch) {

  /**
   * Written by hand: it is called for every counted event, and a record's generated method is
   * several times slower.
   */
  @Override
  public boolean equals(Object other) {
    return other instanceof DailyKey that
        && dayEpoch == that.dayEpoch
        && variantId == that.variantId
        && experimentId == that.experimentId
        && metric.equals(that.metric);
  }

  @Override
  public int hashCode() {
    return ((Long.hashCode(experimentId) * 31 + Long.hashCode(variantId)) * 31 + dayEpoch) * 31
        + metric.hashCode();
  }
}
