package io.experimentetl.cdc;

import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import java.io.IOException;
import java.io.Serializable;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Compares a table of PostgreSQL with the warehouse at a fence: at an LSN up to which everything is
 * visible. Rows that only retention explains are no difference.
 */
public interface TableComparison extends Serializable {

  /**
   * A row in which the two differ.
   *
   * @param key its primary key, see {@link #keyOf}
   * @param inWarehouse the warehouse's rows of this key; empty: it has none
   */
  record DifferingRow(String key, List<SourceRow> inWarehouse) {}

  /**
   * What a comparison found.
   *
   * @param lsn the fence
   * @param missing number of rows that only PostgreSQL has
   * @param extra number of rows that only the warehouse has
   * @param different number of rows whose columns differ
   * @param rows the differing rows, not necessarily all of them
   */
  record Result(long lsn, long missing, long extra, long different, List<DifferingRow> rows) {

    boolean isEqual() {
      return missing + extra + different == 0;
    }

    /** The number of differing rows. */
    long differing() {
      return missing + extra + different;
    }

    /** This result and that of other rows of the table. */
    Result plus(Result other) {
      return new Result(
          Math.max(lsn, other.lsn),
          missing + other.missing,
          extra + other.extra,
          different + other.different,
          Stream.concat(rows.stream(), other.rows.stream()).toList());
    }
  }

  /**
   * The primary key of a row, as {@link DifferingRow#key} writes it: the warehouse's id; of an
   * event the source's own id, with its entry if that is not {@code events}, and its time in
   * microseconds.
   */
  static String keyOf(SourceTable table, SourceRow row) {
    Subject subject = Subject.row(table, row);
    EventId id =
        row instanceof EventRow event
            ? event.id()
            : row instanceof UnreadableRow unreadable ? unreadable.eventId() : null;
    return id == null
        ? subject.key()
        : subject.keyWithId(id.sourceId() == null ? id.toString() : id.sourceId());
  }

  /** Whether the warehouse holds the table's rows. */
  boolean covers(SourceTable table);

  /**
   * Compares the table's rows.
   *
   * @param days only rows of these days; empty: all rows
   * @throws IOException the two cannot be compared now, with the reason
   */
  Result compare(SourceTable table, Optional<DayRange> days) throws IOException;

  /**
   * The subjects of the open findings that say that these rows were deleted.
   *
   * @param keys of rows that were in the source again when they were compared
   * @throws IOException the warehouse cannot be read now, with the reason
   */
  List<Subject> deletesReported(SourceTable table, Set<String> keys) throws IOException;
}
