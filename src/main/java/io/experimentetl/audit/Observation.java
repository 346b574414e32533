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
 * @param offset by how much the sides differ, where they are figures: the same at every fence
 *     although the figures themselves move, it is a difference too
 * @param weight how much it proves by itself
 * @param kind in which way the sides differ
 */
record Observation(
    String table,
    int day,
    String subject,
    String problem,
    String evidence,
    String offset,
    Weight weight,
    Kind kind) {

  enum Weight {
    /** Nothing: ClickHouse's row is newer than the snapshot. */
    MOVING,
    /** Something, if it is still so at the next fence. */
    SUSPECT,
    /** All: nothing in flight explains it. */
    CERTAIN
  }

  enum Kind {
    /** A row that is missing in ClickHouse. */
    MISSING,
    /** A row that only ClickHouse has. */
    EXTRA,
    /** A row that ClickHouse has more than once. */
    REPEATED,
    /** A row whose columns differ. */
    DIFFERENT,
    /** Statistics that differ. */
    FIGURES
  }

  /** For rows: there is nothing that could be more or less. */
  static final String NO_OFFSET = "";

  private static final String CHANGING = "changing";

  /** The same as before at another fence, or not. */
  Observation after(Observation before) {
    return offset.equals(before.offset)
        ? this
        : new Observation(table, day, subject, problem, evidence, CHANGING, weight, kind);
  }

  /** The same, in other words. */
  Observation saying(String words) {
    return new Observation(table, day, subject, words, evidence, offset, weight, kind);
  }

  boolean hasSteadyOffset() {
    return !offset.equals(CHANGING);
  }

  /** The same at the next fence. */
  String identity() {
    return table + " " + subject;
  }

  String place() {
    return day == AuditedTable.NO_DAY ? table : table + " " + LocalDate.ofEpochDay(day);
  }
}
