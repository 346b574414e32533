package io.experimentetl.stats;

import io.experimentetl.model.AllocationHistory;
import io.experimentetl.model.AllocationPhase;
import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.model.MetricKey;
import io.experimentetl.model.MetricTotals;
import io.experimentetl.model.RowVersion;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.TreeMap;
import java.util.TreeSet;

/** One experiment's health figures by day and variant and by metric, and its rows. */
final class HealthLedger {
  static final Comparator<HealthKey> ORDER =
      Comparator.comparingInt(HealthKey::dayEpoch)
          .thenComparingLong(HealthKey::variantId)
          .thenComparingInt(HealthKey::phase);

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
      ledger.counts.put(
          new HealthKey(experimentId, day.variantId(), day.dayEpoch(), day.phase()), day.counts());
    }
    for (HealthState.VariantTotals metric : state.metrics()) {
      ledger.metrics.put(
          new MetricKey(experimentId, metric.variantId(), metric.metric()), metric.totals());
    }
    return ledger;
  }

  HealthState toState(
      HealthVerdict[] verdicts, int allocationPhase, long allocationsSent, long version) {
    return new HealthState(
        counts.entrySet().stream()
            .map(
                day ->
                    new HealthState.DayCounts(
                        day.getKey().dayEpoch(),
                        day.getKey().variantId(),
                        day.getKey().phase(),
                        day.getValue()))
            .toArray(HealthState.DayCounts[]::new),
        metrics.entrySet().stream()
            .map(
                metric ->
                    new HealthState.VariantTotals(
                        metric.getKey().metric(), metric.getKey().variantId(), metric.getValue()))
            .toArray(HealthState.VariantTotals[]::new),
        verdicts,
        allocationPhase,
        allocationsSent,
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
            metrics.compute(
                key,
                (same, before) -> {
                  MetricTotals sum = before == null ? change : before.plus(change);
                  MetricTotals settled = sum.with(sum.greatest().settled());
                  return settled.isZero() ? null : settled;
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

  /** The last phase before the given one in which users were assigned; 0: there is none. */
  int phaseWithUsersBefore(int phase) {
    return counts.entrySet().stream()
        .filter(entry -> entry.getKey().phase() < phase && entry.getValue().assignedUsers() > 0)
        .mapToInt(entry -> entry.getKey().phase())
        .max()
        .orElse(AllocationPhase.UNKNOWN);
  }

  /**
   * The row of a day.
   *
   * @param weights the present ones, by variant id
   */
  ExperimentHealth asOf(
      int day, Map<Long, Double> weights, AllocationHistory allocation, RowVersion version) {
    TreeSet<Long> ids = new TreeSet<>(weights.keySet());
    counts.keySet().forEach(key -> ids.add(key.variantId()));
    long[] variantIds = ids.stream().mapToLong(Long::longValue).toArray();
    long[] assigned = new long[variantIds.length];
    long[] exposed = new long[variantIds.length];
    double[] shares = new double[variantIds.length];
    Map<Integer, long[]> assignedByPhase = new TreeMap<>();
    long crossovers = 0;
    long exposures = 0;
    for (int i = 0; i < variantIds.length; i++) {
      shares[i] = weights.getOrDefault(variantIds[i], 0.0);
      for (Map.Entry<HealthKey, HealthCounts> entry : counts.entrySet()) {
        HealthKey key = entry.getKey();
        if (key.variantId() == variantIds[i] && key.dayEpoch() <= day) {
          assigned[i] += entry.getValue().assignedUsers();
          assignedByPhase
                  .computeIfAbsent(
                      allocation.judgedAs(key.phase()), phase -> new long[variantIds.length])[i] +=
              entry.getValue().assignedUsers();
          exposed[i] += entry.getValue().exposedUsers();
          crossovers += entry.getValue().crossoverUsers();
          exposures += key.dayEpoch() == day ? entry.getValue().exposures() : 0;
        }
      }
    }
    SampleRatio ratio = sampleRatio(assignedByPhase, variantIds, allocation);
    return new ExperimentHealth(
        experimentId,
        day,
        variantIds,
        assigned,
        exposed,
        shares,
        ratio.expected(),
        crossovers,
        exposures,
        ratio.chiSquare(),
        ratio.degreesOfFreedom(),
        ratio.p(),
        version);
  }

  /**
   * Users whose allocation is not known take no part. A variant that is gone keeps its weight in
   * the phases in which it was there.
   *
   * @param variantIds ascending
   */
  private static SampleRatio sampleRatio(
      Map<Integer, long[]> assignedByPhase, long[] variantIds, AllocationHistory allocation) {
    TreeSet<Long> all = new TreeSet<>();
    Arrays.stream(variantIds).forEach(all::add);
    assignedByPhase
        .keySet()
        .forEach(
            number -> all.addAll(AllocationHistory.weights(allocation.phase(number)).keySet()));
    List<Long> ids = List.copyOf(all);
    List<SampleRatio.Phase> phases = new ArrayList<>();
    assignedByPhase.forEach(
        (number, users) -> {
          Map<Long, Double> weights = AllocationHistory.weights(allocation.phase(number));
          long[] usersOfAll = new long[ids.size()];
          for (int i = 0; i < variantIds.length; i++) {
            usersOfAll[ids.indexOf(variantIds[i])] = users[i];
          }
          phases.add(
              new SampleRatio.Phase(
                  usersOfAll,
                  ids.stream().mapToDouble(id -> weights.getOrDefault(id, 0.0)).toArray()));
        });
    SampleRatio ratio = SampleRatio.of(phases, ids.size());
    double[] expected =
        Arrays.stream(variantIds).mapToDouble(id -> ratio.expected()[ids.indexOf(id)]).toArray();
    return new SampleRatio(ratio.chiSquare(), ratio.degreesOfFreedom(), ratio.p(), expected);
  }

  /** The row over all days so far. */
  ExperimentHealth asOfNow(Map<Long, Double> weights, AllocationHistory allocation) {
    return asOf(Integer.MAX_VALUE, weights, allocation, null);
  }
}
