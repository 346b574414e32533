package io.experimentetl.stats;

import io.experimentetl.model.DailySums;

/**
 * A day's figures; a record of keyed state.
 *
 * @param closed the day ended longer ago than the allowed lateness
 * @param version of the row that was sent last
 */
public record DailyState(DailySums sums, boolean closed, long version) {}
