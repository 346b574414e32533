package io.experimentetl.model;

/**
 * What a subtask of {@code attribute} adds to a day's figures between two checkpoint barriers.
 *
 * @param dayEndsAt end of the day in the experiment's zone: milliseconds since 1970 in UTC,
 *     exclusive
 */
public record DailyContribution(DailyKey key, DailySums sums, long dayEndsAt) {}
