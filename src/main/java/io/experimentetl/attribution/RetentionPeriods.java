package io.experimentetl.attribution;

import io.experimentetl.config.SourceConfig;

/**
 * How long the source keeps facts. Retention may have deleted an older row at any time, with or
 * without a delete that the job has seen.
 */
record RetentionPeriods(long eventMicros, long assignmentMicros) {
  static RetentionPeriods of(SourceConfig source) {
    return new RetentionPeriods(
        source.eventRetention().toMillis() * 1000, source.assignmentRetention().toMillis() * 1000);
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
