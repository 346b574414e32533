package io.experimentetl.stats;

import io.experimentetl.config.FindingsConfig;
import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.model.RowVersion;
import java.util.Comparator;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.TreeMap;
import java.util.TreeSet;

/** One experiment's health figures by (day, variant), and what follows from them. */
final class HealthLedger {
  static final Comparator<HealthKey> ORDER =
      Comparator.comparingInt(HealthKey::dayEpoch).thenComparingLong(HealthKey::variantId);

  private final long experimentId;
  private final NavigableMap<HealthKey, HealthCounts> counts = new TreeMap<>(ORDER);

  private HealthLedger(long experimentId) {
    this.experimentId = experimentId;
  }

  static HealthLedger of(long experimentId, HealthState state) {
    HealthLedger ledger = new HealthLedger(experimentId);
    for (int i = 0; i < state.counts().length; i++) {
      ledger.counts.put(
          new HealthKey(experimentId, state.variantId()[i], state.dayEpoch()[i]),
          state.counts()[i]);
    }
    return ledger;
  }

  HealthState toState(boolean srmOpen, long version) {
    return new HealthState(
        counts.keySet().stream().mapToInt(HealthKey::dayEpoch).toArray(),
        counts.keySet().stream().mapToLong(HealthKey::variantId).toArray(),
        counts.values().toArray(HealthCounts[]::new),
        srmOpen,
        version);
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

  /** Over all users assigned so far. */
  SampleRatio sampleRatio(Map<Long, Integer> weights) {
    ExperimentHealth all = asOf(Integer.MAX_VALUE, weights, null);
    return SampleRatio.of(all.assignedUsers(), all.weights());
  }

  boolean isMismatch(Map<Long, Integer> weights, FindingsConfig findings) {
    SampleRatio ratio = sampleRatio(weights);
    return ratio.degreesOfFreedom() > 0
        && ratio.p() < findings.srmAlertP()
        && ratio.smallestExpected() >= findings.srmMinimumUsersPerVariant();
  }
}
