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
 * What it means that a job starts with other metrics than its savepoint's. Whatever the facts in
 * state are counted by from now on, they must first have been counted by: the difference is sent
 * once, at the start. Of an event, state holds the values that some metric names; those that a new
 * metric names are wanted from the raw rows.
 *
 * @param before the metrics as they were, of those that are recounted
 * @param after the metrics as they are, of those that are recounted
 * @param ended names of metrics that are not configured any more; their days stay
 * @param wanted what state does not hold of its events' properties
 */
record MetricChange(
    StatisticsConfig before, StatisticsConfig after, List<String> ended, List<Wanted> wanted) {

  /**
   * Values of a property in events of a type.
   *
   * @param from microseconds since 1970 in UTC
   * @param until exclusive
   */
  record Wanted(String eventType, String property, long from, long until) {
    boolean holds(String type, long at) {
      return eventType.equals(type) && at >= from && at < until;
    }
  }

  /** No zone's day begins earlier before the day in UTC: an experiment's zone may change. */
  private static final Duration EARLIEST_ZONE = Duration.ofHours(18);

  /** Of a metric that counts all users. */
  private static final long ALWAYS = Long.MIN_VALUE;

  private static final long NEVER = Long.MAX_VALUE;

  /**
   * Compares.
   *
   * @param savepoint the settings of the savepoint, as they print themselves
   * @param now the settings of this start
   * @param restated names of metrics whose days may be recounted from the raw rows
   * @param endedBefore names of metrics that were counted once; their days stand under these names
   * @param seenUntil commit time up to which the savepoint has seen the source, microseconds since
   *     1970 in UTC
   * @throws IllegalStateException naming all that can't be, and what to do
   */
  static MetricChange between(
      String savepoint,
      StatisticsConfig now,
      Set<String> restated,
      Set<String> endedBefore,
      long seenUntil) {
    StatisticsConfig old =
        PrintedRecord.statistics(savepoint)
            .orElseThrow(
                () ->
                    refusal(
                        List.of(
                            SettingsDifference.between("statistics", savepoint, now.toString()))));
    List<String> refused = new ArrayList<>();
    String settings =
        SettingsDifference.between(
            "statistics", old.withMetrics().toString(), now.withMetrics().toString());
    if (!settings.isEmpty()) {
      refused.add(settings);
    }
    Map<String, MetricConfig> counted = byName(old.metrics());
    List<MetricConfig> before = new ArrayList<>();
    List<MetricConfig> after = new ArrayList<>();
    for (MetricConfig metric : now.metrics()) {
      MetricConfig was = counted.remove(metric.name());
      if (metric.equals(was) || metric.toString().equals(String.valueOf(was))) {
        continue;
      }
      String problem =
          was != null
              ? problemOfChange(was, metric, restated)
              : endedBefore.contains(metric.name())
                  ? "was counted once, and its days stand under this name: give the new metric another"
                  : problemOfAddition(metric, restated, seenUntil);
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
            + " that everything is counted again (./etl resync does that beside the old tables).");
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
      MetricConfig metric, Set<String> restated, long seenUntil) {
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
        + " or later (the covariate's period and 18 hours behind it, since no zone's day begins earlier), or run "
        + restate
        + metric.since();
  }

  private static String problemOfChange(MetricConfig was, MetricConfig is, Set<String> restated) {
    String difference =
        SettingsDifference.between(
            "statistics.metrics." + is.name(), was.toString(), is.toString());
    String changed = "was changed (" + difference + "): ";
    if (was.kind() != is.kind()) {
      return changed + "another kind needs another name";
    }
    if (was.withSince(null).equals(is.withSince(null)) && !isEarlier(is, was)) {
      return changed
          + "its users of before would leave days that were published; restore it, or give the new metric another name";
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
   * The earliest event that can matter to the metric, in whatever zone: microseconds since 1970 in
   * UTC.
   */
  private static long from(MetricConfig metric) {
    if (metric.since() == null) {
      return ALWAYS;
    }
    Instant earliest = metric.since().atStartOfDay(ZoneOffset.UTC).toInstant().minus(EARLIEST_ZONE);
    return ChronoUnit.MICROS.between(
        Instant.EPOCH, metric.covariate() == null ? earliest : earliest.minus(metric.covariate()));
  }

  /** What the metrics of now need, and those of before did not make state hold. */
  private static List<Wanted> wanted(List<MetricConfig> before, List<MetricConfig> now) {
    Map<MetricTerm, Long> held = earliest(before);
    List<Wanted> wanted = new ArrayList<>();
    earliest(now)
        .forEach(
            (term, from) -> {
              long until = held.getOrDefault(term, NEVER);
              if (from < until) {
                wanted.add(new Wanted(term.eventType(), term.property(), from, until));
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

  /** Whether state holds no value of some property that a metric now names in the event. */
  boolean wants(String eventType, long at) {
    for (Wanted values : wanted) {
      if (values.holds(eventType, at)) {
        return true;
      }
    }
    return false;
  }

  /** With the metrics of before and of after: they name all values that a recount needs. */
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
