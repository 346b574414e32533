package io.experimentetl.stats;

import io.experimentetl.model.ExperimentRow;

/**
 * When an experiment runs; a record of broadcast state. Times are microseconds since 1970 in UTC.
 *
 * @param key the platform's text for it
 * @param status the platform's enum as text; it may be unknown to the product
 * @param zone IANA zone of the experiment's days
 * @param startsAt inclusive; null: open
 * @param endsAt inclusive; null: open
 * @param updatedAt the column {@code updated_at}
 */
public record ExperimentRun(
    String key, String status, String zone, Long startsAt, Long endsAt, long updatedAt) {

  static ExperimentRun of(ExperimentRow row, String defaultZone) {
    return new ExperimentRun(
        row.key(),
        row.status(),
        row.zone(defaultZone),
        row.startsAt(),
        row.endsAt(),
        row.updatedAt());
  }

  boolean isActive() {
    return status.equals("ACTIVE");
  }

  boolean isRunningAt(long micros) {
    return (startsAt == null || micros >= startsAt) && (endsAt == null || micros <= endsAt);
  }

  /** A time from which on it had its present dates and status. */
  long runningSince() {
    return startsAt == null ? updatedAt : Math.max(startsAt, updatedAt);
  }
}
