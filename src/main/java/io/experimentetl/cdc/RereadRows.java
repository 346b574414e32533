package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Rows that are read again beside the stream, until they are in it. Versions stay right by three
 * rules:
 *
 * <ul>
 *   <li>The rows are watched in the stream from a moment before they are read.
 *   <li>They are sent when the stream has passed the LSN up to which the read saw everything. A
 *       change that the read saw is then before them, and has a lower version.
 *   <li>A row that the stream changed meanwhile is not sent: the stream's row may be newer. If it
 *       still differs, the next comparison finds it.
 * </ul>
 */
final class RereadRows {
  private final SourceTable table;
  private final Set<String> watched;
  private final Set<String> changed = new HashSet<>();
  private boolean truncated;
  private Read read;

  /**
   * The rows as the source had them.
   *
   * @param changes the changes that bring them
   * @param lsn everything that the read saw was committed up to here
   */
  record Read(List<Change> changes, long lsn) {}

  /**
   * Begins to watch the rows.
   *
   * @param keys their primary keys, see {@link TableComparison#keyOf}
   */
  RereadRows(SourceTable table, Set<String> keys) {
    this.table = table;
    this.watched = new HashSet<>(keys);
  }

  /** Notes a change that arrived from the stream, whatever its table. */
  void observe(Change change) {
    if (change.table() != table || change.position().lsn() == 0) {
      return;
    }
    truncated |= change.kind() == ChangeKind.TRUNCATE;
    observe(change.before());
    observe(change.after());
  }

  /** Variants get the number of the warehouse only behind the stream, and are few. */
  private void observe(SourceRow row) {
    String key = row == null ? null : TableComparison.keyOf(table, row);
    if (key != null && (table == SourceTable.VARIANTS || watched.contains(key))) {
      changed.add(key);
    }
  }

  /** The rows have been read. */
  void read(Read rows) {
    read = rows;
  }

  /** Whether the rows can be sent, once the stream has passed the LSN. */
  boolean isReady(long passedLsn) {
    return read != null && passedLsn >= read.lsn();
  }

  /** The changes of the rows that the stream did not change meanwhile. */
  List<Change> unchangedMeanwhile() {
    List<Change> unchanged = new ArrayList<>();
    for (Change change : read.changes()) {
      String key =
          TableComparison.keyOf(table, change.after() == null ? change.before() : change.after());
      if (!truncated && !changed.contains(key)) {
        unchanged.add(change);
      }
    }
    return unchanged;
  }
}
