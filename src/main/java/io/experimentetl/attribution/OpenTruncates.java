package io.experimentetl.attribution;

import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.List;

/**
 * The truncates of the transaction that is being received. They are judged at its commit: rows that
 * the transaction writes behind a truncate are updates.
 */
final class OpenTruncates {
  private final List<Truncate> open = new ArrayList<>(0);

  /** Adds a truncate, once: it arrives for every key group. */
  void add(Truncate truncate) {
    if (!open.contains(truncate)) {
      open.add(truncate);
    }
  }

  boolean isEmpty() {
    return open.isEmpty();
  }

  /** All, in the order of the transaction. */
  List<Truncate> all() {
    return List.copyOf(open);
  }

  void clear() {
    open.clear();
  }

  /** The last truncate of the table; null: there is none. */
  Truncate lastOf(SourceTable table) {
    Truncate last = null;
    for (Truncate truncate : open) {
      if (truncate.table() == table) {
        last = truncate;
      }
    }
    return last;
  }

  /** The mark of a row that the source wrote in this change. */
  byte markOf(SourceTable table, Origin origin) {
    return FactMark.written(countBefore(table, origin.sequenceNumber()));
  }

  /** The mark of a row that the source wrote again in this change. */
  byte markAgain(SourceTable table, Origin origin, byte before) {
    return FactMark.writtenAgain(before, countBefore(table, origin.sequenceNumber()));
  }

  /** Whether a row with this mark was written before the last truncate of its table. */
  boolean removes(SourceTable table, byte mark) {
    return FactMark.truncatesBefore(mark) < countBefore(table, Long.MAX_VALUE);
  }

  private int countBefore(SourceTable table, long sequenceNumber) {
    int count = 0;
    for (Truncate truncate : open) {
      if (truncate.table() == table && truncate.origin().sequenceNumber() < sequenceNumber) {
        count++;
      }
    }
    return Math.min(count, FactMark.MAX_TRUNCATES);
  }
}
