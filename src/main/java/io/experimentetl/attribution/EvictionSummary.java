package io.experimentetl.attribution;

/**
 * The summary of one user's evicted facts in one experiment; a record of keyed state. By it the
 * facts are found in ClickHouse again, and known to be the same. Its size does not depend on the
 * number of facts.
 *
 * @param bound the version up to which the facts' rows count: see {@link
 *     io.experimentetl.model.RowVersion}
 * @param events number of events
 * @param assignments number of assignments
 * @param checksum over the rows, in any order. It does not cover their versions: a correction of a
 *     row may become visible after the eviction, and does not change the facts
 * @param earliest the earliest time in a fact, microseconds since 1970 in UTC: by it and the latest
 *     one the facts are found in the archive
 * @param latest the latest time in a fact, microseconds since 1970 in UTC
 * @param lost ClickHouse did not have the facts when they were needed. They are never read again,
 *     because rows that were delivered since then would be missing
 * @param formerId the id under which the rows stand, if the user was renamed since; null: the
 *     user's id
 * @param countedBy the version of the dimensions by which the facts were counted
 */
public record EvictionSummary(
    long experimentId,
    long bound,
    int events,
    int assignments,
    long checksum,
    long earliest,
    long latest,
    boolean lost,
    String formerId,
    long countedBy) {

  static EvictionSummary of(ExperimentFacts facts, long bound, long countedBy) {
    return new EvictionSummary(
        facts.experimentId,
        bound,
        facts.events.size(),
        facts.assignments().size(),
        facts.checksum(),
        facts.earliest(),
        facts.latest(),
        false,
        null,
        countedBy);
  }

  EvictionSummary asLost() {
    return with(true, formerId);
  }

  EvictionSummary under(String otherId) {
    return with(lost, otherId);
  }

  private EvictionSummary with(boolean isLost, String otherId) {
    return new EvictionSummary(
        experimentId,
        bound,
        events,
        assignments,
        checksum,
        earliest,
        latest,
        isLost,
        otherId,
        countedBy);
  }
}
