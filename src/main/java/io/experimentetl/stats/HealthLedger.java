package io.experimentetl.stats;

import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.model.MetricKey;
import io.experimentetl.model.MetricTotals;
import io.experimentetl.model.RowVersion;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.TreeMap;
import java.util.TreeSet;

/** One experiment's health figures by (day, variant) and by metric, and what follows from them. */
final class HealthLedger {
  static final Comparator<HealthKey> ORDER =
      Comparator.comparingInt(HealthKey::dayEpoch).thenComparingLong(HealthKey::variantId);

  private static final Comparator<MetricKey> METRIC_ORDER =
      Comparator.comparing(MetricKey::metric).thenComparingLong(MetricKey::variantId);

  private final long experimentId;
  private final boolean metricsAreWhole;
  private final NavigableMap<HealthKey, HealthCounts> counts = new TreeMap<>(ORDER);
  private final NavigableMap<MetricKey, MetricTotals> metrics = new TreeMap<>(METRIC_ORDER);

  private HealthLedger(long experimentId, boolean metricsAreWhole) {
    this.experimentId = experimentId;
    this.metricsAreWhole = metricsAreWhole;
  }

  static HealthLedger of(long experimentId, HealthState state) {
    HealthLedger ledger = new HealthLedger(experimentId, state.metricsAreWhole());
    for (int i = 0; i < state.counts().length; i++) {
      ledger.counts.put(
          new HealthKey(experimentId, state.variantId()[i], state.dayEpoch()[i]),
          state.counts()[i]);
    }
    for (int i = 0; i < state.totals().length; i++) {
      ledger.metrics.put(
          new MetricKey(experimentId, state.metricVariantId()[i], state.metric()[i]),
          state.totals()[i]);
    }
    return ledger;
  }

  HealthState toState(HealthVerdict[] verdicts, long version) {
    boolean srmOpen =
        Arrays.stream(verdicts).anyMatch(v -> v.code() == FindingCode.H_SRM && v.open());
    return new HealthState(
        counts.keySet().stream().mapToInt(HealthKey::dayEpoch).toArray(),
        counts.keySet().stream().mapToLong(HealthKey::variantId).toArray(),
        counts.values().toArray(HealthCounts[]::new),
        srmOpen,
        version,
        metrics.keySet().stream().mapToLong(MetricKey::variantId).toArray(),
        metrics.keySet().stream().map(MetricKey::metric).toArray(String[]::new),
        metrics.values().toArray(MetricTotals[]::new),
        metricsAreWhole,
        verdicts);
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

  /** Whether the metrics' totals tell of all that was counted. */
  boolean metricsAreWhole() {
    return metricsAreWhole;
  }

  /** The metric's totals in each variant that has any. */
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

  /** Days with any figure. */
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

  /** As of now: over all users so far. */
  ExperimentHealth asOfNow(Map<Long, Integer> weights) {
    return asOf(Integer.MAX_VALUE, weights, null);
  }
}
