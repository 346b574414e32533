package io.experimentetl.config;

import java.io.Serializable;
import java.time.Duration;

/**
 * When an experiment's health is worth a finding.
 *
 * @param crossoverShare H-CROSSOVER-RATE opens from this share of the exposed users on …
 * @param crossoverMinimumUsers … and from so many users
 * @param variantMinimumUsers H-MISSING-VARIANT opens where a variant without users expects so many
 * @param noExposuresAfter how long an experiment may run before its first exposed user
 * @param metricMinimumUsers H-METRIC-MISSING opens from so many exposed users on
 * @param volumeMinimumExposures no verdict on a day's volume where the days before it had fewer
 * @param outlierShare H-OUTLIER opens where one user is sure to hold this share of a metric's sum
 * @param freshness how far what is visible may lag behind the source
 * @param botEventsPerDay more events of one user in one experiment on one day are H-BOT
 */
public record HealthConfig(
    double crossoverShare,
    int crossoverMinimumUsers,
    int variantMinimumUsers,
    Duration noExposuresAfter,
    int metricMinimumUsers,
    int volumeMinimumExposures,
    double outlierShare,
    Duration freshness,
    int botEventsPerDay)
    implements Serializable {

  /** What holds where the file says nothing. */
  public static HealthConfig defaults() {
    return new HealthConfig(
        0.01, 10, 10, Duration.ofHours(1), 1_000, 100, 0.1, Duration.ofMinutes(5), 10_000);
  }
}
