package io.experimentetl.config;

import static io.experimentetl.config.ValueType.duration;
import static io.experimentetl.config.ValueType.fraction;
import static io.experimentetl.config.ValueType.integer;

import java.io.Serializable;
import java.time.Duration;

/**
 * Thresholds of the findings about an experiment as a whole.
 *
 * @param crossoverShare H-CROSSOVER-RATE opens at this share of the exposed users …
 * @param crossoverMinimumUsers … and at this number of users
 * @param variantMinimumUsers H-MISSING-VARIANT opens when a variant without users expects this
 *     number
 * @param noExposuresAfter how long an experiment may run before its first exposed user
 * @param metricMinimumUsers H-METRIC-MISSING opens at this number of exposed users
 * @param volumeMinimumExposures a day's volume is not judged when the days before had fewer
 *     exposures
 * @param outlierShare H-OUTLIER opens when one user holds this share of a metric's sum
 * @param freshness maximum delay of the visible data behind the source
 * @param botEventsPerDay H-BOT opens when a user has more events in one experiment on one day
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

  /** The default of every key. */
  public static HealthConfig defaults() {
    return read(Section.empty("findings.health"));
  }

  static HealthConfig read(Section section) {
    ValueType<Integer> count = integer(1, 1_000_000_000);
    return new HealthConfig(
        section.get("crossover-share", fraction(), 0.01),
        section.get("crossover-minimum-users", count, 10),
        section.get("variant-minimum-users", count, 10),
        section.get(
            "no-exposures-after",
            duration(Duration.ZERO, Duration.ofDays(365)),
            Duration.ofHours(1)),
        section.get("metric-minimum-users", count, 1_000),
        section.get("volume-minimum-exposures", count, 100),
        section.get("outlier-share", fraction(), 0.1),
        section.get(
            "freshness",
            duration(Duration.ofSeconds(1), Duration.ofDays(1)),
            Duration.ofMinutes(5)),
        section.get("bot-events-per-day", count, 10_000));
  }
}
