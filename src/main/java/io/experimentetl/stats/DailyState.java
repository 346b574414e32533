package io.experimentetl.stats;

import io.experimentetl.model.DailySums;

/**
 * The figures of a variant and metric on a day; a record of keyed state.
 *
 * @param closed the day ended longer ago than the allowed lateness
 * @param version of the row that was sent last
 */
public record DailyState(DailySums sums, boolean closed, long version) {}
