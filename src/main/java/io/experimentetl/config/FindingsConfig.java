package io.experimentetl.config;

import java.io.Serializable;
import java.time.Duration;

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
 * @param health the same for an experiment as a whole
 */
public record FindingsConfig(
    Duration grace,
    Duration futureTolerance,
    int pendingPerUser,
    double srmAlertP,
    int srmMinimumUsersPerVariant,
    HealthConfig health)
    implements Serializable {

  /** What holds where the file says nothing. */
  public static FindingsConfig defaults() {
    return new FindingsConfig(
        Duration.ofSeconds(10), Duration.ofMinutes(5), 1_000, 0.001, 8, HealthConfig.defaults());
  }
}
