package io.experimentetl.model;

/**
 * A row of {@code experiment_daily_stats}.
 *
 * @param kind of the metric: proportion, mean, count, ratio
 * @param closed the day has ended by more than the allowed lateness; a later change still restates
 *     it
 */
public record DailyStats(
    DailyKey key, String kind, DailySums sums, boolean closed, RowVersion version) {}
