package io.experimentetl.attribution;

import io.experimentetl.model.ChangedRows;
import io.experimentetl.model.DailyContribution;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.DailyTotal;
import io.experimentetl.model.GreatestTotals;
import io.experimentetl.model.HealthContribution;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.model.MetricKey;
import io.experimentetl.model.MetricTotals;
import java.math.BigInteger;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Sums up differences and changes on the heap, so that each key is sent once per checkpoint.
 * Differences of one user come one after another: they give the user's totals before and after,
 * because the sums of one user's total y and of its square change by y1 - y0 and by y1² - y0².
 */
final class ContributionBuffer {
  private static final int MAX_KEYS = 50_000;

  private final Map<DailyKey, DailyTotal> daily = new HashMap<>();
  private final Map<HealthKey, HealthCounts> health = new HashMap<>();
  private final Map<List<Object>, ChangedRows> changed = new HashMap<>();
  private final Map<MetricKey, GreatestTotals.Sum> greatest = new HashMap<>();
  private final Map<MetricKey, DailySums> ofUser = new HashMap<>();
  private String user;
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
  void add(String userId, DailyKey key, DailySums difference, long dayEndsAt) {
    if (!userId.equals(user)) {
      completeUser();
      user = userId;
    }
    if (difference.dSumSq().signum() != 0) {
      ofUser.merge(metricOf(key), difference, DailySums::plus);
    }
    daily.computeIfAbsent(key, of -> new DailyTotal()).add(difference, dayEndsAt);
    if (daily.size() > MAX_KEYS) {
      send();
    }
  }

  private static MetricKey metricOf(DailyKey key) {
    return new MetricKey(key.experimentId(), key.variantId(), key.metric());
  }

  private void completeUser() {
    ofUser.forEach(
        (key, difference) -> {
          BigInteger change = difference.dSum();
          if (change.signum() != 0) {
            BigInteger both = difference.dSumSq().divide(change);
            BigInteger after = both.add(change).shiftRight(1);
            greatest
                .computeIfAbsent(key, of -> new GreatestTotals.Sum())
                .add(GreatestTotals.of(user, after.subtract(change), after));
          }
        });
    ofUser.clear();
  }

  /** See {@link AttributionOutput#healthDifference}. */
  void add(HealthKey key, HealthCounts difference) {
    health.merge(key, difference, HealthCounts::plus);
    if (health.size() > MAX_KEYS) {
      send();
    }
  }

  /** See {@link AttributionOutput#changedRows}. */
  void add(ChangedRows rows) {
    changed.merge(List.of(rows.code(), rows.experimentId()), rows, ChangedRows::plus);
    if (changed.size() > MAX_KEYS) {
      send();
    }
  }

  /** Sends all totals that are not zero. */
  void flush() {
    completeUser();
    send();
  }

  /** The changes of the user's totals wait until all differences of the user are there. */
  private void send() {
    changed.values().forEach(changedOutput);
    changed.clear();
    Map<MetricKey, MetricTotals> metrics = new HashMap<>();
    daily.forEach(
        (key, total) -> {
          DailySums sums = total.sums();
          if (!sums.isZero()) {
            dailyOutput.accept(new DailyContribution(key, sums, total.dayEndsAt()));
          }
          metrics.merge(metricOf(key), MetricTotals.of(sums), MetricTotals::plus);
        });
    daily.clear();
    greatest.forEach(
        (key, sum) -> metrics.merge(key, MetricTotals.ZERO.with(sum.total()), MetricTotals::plus));
    greatest.clear();
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
