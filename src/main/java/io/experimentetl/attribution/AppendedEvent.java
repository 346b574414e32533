package io.experimentetl.attribution;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricKind;
import io.experimentetl.config.Population;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.quality.PropertyValue;
import java.math.BigInteger;
import java.util.Map;

/**
 * The common case: an event comes behind those that were counted, and moves neither the first
 * exposure nor the variant. Then the difference follows from the event and the day's figures;
 * {@link Contributions#of} would find the same over all facts.
 */
final class AppendedEvent {
  private final Contributions now;
  private final ExperimentFacts facts;
  private final int at;
  private final int day;
  private final long dayEndsAt;
  private final StatisticsConfig statistics;
  private final AttributionOutput out;

  private AppendedEvent(
      Contributions now,
      ExperimentFacts facts,
      int at,
      DayClock clock,
      StatisticsConfig statistics,
      AttributionOutput out) {
    this.now = now;
    this.facts = facts;
    this.at = at;
    this.day = clock.dayOf(facts.occurredAt(at));
    this.dayEndsAt = clock.endOf(day);
    this.statistics = statistics;
    this.out = out;
  }

  /**
   * Adds the event at the given place, whose id no other event has, to the user's contributions.
   *
   * @return false where the case is not the common one: nothing was changed, and all is to be
   *     computed anew
   */
  static boolean add(
      ExperimentFacts facts,
      int at,
      Dimensions dimensions,
      StatisticsConfig statistics,
      AttributionOutput out) {
    Contributions now = facts.contributions;
    ExperimentDimension experiment = dimensions.experiment(facts.experimentId);
    long occurredAt = facts.occurredAt(at);
    if (experiment == null || !experiment.isRunningAt(occurredAt)) {
      return true;
    }
    boolean exposure = facts.eventType(at).equals(statistics.exposureEvent());
    boolean exposed = now.firstExposure() != Contributions.NOT_EXPOSED;
    if (exposure
        && (!exposed
            || (statistics.population() == Population.EXPOSURE
                && occurredAt < now.firstExposure()))) {
      return false;
    }
    boolean member = exposed && !now.health().isEmpty();
    if (!member) {
      return true;
    }
    AppendedEvent event =
        new AppendedEvent(now, facts, at, dimensions.clockOf(experiment), statistics, out);
    if ((exposure && event.makesACrossover()) || event.precedesACountedDay()) {
      return false;
    }
    event.add(exposure);
    return true;
  }

  private boolean makesACrossover() {
    AssignmentRow assignment = facts.assignment;
    return !now.crossover()
        && facts.variantId(at) != ExperimentFacts.NO_VARIANT
        && facts.variantId(at) != assignment.variantId();
  }

  /** A later day's increments hang on this one's. */
  private boolean precedesACountedDay() {
    for (MetricConfig metric : statistics.metrics()) {
      if (counts(metric) && lastCountedDay(metric) > day) {
        return true;
      }
    }
    return false;
  }

  private boolean counts(MetricConfig metric) {
    return !now.daily().isEmpty()
        && metric.eventType().equals(facts.eventType(at))
        && Contributions.isInWindow(metric, now.firstExposure(), facts.occurredAt(at))
        && (metric.kind() == MetricKind.PROPORTION || value(metric) != PropertyValue.NONE);
  }

  private long value(MetricConfig metric) {
    int property = facts.propertyNumber(metric.property());
    return property < 0 ? PropertyValue.NONE : facts.value(at, property);
  }

  private int lastCountedDay(MetricConfig metric) {
    int last = Integer.MIN_VALUE;
    for (Map.Entry<DailyKey, DailySums> entry : now.daily().entrySet()) {
      if (entry.getValue().convertingUsers() > 0 && entry.getKey().metric().equals(metric.name())) {
        last = Math.max(last, entry.getKey().dayEpoch());
      }
    }
    return last;
  }

  private void add(boolean exposure) {
    if (exposure) {
      HealthKey key = new HealthKey(facts.experimentId, facts.assignment.variantId(), day);
      HealthCounts one = new HealthCounts(0, 0, 0, 1);
      now.health().merge(key, one, HealthCounts::plus);
      out.health(key, one);
    }
    if (now.daily().isEmpty()) {
      return;
    }
    for (MetricConfig metric : statistics.metrics()) {
      boolean counted = counts(metric);
      if (exposure || counted) {
        add(metric, exposure ? 1 : 0, counted);
      }
    }
  }

  private void add(MetricConfig metric, int exposures, boolean counted) {
    DailyKey key =
        new DailyKey(facts.experimentId, facts.assignment.variantId(), metric.name(), day);
    DailySums before = now.daily().getOrDefault(key, DailySums.ZERO);
    boolean newConverter = counted && lastCountedDay(metric) == Integer.MIN_VALUE;
    BigInteger value = BigInteger.ZERO;
    BigInteger increment = newConverter ? Contributions.ONE : BigInteger.ZERO;
    BigInteger squareIncrement = newConverter ? Contributions.ONE_SQUARED : BigInteger.ZERO;
    if (counted && metric.kind() == MetricKind.MEAN) {
      value = BigInteger.valueOf(value(metric));
      increment = value;
      // (t + w)^2 - t^2 for a total t, this day's included, and one more value w.
      squareIncrement = total(metric).shiftLeft(1).add(value).multiply(value);
    }
    DailySums difference =
        new DailySums(
            exposures,
            before.activeUsers() == 0 ? 1 : 0,
            counted && before.convertingUsers() == 0 ? 1 : 0,
            counted ? 1 : 0,
            value,
            0,
            newConverter ? 1 : 0,
            increment,
            squareIncrement);
    now.daily().put(key, before.plus(difference));
    out.daily(key, difference, dayEndsAt);
  }

  private BigInteger total(MetricConfig metric) {
    BigInteger total = BigInteger.ZERO;
    for (Map.Entry<DailyKey, DailySums> entry : now.daily().entrySet()) {
      if (entry.getKey().metric().equals(metric.name())) {
        total = total.add(entry.getValue().dSum());
      }
    }
    return total;
  }
}
