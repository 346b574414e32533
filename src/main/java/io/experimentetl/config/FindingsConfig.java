package io.experimentetl.config;

import static io.experimentetl.config.ValueType.bool;
import static io.experimentetl.config.ValueType.duration;
import static io.experimentetl.config.ValueType.fraction;
import static io.experimentetl.config.ValueType.integer;
import static io.experimentetl.config.ValueType.text;

import java.io.Serializable;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/**
 * Thresholds of findings.
 *
 * @param grace how long a row waits for a missing reference before a finding opens and the row is
 *     written with a flag
 * @param futureTolerance how far a row's time may be after its commit
 * @param clockTolerance how far the clocks of the services that assign, enroll and expose may be
 *     apart
 * @param enrolmentTolerance how far a user's enrolment and first exposure may be apart
 * @param pendingPerUser maximum number of a user's rows that wait for a reference; with one more,
 *     the oldest is written with a flag
 * @param srmAlertP a sample ratio mismatch opens below this p-value
 * @param srmMinimumUsersPerVariant the sample ratio is not tested while the experiment has fewer
 *     users per variant
 * @param allocationsArePercent the platform's allocations are percentages: R-ALLOCATION-SUM opens
 *     where those of an experiment do not add up to 100. Otherwise only their ratio counts
 * @param eventTypes all known event types beside those of the statistics settings; empty: every
 *     type is known
 * @param health thresholds for an experiment as a whole
 */
public record FindingsConfig(
    Duration grace,
    Duration futureTolerance,
    Duration clockTolerance,
    Duration enrolmentTolerance,
    int pendingPerUser,
    double srmAlertP,
    int srmMinimumUsersPerVariant,
    boolean allocationsArePercent,
    List<String> eventTypes,
    HealthConfig health)
    implements Serializable {

  public FindingsConfig {
    eventTypes = List.copyOf(eventTypes);
  }

  /** The default of every key. */
  public static FindingsConfig defaults() {
    return read(Section.empty("findings"));
  }

  static FindingsConfig read(Section section) {
    return new FindingsConfig(
        section.get("grace", duration(Duration.ZERO, Duration.ofDays(1)), Duration.ofSeconds(10)),
        section.get(
            "future-tolerance",
            duration(Duration.ZERO, Duration.ofDays(365)),
            Duration.ofMinutes(5)),
        section.get(
            "clock-tolerance", duration(Duration.ZERO, Duration.ofDays(1)), Duration.ofSeconds(1)),
        section.get(
            "enrolment-tolerance",
            duration(Duration.ZERO, Duration.ofDays(365)),
            Duration.ofHours(1)),
        section.get("pending-per-user", integer(1, 1_000_000), 1_000),
        section.get("srm-alert-p", fraction(), 0.001),
        section.get("srm-minimum-users-per-variant", integer(1, 1_000_000_000), 8),
        section.get("allocations-are-percent", bool(), false),
        section.list("event-types", text(), List.of()),
        section.group("health", HealthConfig::read));
  }

  /** Returns a copy that also knows these types. */
  FindingsConfig withEventTypes(List<String> types) {
    return eventTypes.isEmpty()
        ? this
        : new FindingsConfig(
            grace,
            futureTolerance,
            clockTolerance,
            enrolmentTolerance,
            pendingPerUser,
            srmAlertP,
            srmMinimumUsersPerVariant,
            allocationsArePercent,
            Stream.concat(eventTypes.stream(), types.stream()).distinct().toList(),
            health);
  }
}
