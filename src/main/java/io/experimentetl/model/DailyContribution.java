package io.experimentetl.model;

/**
 * The increments of a day's figures from one subtask of {@code attribute} between two checkpoint
 * barriers.
 *
 * @param dayEndsAt end of the day in the experiment's zone: milliseconds since 1970 in UTC,
 *     exclusive
 */
public record DailyContribution(DailyKey key, DailySums sums, long dayEndsAt) {}
