package io.experimentetl.attribution;

/**
 * What is left of one user's facts in one experiment when they have settled: by it they are found
 * in ClickHouse again, and known to be the same; a record of keyed state. It is of one size,
 * however many facts there were.
 *
 * @param bound the version up to which the facts' rows count: see {@link
 *     io.experimentetl.model.RowVersion}
 * @param events how many there were
 * @param assignments how many there were
 * @param checksum over the rows, in no order. Versions are not in it: a correction of a row may
 *     become visible after its facts have settled, and it says the same of them
 * @param lost when the facts were needed, ClickHouse did not have them: they are not asked for
 *     again, since rows that were written in between are not among them
 */
public record EvictionSummary(
    long experimentId, long bound, int events, int assignments, long checksum, boolean lost) {

  EvictionSummary asLost() {
    return new EvictionSummary(experimentId, bound, events, assignments, checksum, true);
  }
}
