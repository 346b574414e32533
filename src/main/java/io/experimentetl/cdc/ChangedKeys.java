package io.experimentetl.cdc;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Finds the deletes and inserts that together are one update of a key:
 *
 * <ul>
 *   <li>Debezium makes a delete and an insert of an update of the primary key. Both have the same
 *       position, and no other delete and insert of a table have.
 *   <li>PostgreSQL itself deletes and inserts a row that moves to another partition. Both have the
 *       row's id. The same holds for whoever deletes a row and inserts it again in one transaction.
 * </ul>
 *
 * <p>A delete is held until the next change, which in nearly all cases is its other half. Then it
 * is passed on, and remembered until its transaction ends, for an insert that comes later. At most
 * {@link #MAX_REMEMBERED} deletes are remembered; the oldest are forgotten and counted. Those
 * behind {@link #MAX_CHARACTERS} of values are remembered with the key only: the update that they
 * become is then one without a whole old row.
 */
final class ChangedKeys {
  /** Number of deletes of one transaction for which a later insert is recognised. */
  static final int MAX_REMEMBERED = 100_000;

  /** Length of all texts of the rows that are remembered with their values, in characters. */
  static final int MAX_CHARACTERS = 4_000_000;

  /**
   * A delete that may be the first half of an update; a record of operator state. The rows of the
   * other tables are null.
   *
   * @param passedOn false: the delete is held
   * @param whole false: of the row only the key is kept
   */
  public record FirstHalf(
      SourceTable table,
      ChangeKind kind,
      boolean passedOn,
      boolean whole,
      long sequenceNumber,
      SourcePosition position,
      UserRow user,
      AssignmentRow assignment,
      EventRow event) {

    private static FirstHalf of(Change delete, boolean passedOn, boolean withValues) {
      SourceRow row = withValues ? delete.before() : delete.before().ofDelete();
      return new FirstHalf(
          delete.table(),
          delete.kind() == ChangeKind.KEY_CHANGE ? ChangeKind.DELETE : delete.kind(),
          passedOn,
          withValues && delete.isBeforeWhole(),
          delete.sequenceNumber(),
          delete.position(),
          row instanceof UserRow user ? user : null,
          row instanceof AssignmentRow assignment ? assignment : null,
          row instanceof EventRow event ? event : null);
    }

    SourceRow row() {
      return switch (table) {
        case USERS -> user;
        case ASSIGNMENTS -> assignment;
        default -> event;
      };
    }

    /** The delete, as one without a second half. */
    Change delete() {
      return new Change(table, kind, sequenceNumber, position, row(), null, whole);
    }

    /** The update that it is together with the insert. */
    Change updateBy(Change insert) {
      return new Change(
          table,
          ChangeKind.UPDATE,
          insert.sequenceNumber(),
          insert.position(),
          row(),
          insert.after(),
          whole);
    }

    /** Length of the texts that are left out where only the key is kept. */
    private int characters() {
      if (event == null) {
        return assignment == null ? 0 : length(assignment.context());
      }
      return length(event.properties())
          + length(event.sessionId())
          + length(event.requestId())
          + length(event.deviceId());
    }

    private static int length(String text) {
      return text == null ? 0 : text.length();
    }
  }

  /** What identifies a row for ever. */
  private record RowId(SourceTable table, Object id) {}

  private final Map<RowId, FirstHalf> remembered = new LinkedHashMap<>();
  private FirstHalf held;
  private long characters;
  private long forgotten;

  /** Continues from {@link #state}. */
  ChangedKeys(Iterable<FirstHalf> restored) {
    for (FirstHalf half : restored) {
      if (half.passedOn()) {
        remembered.put(idOf(half.table(), half.row()), half);
        characters += half.characters();
      } else {
        held = half;
      }
    }
  }

  List<FirstHalf> state() {
    List<FirstHalf> state = new ArrayList<>(remembered.values());
    if (held != null) {
      state.add(held);
    }
    return state;
  }

  /** Number of deletes that were forgotten before their transaction ended. */
  long forgotten() {
    return forgotten;
  }

  /** Whether the change may be the first half of an update, and is held: nothing is passed on. */
  boolean hold(Change change) {
    boolean isFirstHalf =
        (change.kind() == ChangeKind.DELETE
                || change.kind() == ChangeKind.RETENTION_DELETE
                || change.kind() == ChangeKind.KEY_CHANGE)
            && (change.before() instanceof EventRow
                || change.before() instanceof AssignmentRow
                || change.before() instanceof UserRow);
    if (isFirstHalf) {
      held = FirstHalf.of(change, false, true);
    }
    return isFirstHalf;
  }

  /**
   * The first half that the change completes, or null. It is not held or remembered any more. Call
   * it before {@link #release}.
   */
  FirstHalf completedBy(Change change) {
    if (change.kind() != ChangeKind.INSERT || (held == null && remembered.isEmpty())) {
      return null;
    }
    RowId id = idOf(change.table(), change.after());
    if (held != null && isSecondHalf(held, change, id)) {
      FirstHalf first = held;
      held = null;
      return first;
    }
    FirstHalf first = id == null ? null : remembered.get(id);
    if (first != null && first.position().txId() == change.position().txId()) {
      remembered.remove(id);
      characters -= first.characters();
      return first;
    }
    return null;
  }

  private static boolean isSecondHalf(FirstHalf first, Change change, RowId id) {
    SourcePosition position = change.position();
    return first.table() == change.table()
        && first.position().txId() == position.txId()
        && (first.position().lsn() == position.lsn()
            || (id != null && id.equals(idOf(first.table(), first.row()))));
  }

  /**
   * Ends the hold of a delete, and forgets what another transaction has deleted.
   *
   * @param next the change that follows
   * @return the delete, which has no second half so far; null: none is held
   */
  Change release(SourcePosition next) {
    if (!remembered.isEmpty()
        && remembered.values().iterator().next().position().txId() != next.txId()) {
      clear();
    }
    if (held == null) {
      return null;
    }
    Change delete = held.delete();
    if (held.position().txId() == next.txId()) {
      remember(delete);
    }
    held = null;
    return delete;
  }

  /**
   * Ends the hold of a delete at its transaction's end, and forgets what the transaction deleted.
   *
   * @return the delete, which has no second half; null: none is held
   */
  Change endTransaction() {
    Change delete = held == null ? null : held.delete();
    held = null;
    clear();
    return delete;
  }

  private void remember(Change delete) {
    RowId id = idOf(delete.table(), delete.before());
    if (id == null) {
      return;
    }
    FirstHalf half = FirstHalf.of(delete, true, characters < MAX_CHARACTERS);
    characters += half.characters();
    FirstHalf same = remembered.put(id, half);
    characters -= same == null ? 0 : same.characters();
    if (remembered.size() > MAX_REMEMBERED) {
      Iterator<FirstHalf> oldest = remembered.values().iterator();
      characters -= oldest.next().characters();
      oldest.remove();
      forgotten++;
    }
  }

  private void clear() {
    remembered.clear();
    characters = 0;
  }

  /** Null for a user: a user whose row is deleted and inserted again was replaced. */
  private static RowId idOf(SourceTable table, SourceRow row) {
    if (row instanceof EventRow event) {
      return new RowId(table, event.id());
    }
    if (row instanceof AssignmentRow assignment) {
      return new RowId(table, assignment.id());
    }
    if (row instanceof UnreadableRow unreadable && unreadable.eventId() != null) {
      return new RowId(table, unreadable.eventId());
    }
    return null;
  }
}
