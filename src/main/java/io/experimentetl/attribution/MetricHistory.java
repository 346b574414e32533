package io.experimentetl.attribution;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.quality.PropertyValue;
import java.math.BigInteger;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** One user's totals of one metric: for each day, and for the period before the first exposure. */
final class MetricHistory {
  /** The metric's counted events of one day; values in millionths. */
  static final class Day {
    static final Day NOTHING = new Day();

    private long count;
    private boolean active;
    private BigInteger numerator = BigInteger.ZERO;
    private BigInteger denominator = BigInteger.ZERO;

    /** Number of counted events of the numerator. */
    long events() {
      return count;
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
  private final EventFacts events;
  private final int type;
  private final int denominatorType;
  private final Map<Integer, Day> days = new TreeMap<>();
  private BigInteger covariate = BigInteger.ZERO;

  private MetricHistory(MetricConfig metric, EventFacts events) {
    this.metric = metric;
    this.events = events;
    this.type = events.typeNumber(metric.eventType());
    this.denominatorType =
        metric.denominator() == null
            ? NO_TYPE
            : events.typeNumber(metric.denominator().eventType());
  }

  /** The histories of all metrics, in one pass over the events. */
  static List<MetricHistory> of(
      EventFacts events,
      List<MetricConfig> metrics,
      ExperimentDimension experiment,
      ExperimentCalendar calendar,
      long firstExposure) {
    List<MetricHistory> histories = new ArrayList<>(metrics.size());
    for (MetricConfig metric : metrics) {
      histories.add(new MetricHistory(metric, events));
    }
    for (int i = 0; i < events.size(); i++) {
      if (events.isSuperseded(i)) {
        continue;
      }
      long occurredAt = events.occurredAt(i);
      boolean running = experiment.isRunningAt(occurredAt);
      for (MetricHistory history : histories) {
        if (running && isInWindow(history.metric, firstExposure, occurredAt)) {
          history.count(i, calendar);
        } else if (isInCovariatePeriod(history.metric, firstExposure, occurredAt)) {
          history.countCovariate(i);
        }
      }
    }
    return histories;
  }

  private void count(int index, ExperimentCalendar calendar) {
    long numerator =
        events.typeNumber(index) == type
            ? events.countedValue(index, metric.property())
            : PropertyValue.NONE;
    long denominator =
        denominatorType != NO_TYPE && events.typeNumber(index) == denominatorType
            ? events.countedValue(index, metric.denominator().property())
            : PropertyValue.NONE;
    if (numerator == PropertyValue.NONE && denominator == PropertyValue.NONE) {
      return;
    }
    Day day = days.computeIfAbsent(calendar.dayOf(events.occurredAt(index)), ignored -> new Day());
    day.active = true;
    if (numerator != PropertyValue.NONE) {
      day.count++;
      day.numerator = day.numerator.add(BigInteger.valueOf(numerator));
    }
    if (denominator != PropertyValue.NONE) {
      day.denominator = day.denominator.add(BigInteger.valueOf(denominator));
    }
  }

  private void countCovariate(int index) {
    long value =
        events.typeNumber(index) == type
            ? events.countedValue(index, metric.property())
            : PropertyValue.NONE;
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

  /** Whether the time is in the metric's window after the first exposure. */
  static boolean isInWindow(MetricConfig metric, long firstExposure, long occurredAt) {
    long from = firstExposure + micros(metric.delay());
    return occurredAt >= from
        && (metric.window() == null || occurredAt < from + micros(metric.window()));
  }

  /**
   * Whether the time lies in the covariate's period, which may be before the experiment's start.
   */
  static boolean isInCovariatePeriod(MetricConfig metric, long firstExposure, long occurredAt) {
    return metric.covariate() != null
        && occurredAt < firstExposure
        && occurredAt >= firstExposure - micros(metric.covariate());
  }

  private static long micros(Duration duration) {
    return Math.addExact(
        Math.multiplyExact(duration.getSeconds(), 1_000_000L), duration.getNano() / 1000);
  }
}
