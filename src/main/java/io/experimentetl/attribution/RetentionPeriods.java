package io.experimentetl.attribution;

import io.experimentetl.config.JobConfig;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/**
 * How long the source keeps facts. Retention may have deleted an older row at any time, with or
 * without a delete that the job has seen.
 *
 * @param factMicros by the name of a table of metric events, where it has a retention of its own
 */
record RetentionPeriods(long eventMicros, long assignmentMicros, Map<String, Long> factMicros) {
  static RetentionPeriods of(JobConfig config) {
    return new RetentionPeriods(
        micros(config.retention().postgres().events()),
        micros(config.retention().postgres().assignments()),
        config.source().tables().retentionOfFacts().entrySet().stream()
            .collect(
                Collectors.toUnmodifiableMap(
                    Map.Entry::getKey, period -> micros(period.getValue()))));
  }

  private static long micros(Duration period) {
    return Math.multiplyExact(period.toMillis(), 1000L);
  }

  /**
   * Whether an event is older than its retention.
   *
   * @param occurredAt microseconds since 1970 in UTC
   * @param fact the name of its table of metric events; null: another table
   * @param now the same as occurredAt, by the source's commit times
   */
  boolean isEventPast(long occurredAt, String fact, long now) {
    return now - occurredAt > (fact == null ? eventMicros : ofFact(fact));
  }

  private long ofFact(String fact) {
    return factMicros.getOrDefault(fact, eventMicros);
  }

  /** Whether an event of any table is older than its retention. */
  boolean isAnyEventPast(long occurredAt, long now) {
    return now - occurredAt
        > LongStream.concat(
                LongStream.of(eventMicros), factMicros.values().stream().mapToLong(Long::longValue))
            .max()
            .getAsLong();
  }

  /** The same as {@link #isEventPast} for an assignment. */
  boolean isAssignmentPast(long assignedAt, long now) {
    return now - assignedAt > assignmentMicros;
  }
}
