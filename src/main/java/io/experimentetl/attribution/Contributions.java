package io.experimentetl.attribution;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.Population;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AllocationPhase;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.quality.AssignmentChecks;
import java.math.BigInteger;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * One user's contribution to the statistics of one experiment, as a pure function of the user's
 * facts there, independent of the order of their arrival. When a fact changes, the statistics
 * change by the difference between the new and the old result.
 *
 * @param daily figures per (variant, metric, day); {@link AppendedEvent} adds to them
 * @param health figures per (variant, day)
 * @param firstExposure microseconds since 1970 in UTC; or {@link #NOT_EXPOSED}
 * @param crossover the user was seen in more than one variant
 * @param enrolmentGap between enrolment and first exposure, microseconds; 0: one of them is absent
 */
record Contributions(
    Map<DailyKey, DailySums> daily,
    Map<HealthKey, HealthCounts> health,
    long firstExposure,
    boolean crossover,
    long enrolmentGap) {

  /** Later than any event. */
  static final long NOT_EXPOSED = Long.MAX_VALUE;

  static final Contributions NONE = new Contributions(Map.of(), Map.of(), NOT_EXPOSED, false, 0);

  static Contributions of(
      ExperimentFacts facts, Dimensions dimensions, StatisticsConfig statistics) {
    ExperimentDimension experiment = dimensions.experiment(facts.experimentId);
    if (experiment == null) {
      return NONE;
    }
    ExperimentCalendar calendar = dimensions.calendarOf(experiment);
    AssignmentRow assignment = facts.assignment();
    int exposureType = facts.events.typeNumber(statistics.exposureEvent());

    long firstExposure = NOT_EXPOSED;
    boolean seenElsewhere = false;
    Map<Integer, Long> exposuresByDay = new TreeMap<>();
    for (int i = 0; i < facts.events.size(); i++) {
      if (facts.events.typeNumber(i) == exposureType
          && experiment.isRunningAt(facts.events.occurredAt(i))
          && !facts.events.isSuperseded(i)) {
        firstExposure = Math.min(firstExposure, facts.events.occurredAt(i));
        exposuresByDay.merge(calendar.dayOf(facts.events.occurredAt(i)), 1L, Long::sum);
        seenElsewhere |=
            assignment != null
                && facts.events.variantId(i) != EventFacts.NO_VARIANT
                && facts.events.variantId(i) != assignment.variantId();
      }
    }
    long enrolmentGap = AssignmentChecks.enrolmentGap(assignment, firstExposure);
    if (statistics.population() != Population.EXPOSURE) {
      firstExposure = entryByAssignment(assignment, experiment, statistics.population());
    }
    if (assignment == null
        || !isRandom(assignment)
        || !belongs(dimensions.variant(assignment.variantId()), experiment)) {
      return new Contributions(Map.of(), Map.of(), firstExposure, false, enrolmentGap);
    }

    boolean exposed = firstExposure != NOT_EXPOSED;
    boolean crossover = exposed && seenElsewhere;
    Map<HealthKey, HealthCounts> health = new HashMap<>();
    int assignedDay = calendar.dayOf(assignment.assignedAt());
    health.put(assignedKey(facts, assignedDay, dimensions), new HealthCounts(1, 0, 0, 0));
    Map<DailyKey, DailySums> daily = new HashMap<>();
    if (exposed) {
      int exposureDay = calendar.dayOf(firstExposure);
      addHealth(health, facts, exposureDay, new HealthCounts(0, 1, crossover ? 1 : 0, 0));
      exposuresByDay.forEach(
          (day, count) -> addHealth(health, facts, day, new HealthCounts(0, 0, 0, count)));
      if (!crossover || statistics.crossover() == CrossoverPolicy.FIRST) {
        List<MetricConfig> open =
            statistics.metrics().stream().filter(metric -> metric.isOpenTo(exposureDay)).toList();
        for (MetricHistory metric :
            MetricHistory.of(facts.events, open, experiment, calendar, firstExposure)) {
          addMetric(daily, facts, metric, exposureDay, exposuresByDay);
        }
      }
    }
    return new Contributions(daily, health, firstExposure, crossover, enrolmentGap);
  }

  /** Sends the differences of the days between two results. */
  static void sendDaily(
      Map<DailyKey, DailySums> before,
      Map<DailyKey, DailySums> after,
      ExperimentCalendar calendar,
      AttributionOutput out) {
    after.forEach(
        (key, sums) -> {
          DailySums old = before.get(key);
          if (!sums.equals(old)) {
            out.dailyDifference(
                key, old == null ? sums : sums.plus(old.negate()), calendar.endOf(key.dayEpoch()));
          }
        });
    before.forEach(
        (key, sums) -> {
          if (!after.containsKey(key)) {
            out.dailyDifference(key, sums.negate(), calendar.endOf(key.dayEpoch()));
          }
        });
  }

  /** Whether the assignment is random; forced and overridden ones don't count. */
  static boolean isRandom(AssignmentRow assignment) {
    return !assignment.source().equals("override") && !assignment.source().equals("forced");
  }

  private static boolean belongs(VariantDimension variant, ExperimentDimension experiment) {
    return variant != null && variant.experimentId() == experiment.id();
  }

  private static long entryByAssignment(
      AssignmentRow assignment, ExperimentDimension experiment, Population population) {
    if (assignment == null) {
      return NOT_EXPOSED;
    }
    Long entry =
        population == Population.ENROLLED
            ? assignment.enrolledAt()
            : Long.valueOf(assignment.assignedAt());
    return entry != null && experiment.isRunningAt(entry) ? entry : NOT_EXPOSED;
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
          activity(
                  exposures,
                  exposures > 0 || of.isActive(),
                  of.events(),
                  converting,
                  converting && !converted)
              .plus(totals.add(of.numerator(), of.denominator()));
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
