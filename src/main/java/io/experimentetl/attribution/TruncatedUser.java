package io.experimentetl.attribution;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UserRow;

/** A user whose row a truncate of {@code users} has deleted. */
public record TruncatedUser(UserRow row, Origin truncate) {

  /** The delete of the row. It has the position of the truncate. */
  public Change delete() {
    return new Change(
        SourceTable.USERS,
        ChangeKind.DELETE,
        truncate.sequenceNumber(),
        new SourcePosition(truncate.visibleBefore(), truncate.lsn(), 0, 0, truncate.committedAt()),
        row,
        null);
  }
}
