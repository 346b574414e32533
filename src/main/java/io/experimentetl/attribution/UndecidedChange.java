package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UserRow;

/**
 * A change that awaits its transaction's end; a record of keyed state. The rows of the other tables
 * are null.
 *
 * @param beforeWhole see {@link Change#isBeforeWhole}
 */
public record UndecidedChange(
    SourceTable table,
    ChangeKind kind,
    long sequenceNumber,
    SourcePosition position,
    UserRow userBefore,
    UserRow userAfter,
    AssignmentRow assignmentBefore,
    AssignmentRow assignmentAfter,
    EventRow eventBefore,
    EventRow eventAfter,
    boolean beforeWhole) {

  /** A checkpoint holds all of a transaction's deletes: they are without the row's contents. */
  static UndecidedChange of(Change change) {
    SourceRow before = change.kind().isDelete() ? change.before().ofDelete() : change.before();
    SourceRow after = change.after();
    return new UndecidedChange(
        change.table(),
        change.kind(),
        change.sequenceNumber(),
        change.position(),
        before instanceof UserRow row ? row : null,
        after instanceof UserRow row ? row : null,
        before instanceof AssignmentRow row ? row : null,
        after instanceof AssignmentRow row ? row : null,
        before instanceof EventRow row ? row : null,
        after instanceof EventRow row ? row : null,
        change.isBeforeWhole());
  }

  Change change() {
    return switch (table) {
      case USERS -> with(userBefore, userAfter);
      case ASSIGNMENTS -> with(assignmentBefore, assignmentAfter);
      default -> with(eventBefore, eventAfter);
    };
  }

  private Change with(SourceRow before, SourceRow after) {
    return new Change(table, kind, sequenceNumber, position, before, after, beforeWhole);
  }
}
