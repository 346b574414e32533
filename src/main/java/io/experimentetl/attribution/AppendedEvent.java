package io.experimentetl.attribution;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricTerm;
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
  private final int entryDay;
  private final long dayEndsAt;
  private final StatisticsConfig statistics;
  private final AttributionOutput out;

  private AppendedEvent(
      Contributions now,
      ExperimentFacts facts,
      int at,
      ExperimentCalendar clock,
      StatisticsConfig statistics,
      AttributionOutput out) {
    this.now = now;
    this.facts = facts;
    this.at = at;
    this.day = clock.dayOf(facts.occurredAt(at));
    this.entryDay = clock.dayOf(now.firstExposure());
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
    if (experiment == null) {
      return true;
    }
    if (isOfACovariate(facts, at, statistics)) {
      return false;
    }
    if (!experiment.isRunningAt(occurredAt)) {
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
        new AppendedEvent(now, facts, at, dimensions.calendarOf(experiment), statistics, out);
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

  /** It changes what every day adds. */
  private static boolean isOfACovariate(
      ExperimentFacts facts, int at, StatisticsConfig statistics) {
    long firstExposure = facts.contributions.firstExposure();
    if (firstExposure == Contributions.NOT_EXPOSED) {
      return false;
    }
    for (MetricConfig metric : statistics.metrics()) {
      if (metric.eventType().equals(facts.eventType(at))
          && MetricHistory.isBefore(metric, firstExposure, facts.occurredAt(at))) {
        return true;
      }
    }
    return false;
  }

  /** A later day's increments hang on this one's. */
  private boolean precedesACountedDay() {
    if (now.daily().isEmpty()) {
      return false;
    }
    for (MetricConfig metric : statistics.metrics()) {
      if (metric.isOpenTo(entryDay) && counts(metric) && lastCountedDay(metric) > day) {
        return true;
      }
    }
    return false;
  }

  private boolean counts(MetricConfig metric) {
    return numerator(metric) != PropertyValue.NONE || denominator(metric) != PropertyValue.NONE;
  }

  private long numerator(MetricConfig metric) {
    return worth(metric, metric.eventType(), metric.property());
  }

  private long denominator(MetricConfig metric) {
    MetricTerm denominator = metric.denominator();
    return denominator == null
        ? PropertyValue.NONE
        : worth(metric, denominator.eventType(), denominator.property());
  }

  private long worth(MetricConfig metric, String eventType, String property) {
    return eventType.equals(facts.eventType(at))
            && MetricHistory.isInWindow(metric, now.firstExposure(), facts.occurredAt(at))
        ? facts.worth(at, property)
        : PropertyValue.NONE;
  }

  private int lastCountedDay(MetricConfig metric) {
    int last = Integer.MIN_VALUE;
    for (Map.Entry<DailyKey, DailySums> entry : now.daily().entrySet()) {
      DailySums sums = entry.getValue();
      if ((sums.convertingUsers() > 0 || sums.dDenSum().signum() > 0)
          && entry.getKey().metric().equals(metric.name())) {
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
      if (metric.isOpenTo(entryDay) && (exposure || counts(metric))) {
        add(metric, exposure ? 1 : 0);
      }
    }
  }

  private void add(MetricConfig metric, int exposures) {
    DailyKey key =
        new DailyKey(facts.experimentId, facts.assignment.variantId(), metric.name(), day);
    DailySums before = now.daily().getOrDefault(key, DailySums.ZERO);
    long numerator = numerator(metric);
    long denominator = denominator(metric);
    boolean converts = numerator != PropertyValue.NONE;
    DailySums total = total(metric);
    DailySums difference =
        Contributions.activity(
            exposures,
            before.activeUsers() == 0,
            converts ? 1 : 0,
            converts && before.convertingUsers() == 0,
            converts && total.newConverters() == 0);
    if (converts || denominator != PropertyValue.NONE) {
      difference =
          difference.plus(
              UserTotals.after(metric, total).add(millionths(numerator), millionths(denominator)));
    }
    now.daily().put(key, before.plus(difference));
    out.daily(key, difference, dayEndsAt);
  }

  private static BigInteger millionths(long worth) {
    return worth == PropertyValue.NONE ? BigInteger.ZERO : BigInteger.valueOf(worth);
  }

  private DailySums total(MetricConfig metric) {
    DailySums total = DailySums.ZERO;
    for (Map.Entry<DailyKey, DailySums> entry : now.daily().entrySet()) {
      if (entry.getKey().metric().equals(metric.name())) {
        total = total.plus(entry.getValue());
      }
    }
    return total;
  }
}
