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
 * Adds a new event to a user's contributions without recomputing them. This is possible in the
 * common case: the event counts on the last counted day or later, and changes neither the first
 * exposure nor the variant. {@link Contributions#of} would compute the same from all facts.
 */
final class AppendedEvent {
  private final Contributions contributions;
  private final ExperimentFacts facts;
  private final int index;
  private final int day;
  private final int entryDay;
  private final long dayEndsAt;
  private final StatisticsConfig statistics;
  private final AttributionOutput out;

  private AppendedEvent(
      Contributions contributions,
      ExperimentFacts facts,
      int index,
      ExperimentCalendar calendar,
      StatisticsConfig statistics,
      AttributionOutput out) {
    this.contributions = contributions;
    this.facts = facts;
    this.index = index;
    this.day = calendar.dayOf(facts.events.occurredAt(index));
    this.entryDay = calendar.dayOf(contributions.firstExposure());
    this.dayEndsAt = calendar.endOf(day);
    this.statistics = statistics;
    this.out = out;
  }

  /**
   * Adds an event to the user's contributions and sends the differences, in the common case.
   *
   * @param index of the event, whose id no other event has
   * @return false: this is not the common case, nothing was changed, and the caller must recompute
   *     the contributions
   */
  static boolean tryAdd(
      ExperimentFacts facts,
      int index,
      Dimensions dimensions,
      StatisticsConfig statistics,
      AttributionOutput out) {
    Contributions contributions = facts.contributions;
    ExperimentDimension experiment = dimensions.experiment(facts.experimentId);
    long occurredAt = facts.events.occurredAt(index);
    if (experiment == null) {
      return true;
    }
    if (isOfACovariate(facts, index, statistics)) {
      return false;
    }
    if (!experiment.isRunningAt(occurredAt)) {
      return true;
    }
    boolean exposure = facts.events.eventType(index).equals(statistics.exposureEvent());
    boolean exposed = contributions.firstExposure() != Contributions.NOT_EXPOSED;
    if (exposure
        && (!exposed
            || (statistics.population() == Population.EXPOSURE
                && occurredAt < contributions.firstExposure()))) {
      return false;
    }
    boolean member = exposed && !contributions.health().isEmpty();
    if (!member) {
      return true;
    }
    AppendedEvent event =
        new AppendedEvent(
            contributions, facts, index, dimensions.calendarOf(experiment), statistics, out);
    if ((exposure && event.makesACrossover()) || event.precedesACountedDay()) {
      return false;
    }
    event.add(exposure);
    return true;
  }

  private boolean makesACrossover() {
    AssignmentRow assignment = facts.assignment();
    return !contributions.crossover()
        && facts.events.variantId(index) != EventFacts.NO_VARIANT
        && facts.events.variantId(index) != assignment.variantId();
  }

  /** Such an event changes the increments of every day. */
  private static boolean isOfACovariate(
      ExperimentFacts facts, int index, StatisticsConfig statistics) {
    long firstExposure = facts.contributions.firstExposure();
    if (firstExposure == Contributions.NOT_EXPOSED) {
      return false;
    }
    for (MetricConfig metric : statistics.metrics()) {
      if (metric.eventType().equals(facts.events.eventType(index))
          && MetricHistory.isInCovariatePeriod(
              metric, firstExposure, facts.events.occurredAt(index))) {
        return true;
      }
    }
    return false;
  }

  /** The increments of a later day depend on those of this day. */
  private boolean precedesACountedDay() {
    if (contributions.daily().isEmpty()) {
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
    return countedValue(metric, metric.eventType(), metric.property());
  }

  private long denominator(MetricConfig metric) {
    MetricTerm denominator = metric.denominator();
    return denominator == null
        ? PropertyValue.NONE
        : countedValue(metric, denominator.eventType(), denominator.property());
  }

  private long countedValue(MetricConfig metric, String eventType, String property) {
    return eventType.equals(facts.events.eventType(index))
            && MetricHistory.isInWindow(
                metric, contributions.firstExposure(), facts.events.occurredAt(index))
        ? facts.events.countedValue(index, property)
        : PropertyValue.NONE;
  }

  private int lastCountedDay(MetricConfig metric) {
    int last = Integer.MIN_VALUE;
    for (Map.Entry<DailyKey, DailySums> entry : contributions.daily().entrySet()) {
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
      HealthKey key = Contributions.keyOf(facts, day);
      HealthCounts one = new HealthCounts(0, 0, 0, 1);
      contributions.health().merge(key, one, HealthCounts::plus);
      out.healthDifference(key, one);
    }
    if (contributions.daily().isEmpty()) {
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
        new DailyKey(facts.experimentId, facts.assignment().variantId(), metric.name(), day);
    DailySums before = contributions.daily().getOrDefault(key, DailySums.ZERO);
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
    contributions.daily().put(key, before.plus(difference));
    out.dailyDifference(key, difference, dayEndsAt);
  }

  private static BigInteger millionths(long value) {
    return value == PropertyValue.NONE ? BigInteger.ZERO : BigInteger.valueOf(value);
  }

  private DailySums total(MetricConfig metric) {
    DailySums total = DailySums.ZERO;
    for (Map.Entry<DailyKey, DailySums> entry : contributions.daily().entrySet()) {
      if (entry.getKey().metric().equals(metric.name())) {
        total = total.plus(entry.getValue());
      }
    }
    return total;
  }
}
