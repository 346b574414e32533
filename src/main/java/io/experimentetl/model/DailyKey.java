package io.experimentetl.model;

/**
 * The key of a row of {@code experiment_daily_stats}.
 *
 * @param dayEpoch days since 1970-01-01 in the experiment's zone
 */
public record DailyKey(long experimentId, long variantId, String metric, int dayEpoch) {}
