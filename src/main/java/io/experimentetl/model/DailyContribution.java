package io.experimentetl.model;

/** What a subtask of {@code attribute} adds to a day's figures between two checkpoint barriers. */
public record DailyContribution(DailyKey key, DailySums sums) {}
