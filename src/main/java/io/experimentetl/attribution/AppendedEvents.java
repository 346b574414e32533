package io.experimentetl.attribution;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Adds new events to a user's figures without reading the other events. This is possible in the
 * common case: each event counts on the last counted day of its metrics or later, and none belongs
 * to a covariate. {@link Contributions#of} would compute the same from all facts.
 */
final class AppendedEvents {
  private final ExperimentFacts facts;
  private final ExperimentCalendar calendar;
  private final FigureDifferences differences;
  private final List<MetricHistory> histories;
  private final TreeMap<Integer, Long> exposuresByDay = new TreeMap<>();

  private AppendedEvents(
      ExperimentFacts facts,
      ExperimentCalendar calendar,
      FigureDifferences differences,
      List<MetricHistory> histories) {
    this.facts = facts;
    this.calendar = calendar;
    this.differences = differences;
    this.histories = histories;
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
    List<MetricHistory> histories =
        Contributions.histories(
            metrics.of(facts.appended),
            member,
            calendar.dayOf(member.firstExposure()),
            statistics.crossover());
    AppendedEvents appended = new AppendedEvents(facts, calendar, differences, histories);
    MetricHistories read = new MetricHistories(histories, experiment, calendar, member);
    for (EventFact event : facts.appended) {
      read.add(event);
      if (Exposures.isExposure(event, experiment, statistics)) {
        appended.exposuresByDay.merge(calendar.dayOf(event.occurredAt()), 1L, Long::sum);
      }
    }
    for (MetricHistory history : histories) {
      if (history.hasCovariate() || appended.precedesACountedDay(history)) {
        return false;
      }
    }
    appended.add();
    return true;
  }

  /** The increments of a later day depend on those of the days before. */
  private boolean precedesACountedDay(MetricHistory history) {
    return !history.days().isEmpty()
        && history.days().firstKey() < facts.figures.total(history.metric().name()).lastDay();
  }

  private void add() {
    exposuresByDay.forEach(
        (day, count) -> {
          HealthKey key = Contributions.keyOf(facts, day);
          differences.add(key, new HealthCounts(0, 0, 0, count));
        });
    for (MetricHistory history : histories) {
      if (!history.days().isEmpty() || !exposuresByDay.isEmpty()) {
        add(history);
      }
    }
  }

  private void add(MetricHistory history) {
    MetricConfig metric = history.metric();
    Set<Integer> days = history.days().keySet();
    if (!exposuresByDay.isEmpty()) {
      days = new TreeSet<>(days);
      days.addAll(exposuresByDay.keySet());
    }
    MetricTotal total = facts.figures.total(metric.name());
    UserTotals totals = UserTotals.after(metric, total);
    for (int day : days) {
      DailyKey key =
          new DailyKey(facts.experimentId, facts.assignment().variantId(), metric.name(), day);
      DailySums before = facts.figures.daily(key);
      MetricHistory.Day of = history.days().getOrDefault(day, MetricHistory.Day.NOTHING);
      boolean isConverting = of.events() > 0;
      DailySums difference =
          Contributions.activity(
              exposuresByDay.getOrDefault(day, 0L),
              before.activeUsers() == 0,
              of.events(),
              isConverting && before.convertingUsers() == 0,
              isConverting && !total.converted());
      if (of.isActive()) {
        difference = difference.plus(totals.add(of.numerator(), of.denominator()));
        total = total.plus(difference, day);
      }
      differences.add(key, difference, calendar.endOf(day));
    }
    if (!history.days().isEmpty()) {
      facts.figures.set(FigureKey.ofTotal(metric.name()), total);
    }
  }
}
