package io.experimentetl.attribution;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.quality.PropertyValue;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/**
 * Adds new events to a user's figures without reading the other events. This is possible in the
 * common case: each event counts on the last counted day of its metrics or later, and none belongs
 * to a covariate. {@link Contributions#of} would compute the same from all facts.
 *
 * <p>Mostly there is one event: so there are arrays and loops here instead of maps.
 */
final class AppendedEvents {
  private static final int NO_DAY = Integer.MAX_VALUE;

  private final ExperimentFacts facts;
  private final ExperimentCalendar calendar;
  private final FigureDifferences differences;
  private final long firstExposure;

  /** In the order of their days, which is not always that of their times: clocks are put back. */
  private final List<EventFact> events;

  /** The day of each event. */
  private final int[] days;

  /** Whether the experiment was running at the time of each event. */
  private final boolean[] running;

  /** Whether each event is an exposure that counts. */
  private final boolean[] exposures;

  private AppendedEvents(
      ExperimentFacts facts,
      ExperimentDimension experiment,
      ExperimentCalendar calendar,
      StatisticsConfig statistics,
      FigureDifferences differences) {
    this.facts = facts;
    this.calendar = calendar;
    this.differences = differences;
    this.firstExposure = facts.membership.firstExposure();
    this.events = inOrder(facts.appended, calendar);
    this.days = new int[events.size()];
    this.running = new boolean[days.length];
    this.exposures = new boolean[days.length];
    for (int i = 0; i < days.length; i++) {
      EventFact event = events.get(i);
      days[i] = calendar.dayOf(event.occurredAt());
      running[i] = experiment.isRunningAt(event.occurredAt());
      exposures[i] = Exposures.isExposure(event, experiment, statistics);
    }
  }

  /**
   * Adds the events that were appended to the facts, and sends the differences, in the common case.
   * They change neither the first exposure nor the variants that the user was seen in.
   *
   * @return false: this is not the common case, nothing was changed, and the caller must compute
   *     the contributions of all facts
   */
  static boolean tryAdd(
      ExperimentFacts facts,
      Dimensions dimensions,
      StatisticsConfig statistics,
      MetricIndex metrics,
      FigureDifferences differences) {
    Membership member = facts.membership;
    ExperimentDimension experiment = dimensions.experiment(facts.experimentId);
    if (!member.counts() || !member.isExposed()) {
      return true;
    }
    ExperimentCalendar calendar = dimensions.calendarOf(experiment);
    AppendedEvents appended =
        new AppendedEvents(facts, experiment, calendar, statistics, differences);
    Collection<MetricConfig> touched =
        member.crossover() && statistics.crossover() != CrossoverPolicy.FIRST
            ? List.of()
            : metrics.of(facts.appended);
    int exposureDay = calendar.dayOf(member.firstExposure());
    for (MetricConfig metric : touched) {
      if (metric.isOpenTo(exposureDay) && !appended.canAdd(metric)) {
        return false;
      }
    }
    for (int from = 0; from < appended.days.length; ) {
      int end = appended.endOfDay(from);
      long exposures = appended.addExposures(from, end);
      for (MetricConfig metric : touched) {
        if (metric.isOpenTo(exposureDay)) {
          appended.add(metric, exposures, from, end);
        }
      }
      from = end;
    }
    return true;
  }

  private static List<EventFact> inOrder(List<EventFact> events, ExperimentCalendar calendar) {
    if (events.size() == 1) {
      return events;
    }
    List<EventFact> ordered = new ArrayList<>(events);
    ordered.sort(Comparator.comparingInt(event -> calendar.dayOf(event.occurredAt())));
    return ordered;
  }

  /** Where the events of the day end whose first event has this index. */
  private int endOfDay(int from) {
    int end = from + 1;
    while (end < days.length && days[end] == days[from]) {
      end++;
    }
    return end;
  }

  /** The increments of a later day depend on those of the days before. */
  private boolean canAdd(MetricConfig metric) {
    int first = NO_DAY;
    for (int i = 0; i < days.length; i++) {
      EventFact event = events.get(i);
      if (isCounted(metric, i)) {
        if (MetricHistory.numeratorOf(metric, event) != PropertyValue.NONE
            || MetricHistory.denominatorOf(metric, event) != PropertyValue.NONE) {
          first = Math.min(first, days[i]);
        }
      } else if (MetricHistory.isInCovariatePeriod(metric, firstExposure, event.occurredAt())
          && MetricHistory.numeratorOf(metric, event) != PropertyValue.NONE) {
        return false;
      }
    }
    return first == NO_DAY || first >= facts.figures.total(metric.name()).lastDay();
  }

  private boolean isCounted(MetricConfig metric, int index) {
    return running[index]
        && MetricHistory.isInWindow(metric, firstExposure, events.get(index).occurredAt());
  }

  /** Adds the exposures of a day, and returns their number. */
  private long addExposures(int from, int end) {
    long count = 0;
    for (int i = from; i < end; i++) {
      count += exposures[i] ? 1 : 0;
    }
    if (count > 0) {
      differences.add(Contributions.keyOf(facts, days[from]), new HealthCounts(0, 0, 0, count));
    }
    return count;
  }

  /** Adds the events of a day to a metric. */
  private void add(MetricConfig metric, long exposuresOnDay, int from, int end) {
    int day = days[from];
    long count = 0;
    boolean isActive = false;
    BigInteger toNumerator = BigInteger.ZERO;
    BigInteger toDenominator = BigInteger.ZERO;
    for (int i = from; i < end; i++) {
      if (isCounted(metric, i)) {
        long numerator = MetricHistory.numeratorOf(metric, events.get(i));
        long denominator = MetricHistory.denominatorOf(metric, events.get(i));
        if (numerator != PropertyValue.NONE) {
          isActive = true;
          count++;
          toNumerator = toNumerator.add(BigInteger.valueOf(numerator));
        }
        if (denominator != PropertyValue.NONE) {
          isActive = true;
          toDenominator = toDenominator.add(BigInteger.valueOf(denominator));
        }
      }
    }
    if (!isActive && exposuresOnDay == 0) {
      return;
    }
    FigureKey figure = FigureKey.ofDay(metric.name(), facts.assignment().variantId(), day);
    DailySums before = facts.figures.daily(figure);
    boolean isConverting = count > 0;
    MetricTotal total = isActive ? facts.figures.total(metric.name()) : MetricTotal.ZERO;
    DailySums difference =
        Contributions.activity(
            exposuresOnDay,
            before.activeUsers() == 0,
            count,
            isConverting && before.convertingUsers() == 0,
            isConverting && !total.converted());
    if (isActive) {
      difference = UserTotals.after(metric, total).add(difference, toNumerator, toDenominator);
      facts.figures.set(FigureKey.ofTotal(metric.name()), total.plus(difference, day));
    }
    DailyKey key = figure.daily(facts.experimentId);
    differences.add(figure, key, before.plus(difference), difference, calendar.endOf(day));
  }
}
