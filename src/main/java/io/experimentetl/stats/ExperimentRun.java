package io.experimentetl.stats;

import io.experimentetl.model.ExperimentRow;
import java.util.Objects;

/**
 * When an experiment runs; a record of broadcast state. Times are microseconds since 1970 in UTC.
 *
 * @param key the platform's text for it
 * @param status the platform's enum as text; it may be unknown to the product
 * @param zone IANA zone of the experiment's days
 * @param startsAt inclusive; null: open
 * @param endsAt inclusive; null: open
 * @param changedAt commit time of the change that gave it its status and dates; for a row of the
 *     initial snapshot the time at which it was read
 */
public record ExperimentRun(
    String key, String status, String zone, Long startsAt, Long endsAt, long changedAt) {

  /**
   * The run of a row.
   *
   * @param committedAt commit time of the row's change
   * @param before the run before the change, or null
   */
  static ExperimentRun of(
      ExperimentRow row, String defaultZone, long committedAt, ExperimentRun before) {
    boolean same =
        before != null
            && before.status.equals(row.status())
            && Objects.equals(before.startsAt, row.startsAt())
            && Objects.equals(before.endsAt, row.endsAt());
    return new ExperimentRun(
        row.key(),
        row.status(),
        row.zone(defaultZone),
        row.startsAt(),
        row.endsAt(),
        same ? before.changedAt : committedAt);
  }

  boolean isActive() {
    return status.equals("ACTIVE");
  }

  boolean isRunningAt(long micros) {
    return (startsAt == null || micros >= startsAt) && (endsAt == null || micros <= endsAt);
  }

  /** A time from which on it had its present dates and status. */
  long runningSince() {
    return startsAt == null ? changedAt : Math.max(startsAt, changedAt);
  }
}
