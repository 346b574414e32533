package io.experimentetl.audit;

import java.time.LocalDate;

/**
 * A disagreement at one fence.
 *
 * @param table PostgreSQL's name of it, or {@link StatisticsComparison#PLACE}
 * @param day days since 1970-01-01 in UTC, or {@link AuditedTable#NO_DAY}
 * @param subject the row or cell, with its key
 * @param problem a text that continues the subject
 * @param evidence the row versions or the figures of all sides. Equal evidence at the next fence
 *     makes the observation a difference
 * @param offset for figures the difference between the sides. An equal offset at every fence makes
 *     the observation a difference, even if the figures change
 * @param weight how much the observation proves by itself
 * @param kind how the sides differ
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
    /** It proves nothing: ClickHouse's row is newer than the snapshot. */
    MOVING,
    /** It proves a difference if it is unchanged at the next fence. */
    SUSPECT,
    /** It proves a difference: no delivery in flight explains it. */
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

  /** The offset of rows, which have no figures. */
  static final String NO_OFFSET = "";

  private static final String CHANGING = "changing";

  /** This observation, its offset marked as changing if it was another at the fence before. */
  Observation after(Observation before) {
    return offset.equals(before.offset)
        ? this
        : new Observation(table, day, subject, problem, evidence, CHANGING, weight, kind);
  }

  /** The same observation with another problem text. */
  Observation withProblem(String words) {
    return new Observation(table, day, subject, words, evidence, offset, weight, kind);
  }

  boolean hasSteadyOffset() {
    return !offset.equals(CHANGING);
  }

  /** Identifies the observation across fences. */
  String identity() {
    return table + " " + subject;
  }

  String place() {
    return day == AuditedTable.NO_DAY ? table : table + " " + LocalDate.ofEpochDay(day);
  }
}
