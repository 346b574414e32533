package io.experimentetl.stats;

import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.model.MetricKey;
import io.experimentetl.model.MetricTotals;
import io.experimentetl.model.RowVersion;
import java.util.Collection;
import java.util.Comparator;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.TreeMap;
import java.util.TreeSet;

/** One experiment's health figures by day and variant and by metric, and its rows. */
final class HealthLedger {
  static final Comparator<HealthKey> ORDER =
      Comparator.comparingInt(HealthKey::dayEpoch).thenComparingLong(HealthKey::variantId);

  private static final Comparator<MetricKey> METRIC_ORDER =
      Comparator.comparing(MetricKey::metric).thenComparingLong(MetricKey::variantId);

  private final long experimentId;
  private final NavigableMap<HealthKey, HealthCounts> counts = new TreeMap<>(ORDER);
  private final NavigableMap<MetricKey, MetricTotals> metrics = new TreeMap<>(METRIC_ORDER);

  private HealthLedger(long experimentId) {
    this.experimentId = experimentId;
  }

  static HealthLedger of(long experimentId, HealthState state) {
    HealthLedger ledger = new HealthLedger(experimentId);
    for (HealthState.DayCounts day : state.days()) {
      ledger.counts.put(new HealthKey(experimentId, day.variantId(), day.dayEpoch()), day.counts());
    }
    for (HealthState.VariantTotals metric : state.metrics()) {
      ledger.metrics.put(
          new MetricKey(experimentId, metric.variantId(), metric.metric()), metric.totals());
    }
    return ledger;
  }

  HealthState toState(HealthVerdict[] verdicts, long version) {
    return new HealthState(
        counts.entrySet().stream()
            .map(
                day ->
                    new HealthState.DayCounts(
                        day.getKey().dayEpoch(), day.getKey().variantId(), day.getValue()))
            .toArray(HealthState.DayCounts[]::new),
        metrics.entrySet().stream()
            .map(
                metric ->
                    new HealthState.VariantTotals(
                        metric.getKey().metric(), metric.getKey().variantId(), metric.getValue()))
            .toArray(HealthState.VariantTotals[]::new),
        verdicts,
        version);
  }

  boolean isEmpty() {
    return counts.isEmpty() && metrics.isEmpty();
  }

  void add(Map<HealthKey, HealthCounts> changes) {
    changes.forEach(
        (key, change) ->
            counts.merge(
                key,
                change,
                (a, b) -> {
                  HealthCounts sum = a.plus(b);
                  return sum.isZero() ? null : sum;
                }));
  }

  void addMetrics(Map<MetricKey, MetricTotals> changes) {
    changes.forEach(
        (key, change) ->
            metrics.merge(
                key,
                change,
                (a, b) -> {
                  MetricTotals sum = a.plus(b);
                  return sum.isZero() ? null : sum;
                }));
  }

  /** The metric's totals, one for each variant with events. */
  Collection<MetricTotals> metric(String name) {
    return metrics.entrySet().stream()
        .filter(entry -> entry.getKey().metric().equals(name))
        .map(Map.Entry::getValue)
        .toList();
  }

  /** Users exposed on a day before the given one. */
  long exposedBefore(int day) {
    return counts.entrySet().stream()
        .filter(entry -> entry.getKey().dayEpoch() < day)
        .mapToLong(entry -> entry.getValue().exposedUsers())
        .sum();
  }

  /** Exposure events on the day. */
  long exposuresOn(int day) {
    return counts.entrySet().stream()
        .filter(entry -> entry.getKey().dayEpoch() == day)
        .mapToLong(entry -> entry.getValue().exposures())
        .sum();
  }

  /** The first day with an exposure; Integer.MAX_VALUE where there is none. */
  int firstDayWithExposures() {
    return counts.entrySet().stream()
        .filter(entry -> entry.getValue().exposures() > 0)
        .mapToInt(entry -> entry.getKey().dayEpoch())
        .min()
        .orElse(Integer.MAX_VALUE);
  }

  /** All days with a figure. */
  NavigableSet<Integer> days() {
    TreeSet<Integer> days = new TreeSet<>();
    counts.keySet().forEach(key -> days.add(key.dayEpoch()));
    return days;
  }

  /** The row of a day; the weights are by variant id. */
  ExperimentHealth asOf(int day, Map<Long, Integer> weights, RowVersion version) {
    TreeSet<Long> ids = new TreeSet<>(weights.keySet());
    counts.keySet().forEach(key -> ids.add(key.variantId()));
    long[] variantIds = ids.stream().mapToLong(Long::longValue).toArray();
    long[] assigned = new long[variantIds.length];
    long[] exposed = new long[variantIds.length];
    int[] shares = new int[variantIds.length];
    long crossovers = 0;
    long exposures = 0;
    for (int i = 0; i < variantIds.length; i++) {
      shares[i] = weights.getOrDefault(variantIds[i], 0);
      for (Map.Entry<HealthKey, HealthCounts> entry : counts.entrySet()) {
        HealthKey key = entry.getKey();
        if (key.variantId() == variantIds[i] && key.dayEpoch() <= day) {
          assigned[i] += entry.getValue().assignedUsers();
          exposed[i] += entry.getValue().exposedUsers();
          crossovers += entry.getValue().crossoverUsers();
          exposures += key.dayEpoch() == day ? entry.getValue().exposures() : 0;
        }
      }
    }
    SampleRatio ratio = SampleRatio.of(assigned, shares);
    return new ExperimentHealth(
        experimentId,
        day,
        variantIds,
        assigned,
        exposed,
        shares,
        crossovers,
        exposures,
        ratio.chiSquare(),
        ratio.degreesOfFreedom(),
        ratio.p(),
        version);
  }

  /** The row over all days so far. */
  ExperimentHealth asOfNow(Map<Long, Integer> weights) {
    return asOf(Integer.MAX_VALUE, weights, null);
  }
}
