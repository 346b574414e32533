package io.experimentetl.attribution;

import io.experimentetl.config.RetentionConfig;

/**
 * How long the source keeps facts. Retention may have deleted an older row at any time, with or
 * without a delete that the job has seen.
 */
record RetentionPeriods(long eventMicros, long assignmentMicros) {
  static RetentionPeriods of(RetentionConfig retention) {
    return new RetentionPeriods(
        retention.postgres().events().toMillis() * 1000,
        retention.postgres().assignments().toMillis() * 1000);
  }

  /**
   * Whether an event is older than its retention.
   *
   * @param occurredAt microseconds since 1970 in UTC
   * @param now the same, by the source's commit times
   */
  boolean isEventPast(long occurredAt, long now) {
    return now - occurredAt > eventMicros;
  }

  /** The same for an assignment. */
  boolean isAssignmentPast(long assignedAt, long now) {
    return now - assignedAt > assignmentMicros;
  }
}
