package io.experimentetl.audit;

/**
 * A part of a table that is compared by count and hash before its rows are.
 *
 * @param day days since 1970-01-01 in UTC, or {@link AuditedTable#NO_DAY}
 * @param bucket of the row's key
 */
record Segment(int day, String bucket) implements Comparable<Segment> {
  @Override
  public int compareTo(Segment other) {
    int byDay = Integer.compare(day, other.day);
    return byDay != 0 ? byDay : bucket.compareTo(other.bucket);
  }
}
