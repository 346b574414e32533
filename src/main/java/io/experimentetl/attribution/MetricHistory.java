package io.experimentetl.attribution;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.quality.PropertyValue;
import java.math.BigInteger;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What one user's events come to for one metric, day by day, and before the first exposure. */
final class MetricHistory {
  /** The metric's counted events of one day; values in millionths. */
  static final class Day {
    static final Day NOTHING = new Day();

    private long events;
    private boolean active;
    private BigInteger numerator = BigInteger.ZERO;
    private BigInteger denominator = BigInteger.ZERO;

    /** Of the numerator. */
    long events() {
      return events;
    }

    /** Whether an event of the numerator or the denominator counted. */
    boolean isActive() {
      return active;
    }

    BigInteger numerator() {
      return numerator;
    }

    BigInteger denominator() {
      return denominator;
    }
  }

  private static final int NO_TYPE = -1;

  private final MetricConfig metric;
  private final ExperimentFacts facts;
  private final int type;
  private final int denominatorType;
  private final Map<Integer, Day> days = new TreeMap<>();
  private BigInteger covariate = BigInteger.ZERO;

  private MetricHistory(MetricConfig metric, ExperimentFacts facts) {
    this.metric = metric;
    this.facts = facts;
    this.type = facts.typeNumber(metric.eventType());
    this.denominatorType =
        metric.denominator() == null ? NO_TYPE : facts.typeNumber(metric.denominator().eventType());
  }

  /** Of all metrics, in one pass over the events. */
  static List<MetricHistory> of(
      ExperimentFacts facts,
      List<MetricConfig> metrics,
      ExperimentDimension experiment,
      ExperimentCalendar clock,
      long firstExposure) {
    List<MetricHistory> histories = new ArrayList<>(metrics.size());
    for (MetricConfig metric : metrics) {
      histories.add(new MetricHistory(metric, facts));
    }
    for (int i = 0; i < facts.size(); i++) {
      if (facts.isSuperseded(i)) {
        continue;
      }
      long at = facts.occurredAt(i);
      boolean running = experiment.isRunningAt(at);
      for (MetricHistory history : histories) {
        if (running && isInWindow(history.metric, firstExposure, at)) {
          history.count(i, clock);
        } else if (isBefore(history.metric, firstExposure, at)) {
          history.countBefore(i);
        }
      }
    }
    return histories;
  }

  private void count(int at, ExperimentCalendar clock) {
    long numerator =
        facts.typeAt(at) == type ? facts.worth(at, metric.property()) : PropertyValue.NONE;
    long denominator =
        denominatorType != NO_TYPE && facts.typeAt(at) == denominatorType
            ? facts.worth(at, metric.denominator().property())
            : PropertyValue.NONE;
    if (numerator == PropertyValue.NONE && denominator == PropertyValue.NONE) {
      return;
    }
    Day day = days.computeIfAbsent(clock.dayOf(facts.occurredAt(at)), ignored -> new Day());
    day.active = true;
    if (numerator != PropertyValue.NONE) {
      day.events++;
      day.numerator = day.numerator.add(BigInteger.valueOf(numerator));
    }
    if (denominator != PropertyValue.NONE) {
      day.denominator = day.denominator.add(BigInteger.valueOf(denominator));
    }
  }

  private void countBefore(int at) {
    long value = facts.typeAt(at) == type ? facts.worth(at, metric.property()) : PropertyValue.NONE;
    if (value != PropertyValue.NONE) {
      covariate = covariate.add(BigInteger.valueOf(value));
    }
  }

  MetricConfig metric() {
    return metric;
  }

  Map<Integer, Day> days() {
    return days;
  }

  /** The total over the period before the first exposure, without cap. */
  BigInteger covariate() {
    return covariate;
  }

  /** Whether an event of the metric is late enough, and not too late, behind the first exposure. */
  static boolean isInWindow(MetricConfig metric, long firstExposure, long at) {
    long from = firstExposure + micros(metric.delay());
    return at >= from && (metric.window() == null || at < from + micros(metric.window()));
  }

  /**
   * Whether an event lies in the period of the covariate; the experiment need not have begun then.
   */
  static boolean isBefore(MetricConfig metric, long firstExposure, long at) {
    return metric.covariate() != null
        && at < firstExposure
        && at >= firstExposure - micros(metric.covariate());
  }

  private static long micros(Duration duration) {
    return Math.addExact(
        Math.multiplyExact(duration.getSeconds(), 1_000_000L), duration.getNano() / 1000);
  }
}
