package io.experimentetl.cdc;

import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Rows that could not be delivered, until they are: so that the finding about a row closes with its
 * next state, and says since when. Of more than {@link #MOST} at a time the oldest are forgotten:
 * their findings stay open.
 */
final class DeadLetterLedger {
  /** A hundred bytes or two each. */
  static final int MOST = 100_000;

  /**
   * A row that could not be delivered; a record of operator state.
   *
   * @param subject the finding's
   * @param code the finding's
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

  /** How many were forgotten since the start. */
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

  /** Takes note of a row that can't be delivered and says since when that is so. */
  long add(Subject subject, FindingCode code, long committedAt) {
    Row before = rows.remove(subject);
    long since = before == null ? committedAt : before.since();
    rows.put(subject, new Row(subject, code, since));
    if (rows.size() > MOST) {
      Iterator<Row> oldest = rows.values().iterator();
      oldest.next();
      oldest.remove();
      forgotten++;
    }
    return since;
  }
}
