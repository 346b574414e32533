package io.experimentetl.config;

import java.io.Serializable;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.LocalDate;
import java.util.List;

/**
 * A metric, computed for every experiment.
 *
 * @param name stands in {@code experiment_daily_stats.metric}
 * @param eventType the events that count; of a ratio: in its numerator
 * @param property the key in the event's properties that holds the value; null: each event is one.
 *     A mean has one, a proportion and a count have none, a ratio's numerator may have one
 * @param delay events count from this long after the user's first exposure
 * @param window events count for this long from then on; null: until the experiment ends
 * @param denominator of a ratio; null for all else
 * @param cap at any time the user's total so far (of a ratio: the numerator's) counts as no more
 *     than this; null: no limit
 * @param covariate length of the period before the user's first exposure whose events make the
 *     user's covariate x: the same total over it, under the same cap; null: none
 * @param since users count whose first exposure lies on or after this day of the experiment's zone;
 *     null: all users
 */
public record MetricConfig(
    String name,
    MetricKind kind,
    String eventType,
    String property,
    Duration delay,
    Duration window,
    MetricTerm denominator,
    BigDecimal cap,
    Duration covariate,
    LocalDate since)
    implements Serializable {

  public MetricConfig {
    cap = cap == null ? null : cap.stripTrailingZeros();
  }

  /** A proportion without delay or window. */
  public static MetricConfig proportion(String name, String eventType) {
    return of(name, MetricKind.PROPORTION, eventType, null, null);
  }

  /** A mean without delay or window. */
  public static MetricConfig mean(String name, String eventType, String property) {
    return of(name, MetricKind.MEAN, eventType, property, null);
  }

  /** A count without delay or window. */
  public static MetricConfig count(String name, String eventType) {
    return of(name, MetricKind.COUNT, eventType, null, null);
  }

  /** A ratio without delay or window. */
  public static MetricConfig ratio(String name, MetricTerm numerator, MetricTerm denominator) {
    return of(name, MetricKind.RATIO, numerator.eventType(), numerator.property(), denominator);
  }

  private static MetricConfig of(
      String name, MetricKind kind, String eventType, String property, MetricTerm denominator) {
    return new MetricConfig(
        name, kind, eventType, property, Duration.ZERO, null, denominator, null, null, null);
  }

  /** The same within a window behind a delay. */
  public MetricConfig within(Duration newDelay, Duration newWindow) {
    return new MetricConfig(
        name, kind, eventType, property, newDelay, newWindow, denominator, cap, covariate, since);
  }

  /** The same with a cap. */
  public MetricConfig withCap(String newCap) {
    return new MetricConfig(
        name,
        kind,
        eventType,
        property,
        delay,
        window,
        denominator,
        new BigDecimal(newCap),
        covariate,
        since);
  }

  /** The same with a covariate. */
  public MetricConfig withCovariate(Duration period) {
    return new MetricConfig(
        name, kind, eventType, property, delay, window, denominator, cap, period, since);
  }

  /**
   * The same, of users first exposed on or after a day.
   *
   * @param day null: of all users
   */
  public MetricConfig withSince(LocalDate day) {
    return new MetricConfig(
        name, kind, eventType, property, delay, window, denominator, cap, covariate, day);
  }

  /**
   * Whether users of that day count.
   *
   * @param entryDay of the user's first exposure, days since 1970-01-01 in the experiment's zone
   */
  public boolean isOpenTo(int entryDay) {
    return since == null || entryDay >= since.toEpochDay();
  }

  /** What the metric adds up: the numerator, and a ratio's denominator. */
  public List<MetricTerm> terms() {
    MetricTerm numerator = new MetricTerm(eventType, property);
    return denominator == null ? List.of(numerator) : List.of(numerator, denominator);
  }

  /**
   * Savepoints hold it, and are compared with it: what a metric does not use is left out, so that a
   * setting that is added later does not look like a change.
   */
  @Override
  public String toString() {
    return "MetricConfig[name="
        + name
        + ", kind="
        + kind
        + ", eventType="
        + eventType
        + ", property="
        + property
        + ", delay="
        + delay
        + ", window="
        + window
        + (denominator == null ? "" : ", denominator=" + denominator)
        + (cap == null ? "" : ", cap=" + cap.toPlainString())
        + (covariate == null ? "" : ", covariate=" + covariate)
        + (since == null ? "" : ", since=" + since)
        + "]";
  }
}
