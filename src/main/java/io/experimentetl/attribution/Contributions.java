package io.experimentetl.attribution;

import io.experimentetl.config.CrossoverPolicy;
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
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What one user contributes to one experiment, as a pure function of the user's facts there: no
 * matter in which order they came. When a fact changes, the difference between the new and the old
 * result is what the statistics change by.
 *
 * @param daily figures per (variant, metric, day); {@link AppendedEvent} adds to them
 * @param health figures per (variant, day)
 * @param firstExposure microseconds since 1970 in UTC; {@link #NOT_EXPOSED} where the user was not
 *     exposed
 * @param crossover the user was seen in more than one variant
 */
record Contributions(
    Map<DailyKey, DailySums> daily,
    Map<HealthKey, HealthCounts> health,
    long firstExposure,
    boolean crossover) {

  /** Later than any event. */
  static final long NOT_EXPOSED = Long.MAX_VALUE;

  static final Contributions NONE = new Contributions(Map.of(), Map.of(), NOT_EXPOSED, false);

  static Contributions of(
      ExperimentFacts facts, Dimensions dimensions, StatisticsConfig statistics) {
    ExperimentDimension experiment = dimensions.experiment(facts.experimentId);
    if (experiment == null) {
      return NONE;
    }
    DayClock clock = dimensions.clockOf(experiment);
    AssignmentRow assignment = facts.assignment;
    int exposureType = facts.typeNumber(statistics.exposureEvent());

    long firstExposure = NOT_EXPOSED;
    boolean seenElsewhere = false;
    Map<Integer, Long> exposuresByDay = new TreeMap<>();
    for (int i = 0; i < facts.size(); i++) {
      if (facts.typeAt(i) == exposureType
          && experiment.isRunningAt(facts.occurredAt(i))
          && !facts.isSuperseded(i)) {
        firstExposure = Math.min(firstExposure, facts.occurredAt(i));
        exposuresByDay.merge(clock.dayOf(facts.occurredAt(i)), 1L, Long::sum);
        seenElsewhere |=
            assignment != null
                && facts.variantId(i) != ExperimentFacts.NO_VARIANT
                && facts.variantId(i) != assignment.variantId();
      }
    }
    if (statistics.population() != Population.EXPOSURE) {
      firstExposure = entryByAssignment(assignment, experiment, statistics.population());
    }
    if (assignment == null
        || !isRandom(assignment)
        || !belongs(dimensions.variant(assignment.variantId()), experiment)) {
      return new Contributions(Map.of(), Map.of(), firstExposure, false);
    }

    boolean exposed = firstExposure != NOT_EXPOSED;
    boolean crossover = exposed && seenElsewhere;
    Map<HealthKey, HealthCounts> health = new HashMap<>();
    addHealth(health, facts, clock.dayOf(assignment.assignedAt()), new HealthCounts(1, 0, 0, 0));
    Map<DailyKey, DailySums> daily = new HashMap<>();
    if (exposed) {
      int exposureDay = clock.dayOf(firstExposure);
      addHealth(health, facts, exposureDay, new HealthCounts(0, 1, crossover ? 1 : 0, 0));
      exposuresByDay.forEach(
          (day, count) -> addHealth(health, facts, day, new HealthCounts(0, 0, 0, count)));
      if (!crossover || statistics.crossover() == CrossoverPolicy.FIRST) {
        for (MetricConfig metric : statistics.metrics()) {
          addMetric(daily, facts, metric, experiment, clock, firstExposure, exposuresByDay);
        }
      }
    }
    return new Contributions(daily, health, firstExposure, crossover);
  }

  /** Whether the assignment was drawn at random; forced and overridden ones don't count. */
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
    health.merge(
        new HealthKey(facts.experimentId, facts.assignment.variantId(), day),
        counts,
        HealthCounts::plus);
  }

  /** The metric's counted events of one day. */
  private static final class Day {
    private long events;
    private BigInteger sum = BigInteger.ZERO;
  }

  private static void addMetric(
      Map<DailyKey, DailySums> daily,
      ExperimentFacts facts,
      MetricConfig metric,
      ExperimentDimension experiment,
      DayClock clock,
      long firstExposure,
      Map<Integer, Long> exposuresByDay) {
    Map<Integer, Day> counted = countedDays(facts, metric, experiment, clock, firstExposure);
    int exposureDay = clock.dayOf(firstExposure);
    Set<Integer> days = new TreeSet<>(counted.keySet());
    days.addAll(exposuresByDay.keySet());
    days.add(exposureDay);

    BigInteger total = BigInteger.ZERO;
    boolean converted = false;
    for (int day : days) {
      Day of = counted.get(day);
      long exposures = exposuresByDay.getOrDefault(day, 0L);
      boolean converting = of != null;
      boolean newConverter = converting && !converted;
      BigInteger increment = BigInteger.ZERO;
      BigInteger squareIncrement = BigInteger.ZERO;
      if (metric.kind() == MetricKind.PROPORTION) {
        increment = newConverter ? ONE : BigInteger.ZERO;
        squareIncrement = newConverter ? ONE_SQUARED : BigInteger.ZERO;
      } else if (converting) {
        increment = of.sum;
        squareIncrement = total.shiftLeft(1).add(of.sum).multiply(of.sum);
        total = total.add(of.sum);
      }
      converted |= converting;
      daily.put(
          new DailyKey(facts.experimentId, facts.assignment.variantId(), metric.name(), day),
          new DailySums(
              exposures,
              exposures > 0 || converting ? 1 : 0,
              converting ? 1 : 0,
              converting ? of.events : 0,
              metric.kind() == MetricKind.MEAN && converting ? of.sum : BigInteger.ZERO,
              day == exposureDay ? 1 : 0,
              newConverter ? 1 : 0,
              increment,
              squareIncrement));
    }
  }

  /** One, in millionths, and its square, in millionths of millionths. */
  static final BigInteger ONE = BigInteger.TEN.pow(6);

  static final BigInteger ONE_SQUARED = BigInteger.TEN.pow(12);

  private static Map<Integer, Day> countedDays(
      ExperimentFacts facts,
      MetricConfig metric,
      ExperimentDimension experiment,
      DayClock clock,
      long firstExposure) {
    int type = facts.typeNumber(metric.eventType());
    if (type < 0) {
      return Map.of();
    }
    boolean mean = metric.kind() == MetricKind.MEAN;
    int property = mean ? facts.propertyNumber(metric.property()) : -1;
    Map<Integer, Day> counted = new TreeMap<>();
    for (int i = 0; i < facts.size(); i++) {
      long at = facts.occurredAt(i);
      if (facts.typeAt(i) != type
          || !isInWindow(metric, firstExposure, at)
          || !experiment.isRunningAt(at)
          || facts.isSuperseded(i)) {
        continue;
      }
      long value = mean ? (property < 0 ? PropertyValue.NONE : facts.value(i, property)) : 0;
      if (value != PropertyValue.NONE) {
        Day day = counted.computeIfAbsent(clock.dayOf(at), ignored -> new Day());
        day.events++;
        day.sum = value == 0 ? day.sum : day.sum.add(BigInteger.valueOf(value));
      }
    }
    return counted;
  }

  /** Whether an event of the metric is late enough, and not too late, behind the first exposure. */
  static boolean isInWindow(MetricConfig metric, long firstExposure, long at) {
    long from = firstExposure + micros(metric.delay());
    return at >= from && (metric.window() == null || at < from + micros(metric.window()));
  }

  private static long micros(Duration duration) {
    return Math.addExact(
        Math.multiplyExact(duration.getSeconds(), 1_000_000L), duration.getNano() / 1000);
  }
}
