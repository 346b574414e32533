package io.experimentetl.attribution;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.quality.PropertyValue;
import java.math.BigInteger;
import java.time.Duration;
import java.util.Collections;
import java.util.SortedMap;
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

  private final MetricConfig metric;

  /** Empty and immutable until a day counts. */
  private SortedMap<Integer, Day> days = Collections.emptySortedMap();

  private BigInteger covariate = BigInteger.ZERO;

  MetricHistory(MetricConfig metric) {
    this.metric = metric;
  }

  void count(EventFact event, ExperimentCalendar calendar) {
    long numerator = numeratorOf(metric, event);
    long denominator = denominatorOf(metric, event);
    if (numerator == PropertyValue.NONE && denominator == PropertyValue.NONE) {
      return;
    }
    if (days.isEmpty()) {
      days = new TreeMap<>();
    }
    Day day = days.computeIfAbsent(calendar.dayOf(event.occurredAt()), ignored -> new Day());
    day.active = true;
    if (numerator != PropertyValue.NONE) {
      day.count++;
      day.numerator = day.numerator.add(BigInteger.valueOf(numerator));
    }
    if (denominator != PropertyValue.NONE) {
      day.denominator = day.denominator.add(BigInteger.valueOf(denominator));
    }
  }

  /** What the event adds to the metric's numerator, in millionths or {@link PropertyValue#NONE}. */
  static long numeratorOf(MetricConfig metric, EventFact event) {
    return countedValue(event, metric.eventType(), metric.property(), metric.fact());
  }

  /** The same for the denominator. */
  static long denominatorOf(MetricConfig metric, EventFact event) {
    return metric.denominator() == null
        ? PropertyValue.NONE
        : countedValue(
            event,
            metric.denominator().eventType(),
            metric.denominator().property(),
            metric.denominator().fact());
  }

  /**
   * Without a {@link io.experimentetl.config.MetricTerm}: it is called for each event and metric.
   */
  private static long countedValue(
      EventFact event, String eventType, String property, String fact) {
    return event.eventType().equals(eventType) && (fact == null || fact.equals(event.fact()))
        ? event.countedValue(property)
        : PropertyValue.NONE;
  }

  void countCovariate(EventFact event) {
    long value = numeratorOf(metric, event);
    if (value != PropertyValue.NONE) {
      covariate = covariate.add(BigInteger.valueOf(value));
    }
  }

  MetricConfig metric() {
    return metric;
  }

  SortedMap<Integer, Day> days() {
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
