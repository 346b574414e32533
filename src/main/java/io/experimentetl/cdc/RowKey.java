package io.experimentetl.cdc;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;

/** Compares the keys that a row has in the warehouse before and after an update. */
final class RowKey {
  private RowKey() {}

  /** Whether an update changes a column of the key that its row has in the warehouse. */
  static boolean changes(Change change) {
    SourceRow before = change.before();
    SourceRow after = change.after();
    if (before == null || before instanceof UnreadableRow) {
      return false;
    }
    if (after instanceof UnreadableRow unreadable) {
      return !Subject.row(change.table(), before).equals(unreadable.subject());
    }
    if (before instanceof EventRow b && after instanceof EventRow a) {
      return b.occurredAt() != a.occurredAt()
          || b.experimentId() != a.experimentId()
          || !b.id().equals(a.id())
          || !b.userId().equals(a.userId());
    }
    if (before instanceof AssignmentRow b && after instanceof AssignmentRow a) {
      return b.id() != a.id()
          || b.experimentId() != a.experimentId()
          || !b.userId().equals(a.userId());
    }
    if (before instanceof ReplicatedRow b && after instanceof ReplicatedRow a) {
      return !b.key().equals(a.key());
    }
    if (before instanceof UserRow b && after instanceof UserRow a) {
      return !b.userId().equals(a.userId());
    }
    if (before instanceof ExperimentRow b && after instanceof ExperimentRow a) {
      return b.id() != a.id();
    }
    return before instanceof VariantRow b && after instanceof VariantRow a && b.id() != a.id();
  }

  /** Whether an event or assignment changes its user and nothing else of its key. */
  static boolean changesUserOnly(SourceRow before, SourceRow after) {
    if (before instanceof EventRow b && after instanceof EventRow a) {
      return b.occurredAt() == a.occurredAt()
          && b.experimentId() == a.experimentId()
          && b.id().equals(a.id());
    }
    return before instanceof AssignmentRow b
        && after instanceof AssignmentRow a
        && b.id() == a.id()
        && b.experimentId() == a.experimentId();
  }

  /** The user of a fact or of the user's own row, or null. */
  static String userIdOf(SourceRow row) {
    if (row instanceof EventRow event) {
      return event.userId();
    }
    if (row instanceof AssignmentRow assignment) {
      return assignment.userId();
    }
    return row instanceof UserRow user ? user.userId() : null;
  }
}
