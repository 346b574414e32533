package io.experimentetl.attribution;

import io.experimentetl.model.Change;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourcePosition;

/**
 * Where a change came from; a record of keyed state.
 *
 * @param lsn of the change; 0: the snapshot
 * @param committedAt commit time, microseconds since 1970 in UTC
 * @param sequenceNumber the change's place in commit order
 * @param visibleBefore LSN up to which everything is visible while the change's row is pending
 */
public record Origin(long lsn, long committedAt, long sequenceNumber, long visibleBefore) {
  /** The origin of rows that a change of dimensions restates: they have no change of their own. */
  static final Origin NONE = new Origin(0, 0, 0, 0);

  static Origin of(Change change) {
    SourcePosition position = change.position();
    return new Origin(
        position.lsn(),
        position.committedAt(),
        change.sequenceNumber(),
        position.previousCommitLsn());
  }

  /** False: the snapshot read the row, so the time of its arrival is not known. */
  boolean fromStream() {
    return lsn != 0;
  }

  /** The change's place in commit order; 0: the snapshot read the row. */
  long sequenceInStream() {
    return fromStream() ? sequenceNumber : 0;
  }

  /** The version of the row as the source sent it. */
  RowVersion version() {
    return new RowVersion(lsn, committedAt, RowVersion.ofSequenceNumber(sequenceNumber), false, "");
  }

  /** The version of a row that the change deletes. */
  RowVersion tombstone(String reason) {
    return version().deletedBy(reason);
  }

  /** The version of a correction: see {@link RowVersionGenerator#correctionAfter}. */
  RowVersion corrected(long version) {
    return new RowVersion(lsn, committedAt, version, false, "");
  }
}
