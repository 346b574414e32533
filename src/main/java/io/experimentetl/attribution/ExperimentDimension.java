package io.experimentetl.attribution;

import io.experimentetl.model.ExperimentRow;
import java.util.Arrays;
import java.util.Objects;

/**
 * An experiment as the join needs it; a record of broadcast state.
 *
 * @param zone IANA zone of the experiment's days
 * @param startsAt microseconds since 1970 in UTC, inclusive; null: open
 * @param endsAt microseconds since 1970 in UTC, inclusive; null: open
 * @param version of the experiment at the source; 0: not known
 * @param statuses the latest ones, oldest first
 */
public record ExperimentDimension(
    long id,
    String key,
    String name,
    String zone,
    Long startsAt,
    Long endsAt,
    int version,
    KnownStatus[] statuses) {

  /** The statuses of an experiment whose status is unknown. */
  static final KnownStatus[] NO_STATUSES = {};

  private static final String ACTIVE = "ACTIVE";

  /** Events before the oldest of them are not judged by status. */
  private static final int STATUSES_KEPT = 16;

  /**
   * The experiment's zone is {@code config.zone} where that names a zone, else the default.
   *
   * @param before the experiment before this change; null: it was not known
   * @param committedAt of the row's change, microseconds since 1970 in UTC
   */
  public static ExperimentDimension of(
      ExperimentRow row, String defaultZone, ExperimentDimension before, long committedAt) {
    return new ExperimentDimension(
        row.id(),
        row.key(),
        row.name(),
        row.zone(defaultZone),
        row.startsAt(),
        row.endsAt(),
        row.version(),
        statuses(before == null ? NO_STATUSES : before.statuses(), row.status(), committedAt));
  }

  private static KnownStatus[] statuses(KnownStatus[] before, String status, long committedAt) {
    if (before.length == 0) {
      return new KnownStatus[] {new KnownStatus(committedAt, status)};
    }
    KnownStatus last = before[before.length - 1];
    if (last.status().equals(status)) {
      return before;
    }
    int from = Math.max(0, before.length + 1 - STATUSES_KEPT);
    KnownStatus[] statuses = Arrays.copyOfRange(before, from, before.length + 1);
    statuses[statuses.length - 1] = new KnownStatus(Math.max(committedAt, last.since()), status);
    return statuses;
  }

  boolean isRunningAt(long micros) {
    return (startsAt == null || micros >= startsAt) && (endsAt == null || micros <= endsAt);
  }

  /** Whether the experiment was active at that time, or its status then is not known. */
  boolean isActiveAt(long micros) {
    for (int i = statuses.length - 1; i >= 0; i--) {
      if (statuses[i].since() <= micros) {
        return statuses[i].status().equals(ACTIVE);
      }
    }
    return true;
  }

  /** Whether the two count the same facts on the same days. */
  boolean countsLike(ExperimentDimension other) {
    return zone.equals(other.zone)
        && Objects.equals(startsAt, other.startsAt)
        && Objects.equals(endsAt, other.endsAt);
  }
}
