package io.experimentetl.replicate;

import io.experimentetl.model.Change;

/**
 * How many more rows lack the reference of a lookup than before.
 *
 * @param lookup see {@link io.experimentetl.mapping.ReplicatedTable#idOf}
 * @param rows negative: fewer
 * @param example the key of one of them; null: none came
 * @param sequenceNumber the greatest of their changes
 * @param lsn of that change
 * @param committedAt of that change, microseconds since 1970 in UTC
 */
public record LookupMisses(
    String lookup, long rows, String example, long sequenceNumber, long lsn, long committedAt) {

  static LookupMisses of(String lookup, boolean more, String row, Change change) {
    return new LookupMisses(
        lookup,
        more ? 1 : -1,
        more ? row : null,
        change.sequenceNumber(),
        change.position().lsn(),
        change.position().committedAt());
  }

  /** Both together; they are of the same lookup. */
  LookupMisses plus(LookupMisses other) {
    LookupMisses last = other.sequenceNumber > sequenceNumber ? other : this;
    return new LookupMisses(
        lookup,
        rows + other.rows,
        other.example == null ? example : other.example,
        last.sequenceNumber,
        last.lsn,
        last.committedAt);
  }
}
