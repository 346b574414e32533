package io.experimentetl.audit;

import java.time.LocalDate;

/**
 * Something that did not agree at one fence.
 *
 * @param table PostgreSQL's name of it, or {@link StatisticsComparison#PLACE}
 * @param day days since 1970-01-01 in UTC, or {@link AuditedTable#NO_DAY}
 * @param subject what it is about, with its key
 * @param problem in words, continuing the subject
 * @param evidence what it was seen by: the row versions or the figures of all sides. Seen by the
 *     same evidence at the next fence, it is a difference
 * @param weight how much it says by itself
 */
record Observation(
    String table, int day, String subject, String problem, String evidence, Weight weight) {

  enum Weight {
    /** Nothing: ClickHouse's row is newer than the snapshot. */
    MOVING,
    /** Something, if it is still so at the next fence. */
    SUSPECT,
    /** All: nothing in flight explains it. */
    CERTAIN
  }

  /** The same at the next fence. */
  String identity() {
    return table + " " + subject;
  }

  String place() {
    return day == AuditedTable.NO_DAY ? table : table + " " + LocalDate.ofEpochDay(day);
  }
}
