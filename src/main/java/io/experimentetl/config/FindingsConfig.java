package io.experimentetl.config;

import java.io.Serializable;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/**
 * When something is worth a finding.
 *
 * @param grace how long a reference may be missing before a finding opens and the row goes out
 *     flagged
 * @param futureTolerance how far a row's time may lie ahead of its commit
 * @param pendingPerUser rows of one user that wait for a reference at once; one more sends the
 *     oldest out, flagged
 * @param srmAlertP a sample ratio mismatch opens below this p
 * @param srmMinimumUsersPerVariant no verdict on the sample ratio while a variant expects fewer
 * @param eventTypes all event types that are known, beside those of the statistics settings; empty:
 *     none is unknown
 * @param health the same for an experiment as a whole
 */
public record FindingsConfig(
    Duration grace,
    Duration futureTolerance,
    int pendingPerUser,
    double srmAlertP,
    int srmMinimumUsersPerVariant,
    List<String> eventTypes,
    HealthConfig health)
    implements Serializable {

  public FindingsConfig {
    eventTypes = List.copyOf(eventTypes);
  }

  /** What holds where the file says nothing. */
  public static FindingsConfig defaults() {
    return new FindingsConfig(
        Duration.ofSeconds(10),
        Duration.ofMinutes(5),
        1_000,
        0.001,
        8,
        List.of(),
        HealthConfig.defaults());
  }

  /** The same, where types are declared with these too. */
  FindingsConfig alsoKnowing(List<String> types) {
    return eventTypes.isEmpty()
        ? this
        : new FindingsConfig(
            grace,
            futureTolerance,
            pendingPerUser,
            srmAlertP,
            srmMinimumUsersPerVariant,
            Stream.concat(eventTypes.stream(), types.stream()).distinct().toList(),
            health);
  }
}
