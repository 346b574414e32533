package io.experimentetl.attribution;

import io.experimentetl.model.ChangedRows;
import io.experimentetl.model.DailyContribution;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.HealthContribution;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.model.MetricKey;
import io.experimentetl.model.MetricTotals;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** Sums up differences and changes on the heap, so that each key is sent once per checkpoint. */
final class ContributionBuffer {
  private static final int MAX_KEYS = 50_000;

  private record DayTotal(DailySums sums, long dayEndsAt) {}

  private final Map<DailyKey, DayTotal> daily = new HashMap<>();
  private final Map<HealthKey, HealthCounts> health = new HashMap<>();
  private final Map<List<Object>, ChangedRows> changed = new HashMap<>();
  private final Consumer<DailyContribution> dailyOutput;
  private final Consumer<HealthContribution> healthOutput;
  private final Consumer<ChangedRows> changedOutput;

  ContributionBuffer(
      Consumer<DailyContribution> dailyOutput,
      Consumer<HealthContribution> healthOutput,
      Consumer<ChangedRows> changedOutput) {
    this.dailyOutput = dailyOutput;
    this.healthOutput = healthOutput;
    this.changedOutput = changedOutput;
  }

  /** See {@link AttributionOutput#dailyDifference}. */
  void add(DailyKey key, DailySums difference, long dayEndsAt) {
    daily.merge(
        key,
        new DayTotal(difference, dayEndsAt),
        (a, b) -> new DayTotal(a.sums().plus(b.sums()), b.dayEndsAt()));
    if (daily.size() > MAX_KEYS) {
      flush();
    }
  }

  /** See {@link AttributionOutput#healthDifference}. */
  void add(HealthKey key, HealthCounts difference) {
    health.merge(key, difference, HealthCounts::plus);
    if (health.size() > MAX_KEYS) {
      flush();
    }
  }

  /** See {@link AttributionOutput#changedRows}. */
  void add(ChangedRows rows) {
    changed.merge(List.of(rows.code(), rows.experimentId()), rows, ChangedRows::plus);
    if (changed.size() > MAX_KEYS) {
      flush();
    }
  }

  /** Sends all totals that are not zero. */
  void flush() {
    changed.values().forEach(changedOutput);
    changed.clear();
    Map<MetricKey, MetricTotals> metrics = new HashMap<>();
    daily.forEach(
        (key, total) -> {
          if (!total.sums().isZero()) {
            dailyOutput.accept(new DailyContribution(key, total.sums(), total.dayEndsAt()));
          }
          metrics.merge(
              new MetricKey(key.experimentId(), key.variantId(), key.metric()),
              MetricTotals.of(total.sums()),
              MetricTotals::plus);
        });
    daily.clear();
    metrics.forEach(
        (key, totals) -> {
          if (!totals.isZero()) {
            healthOutput.accept(new HealthContribution(key, totals));
          }
        });
    health.forEach(
        (key, counts) -> {
          if (!counts.isZero()) {
            healthOutput.accept(new HealthContribution(key, counts));
          }
        });
    health.clear();
  }
}
