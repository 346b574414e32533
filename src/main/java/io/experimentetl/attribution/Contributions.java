package io.experimentetl.attribution;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AllocationPhase;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * One user's contribution to the statistics of one experiment, as a pure function of the user's
 * facts there and of those that name no experiment, independent of the order of their arrival. When
 * a fact changes, the statistics change by the difference between the new and the old result.
 *
 * @param daily figures per (variant, metric, day)
 * @param health figures per (variant, day)
 */
record Contributions(Map<DailyKey, DailySums> daily, Map<HealthKey, HealthCounts> health) {
  static final Contributions NONE = new Contributions(Map.of(), Map.of());

  /**
   * The contributions of facts whose exposures are not known.
   *
   * @param shared see {@link SharedFacts#of}
   */
  static Contributions of(
      ExperimentFacts facts,
      EventFacts shared,
      Dimensions dimensions,
      StatisticsConfig statistics) {
    Exposures exposures =
        Exposures.of(facts.events, dimensions.experiment(facts.experimentId), statistics);
    return of(
        facts,
        shared,
        Membership.of(facts, exposures, dimensions, statistics),
        dimensions,
        statistics);
  }

  /**
   * The contributions of a member.
   *
   * @param shared see {@link SharedFacts#of}
   */
  static Contributions of(
      ExperimentFacts facts,
      EventFacts shared,
      Membership member,
      Dimensions dimensions,
      StatisticsConfig statistics) {
    if (!member.counts()) {
      return NONE;
    }
    ExperimentDimension experiment = dimensions.experiment(facts.experimentId);
    ExperimentCalendar calendar = dimensions.calendarOf(experiment);
    Map<HealthKey, HealthCounts> health = new HashMap<>();
    int assignedDay = calendar.dayOf(facts.assignment().assignedAt());
    health.put(assignedKey(facts, assignedDay, dimensions), new HealthCounts(1, 0, 0, 0));
    Map<DailyKey, DailySums> daily = new HashMap<>();
    if (member.isExposed()) {
      int exposureDay = calendar.dayOf(member.firstExposure());
      addHealth(health, facts, exposureDay, new HealthCounts(0, 1, member.crossover() ? 1 : 0, 0));
      List<MetricHistory> histories =
          histories(statistics.metrics(), member, exposureDay, statistics.crossover());
      MetricHistories read = new MetricHistories(histories, experiment, calendar, member);
      Map<Integer, Long> exposuresByDay = new TreeMap<>();
      facts.events.forEachId(
          sameId -> {
            EventFact event = EventFact.counted(sameId);
            read.add(event);
            if (Exposures.isExposure(event, experiment, statistics)) {
              exposuresByDay.merge(calendar.dayOf(event.occurredAt()), 1L, Long::sum);
            }
          });
      shared.forEachId(
          sameId -> {
            EventFact event = EventFact.counted(sameId);
            if (!event.eventType().equals(statistics.exposureEvent())) {
              read.add(event);
            }
          });
      exposuresByDay.forEach(
          (day, count) -> addHealth(health, facts, day, new HealthCounts(0, 0, 0, count)));
      for (MetricHistory history : histories) {
        addMetric(daily, facts, history, exposureDay, exposuresByDay);
      }
    }
    return new Contributions(daily, health);
  }

  /** Empty histories of those metrics in which a member counts. */
  static List<MetricHistory> histories(
      Collection<MetricConfig> metrics,
      Membership member,
      int exposureDay,
      CrossoverPolicy crossover) {
    List<MetricHistory> histories = new ArrayList<>(metrics.size());
    if (!member.crossover() || crossover == CrossoverPolicy.FIRST) {
      for (MetricConfig metric : metrics) {
        if (metric.isOpenTo(exposureDay)) {
          histories.add(new MetricHistory(metric));
        }
      }
    }
    return histories;
  }

  private static void addHealth(
      Map<HealthKey, HealthCounts> health, ExperimentFacts facts, int day, HealthCounts counts) {
    health.merge(keyOf(facts, day), counts, HealthCounts::plus);
  }

  private static HealthKey assignedKey(ExperimentFacts facts, int day, Dimensions dimensions) {
    AssignmentRow assignment = facts.assignment();
    int phase =
        dimensions
            .allocationOf(facts.experimentId)
            .phaseOf(facts.sequenceOf(assignment.id()), assignment.assignedAt());
    return new HealthKey(facts.experimentId, assignment.variantId(), day, phase);
  }

  /** The key of a user's exposures on a day. */
  static HealthKey keyOf(ExperimentFacts facts, int day) {
    return new HealthKey(
        facts.experimentId, facts.assignment().variantId(), day, AllocationPhase.UNKNOWN);
  }

  private static void addMetric(
      Map<DailyKey, DailySums> daily,
      ExperimentFacts facts,
      MetricHistory history,
      int exposureDay,
      Map<Integer, Long> exposuresByDay) {
    Set<Integer> days = new TreeSet<>(history.days().keySet());
    days.addAll(exposuresByDay.keySet());
    days.add(exposureDay);

    UserTotals totals = UserTotals.before(history.metric(), history.covariate());
    boolean converted = false;
    for (int day : days) {
      long exposures = exposuresByDay.getOrDefault(day, 0L);
      MetricHistory.Day of = history.days().getOrDefault(day, MetricHistory.Day.NOTHING);
      boolean converting = of.events() > 0;
      DailySums sums =
          totals.add(
              activity(
                  exposures,
                  exposures > 0 || of.isActive(),
                  of.events(),
                  converting,
                  converting && !converted),
              of.numerator(),
              of.denominator());
      daily.put(
          new DailyKey(
              facts.experimentId, facts.assignment().variantId(), history.metric().name(), day),
          day == exposureDay ? sums.plus(totals.entry()) : sums);
      converted |= converting;
    }
  }

  /** One user's counts on a day. */
  static DailySums activity(
      long exposures, boolean active, long events, boolean converting, boolean newConverter) {
    return new DailySums(
        exposures,
        active ? 1 : 0,
        converting ? 1 : 0,
        events,
        BigInteger.ZERO,
        0,
        newConverter ? 1 : 0,
        BigInteger.ZERO,
        BigInteger.ZERO);
  }
}
