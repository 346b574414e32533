package io.experimentetl.attribution;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.StatisticsConfig;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The difference between the metrics of a savepoint and those of this start. Differences of facts
 * are only right if the facts were counted by the same metrics before; so the difference between
 * both ways to count is sent once, at the start. Of an event, state holds the values that a metric
 * names. Values that only a new metric names are read from the raw rows.
 *
 * @param before the restated metrics as they were
 * @param after the restated metrics as they are
 * @param ended names of metrics that are not configured any more; their days stay
 * @param wanted the values of events that state does not hold
 */
record MetricChange(
    StatisticsConfig before, StatisticsConfig after, List<String> ended, List<Wanted> wanted) {

  /**
   * Values of a property in events of a type and a period.
   *
   * @param from microseconds since 1970 in UTC
   * @param until exclusive
   */
  record Wanted(MetricTerm term, long from, long until) {
    boolean includes(String type, String fact, long occurredAt) {
      return term.counts(type, fact) && occurredAt >= from && occurredAt < until;
    }
  }

  /** No zone's day begins earlier before the day in UTC. An experiment's zone may change. */
  private static final Duration EARLIEST_ZONE = Duration.ofHours(18);

  /** The start of a metric that counts all users. */
  private static final long ALWAYS = Long.MIN_VALUE;

  private static final long NEVER = Long.MAX_VALUE;

  /**
   * Compares the settings of a savepoint with those of this start.
   *
   * @param restated names of metrics whose days may be restated from the raw rows
   * @param endedBefore names of metrics that were counted once; their days keep these names
   * @param seenUntil commit time up to which the savepoint has seen the source, microseconds since
   *     1970 in UTC
   * @throws IllegalStateException with every refused change and its remedy
   */
  static MetricChange between(
      StatisticsConfig old,
      StatisticsConfig now,
      Set<String> restated,
      Set<String> endedBefore,
      long seenUntil) {
    List<String> refused = new ArrayList<>();
    String settings =
        SettingsDifference.between(
            "statistics",
            SavedStatistics.settings(old.withMetrics()),
            SavedStatistics.settings(now.withMetrics()));
    if (!settings.isEmpty()) {
      refused.add(settings);
    }
    Map<String, MetricConfig> counted = byName(old.metrics());
    List<MetricConfig> before = new ArrayList<>();
    List<MetricConfig> after = new ArrayList<>();
    for (MetricConfig metric : now.metrics()) {
      MetricConfig was = counted.remove(metric.name());
      if (metric.counting().equals(was)) {
        continue;
      }
      String problem =
          was == null
              ? problemOfAddition(metric, restated, endedBefore, seenUntil)
              : problemOfChange(was, metric, restated);
      if (problem != null) {
        refused.add("statistics.metrics: " + metric.name() + " " + problem);
      }
      if (was != null) {
        before.add(was);
      }
      after.add(metric);
    }
    if (!settings.isEmpty()) {
      throw refusal(refused);
    }
    if (!refused.isEmpty()) {
      throw new IllegalStateException(differ(refused));
    }
    return new MetricChange(
        old.withMetrics(before.toArray(MetricConfig[]::new)),
        now.withMetrics(after.toArray(MetricConfig[]::new)),
        List.copyOf(counted.keySet()),
        wanted(old.metrics(), now.metrics()));
  }

  private static IllegalStateException refusal(List<String> reasons) {
    return new IllegalStateException(
        differ(reasons)
            + ". Restore the old settings, or start without the savepoint and into an empty ClickHouse database, so"
            + " that everything is counted again (./etl resync does that next to the old tables).");
  }

  private static String differ(List<String> reasons) {
    return "The statistics settings differ from those of the savepoint: "
        + String.join("; ", reasons);
  }

  private static Map<String, MetricConfig> byName(List<MetricConfig> metrics) {
    Map<String, MetricConfig> byName = new LinkedHashMap<>();
    metrics.forEach(metric -> byName.put(metric.name(), metric));
    return byName;
  }

  private static String problemOfAddition(
      MetricConfig metric, Set<String> restated, Set<String> endedBefore, long seenUntil) {
    if (endedBefore.contains(metric.name())) {
      return "was counted once, and its days keep this name: give the new metric another name";
    }
    String restate = "./etl restate --metric " + metric.name() + " --from ";
    if (metric.since() == null) {
      return "was added without since: set since: "
          + earliestSince(metric, seenUntil)
          + " or later, or run "
          + restate
          + "DAY";
    }
    if (from(metric) > seenUntil || restated.contains(metric.name())) {
      return null;
    }
    return "was added with since: "
        + metric.since()
        + ", and the savepoint has seen the source up to "
        + instant(seenUntil)
        + ": set since: "
        + earliestSince(metric, seenUntil)
        + " or later (the covariate's period and 18 hours after it, because no zone's day begins earlier), or run "
        + restate
        + metric.since();
  }

  private static String problemOfChange(MetricConfig was, MetricConfig is, Set<String> restated) {
    String difference =
        SettingsDifference.between(
            "statistics.metrics." + is.name(),
            SavedStatistics.settings(was),
            SavedStatistics.settings(is));
    String changed = "was changed (" + difference + "): ";
    if (was.kind() != is.kind()) {
      return changed + "another kind needs another name";
    }
    if (was.withSince(null).equals(is.counting().withSince(null)) && !isEarlier(is, was)) {
      return changed
          + "users who were counted before would disappear from published days; restore it, or give the new metric another name";
    }
    if (restated.contains(is.name())) {
      return is.since() == null ? "is restated, and has no since: set it" : null;
    }
    return changed
        + "give the new metric another name, or run ./etl restate --metric "
        + is.name()
        + " --from DAY";
  }

  private static boolean isEarlier(MetricConfig is, MetricConfig was) {
    return was.since() != null && (is.since() == null || is.since().isBefore(was.since()));
  }

  private static Instant instant(long micros) {
    return Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
  }

  private static LocalDate earliestSince(MetricConfig metric, long seenUntil) {
    LocalDate day = instant(seenUntil).atZone(ZoneOffset.UTC).toLocalDate();
    while (from(metric.withSince(day)) <= seenUntil) {
      day = day.plusDays(1);
    }
    return day;
  }

  /**
   * The earliest event that can matter to the metric, in any zone: microseconds since 1970 in UTC.
   */
  private static long from(MetricConfig metric) {
    if (metric.since() == null) {
      return ALWAYS;
    }
    Instant earliest = metric.since().atStartOfDay(ZoneOffset.UTC).toInstant().minus(EARLIEST_ZONE);
    return ChronoUnit.MICROS.between(
        Instant.EPOCH, metric.covariate() == null ? earliest : earliest.minus(metric.covariate()));
  }

  /**
   * The values that the present metrics need, and that the metrics before did not put into state.
   */
  private static List<Wanted> wanted(List<MetricConfig> before, List<MetricConfig> now) {
    Map<MetricTerm, Long> held = earliest(before);
    List<Wanted> wanted = new ArrayList<>();
    earliest(now)
        .forEach(
            (term, from) -> {
              long until = held.getOrDefault(term, NEVER);
              if (from < until) {
                wanted.add(new Wanted(term, from, until));
              }
            });
    return wanted;
  }

  private static Map<MetricTerm, Long> earliest(List<MetricConfig> metrics) {
    Map<MetricTerm, Long> earliest = new LinkedHashMap<>();
    for (MetricConfig metric : metrics) {
      for (MetricTerm term : metric.terms()) {
        if (term.property() != null) {
          earliest.merge(term, from(metric), Math::min);
        }
      }
    }
    return earliest;
  }

  /** Whether a metric now names a property of the event whose value state does not hold. */
  boolean wants(String eventType, String fact, long occurredAt) {
    for (Wanted values : wanted) {
      if (values.includes(eventType, fact, occurredAt)) {
        return true;
      }
    }
    return false;
  }

  /** The settings with the metrics before and after, which name all values a restatement needs. */
  StatisticsConfig both() {
    return after.withMetrics(
        Stream.concat(before.metrics().stream(), after.metrics().stream())
            .toArray(MetricConfig[]::new));
  }

  boolean restates() {
    return !after.metrics().isEmpty();
  }

  /** The names, for a message. */
  String restated() {
    return after.metrics().stream().map(MetricConfig::name).collect(Collectors.joining(", "));
  }
}
