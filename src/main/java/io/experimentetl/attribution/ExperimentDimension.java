package io.experimentetl.attribution;

import io.experimentetl.model.ExperimentRow;

/**
 * An experiment as the join needs it; a record of broadcast state.
 *
 * @param zone IANA zone of the experiment's days
 * @param startsAt microseconds since 1970 in UTC, inclusive; null: open
 * @param endsAt microseconds since 1970 in UTC, inclusive; null: open
 */
public record ExperimentDimension(
    long id, String key, String name, String zone, Long startsAt, Long endsAt) {

  /** The experiment's zone is {@code config.zone} where that names a zone, else the default. */
  public static ExperimentDimension of(ExperimentRow row, String defaultZone) {
    return new ExperimentDimension(
        row.id(), row.key(), row.name(), row.zone(defaultZone), row.startsAt(), row.endsAt());
  }

  boolean isRunningAt(long micros) {
    return (startsAt == null || micros >= startsAt) && (endsAt == null || micros <= endsAt);
  }

  /** Whether the two count the same facts on the same days. */
  boolean countsLike(ExperimentDimension other) {
    return zone.equals(other.zone)
        && java.util.Objects.equals(startsAt, other.startsAt)
        && java.util.Objects.equals(endsAt, other.endsAt);
  }
}
