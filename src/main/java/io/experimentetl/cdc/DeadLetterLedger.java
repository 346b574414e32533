package io.experimentetl.cdc;

import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The rows that could not be delivered. The next readable change of such a row resolves its
 * finding. Above {@link #MAX_ROWS} rows the oldest are forgotten, and their findings stay open.
 */
final class DeadLetterLedger {
  /** Each takes 100 to 200 bytes. */
  static final int MAX_ROWS = 100_000;

  /**
   * A row that could not be delivered; a record of operator state.
   *
   * @param subject of the finding
   * @param code of the finding
   * @param since commit time of the first change that could not be delivered, microseconds since
   *     1970 in UTC
   */
  public record Row(Subject subject, FindingCode code, long since) {}

  private final Map<Subject, Row> rows = new LinkedHashMap<>();
  private long forgotten;

  DeadLetterLedger(Iterable<Row> restored) {
    restored.forEach(row -> rows.put(row.subject(), row));
  }

  List<Row> all() {
    return new ArrayList<>(rows.values());
  }

  int size() {
    return rows.size();
  }

  /** The number of rows that were forgotten since the start. */
  long forgotten() {
    return forgotten;
  }

  /** The row with this subject, or null. */
  Row of(Subject subject) {
    return rows.isEmpty() ? null : rows.get(subject);
  }

  void remove(Subject subject) {
    rows.remove(subject);
  }

  /** Adds the row. Returns the commit time since when it could not be delivered. */
  long add(Subject subject, FindingCode code, long committedAt) {
    Row before = rows.remove(subject);
    long since = before == null ? committedAt : before.since();
    rows.put(subject, new Row(subject, code, since));
    if (rows.size() > MAX_ROWS) {
      Iterator<Row> oldest = rows.values().iterator();
      oldest.next();
      oldest.remove();
      forgotten++;
    }
    return since;
  }
}
