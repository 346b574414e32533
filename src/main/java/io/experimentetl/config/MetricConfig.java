package io.experimentetl.config;

import static io.experimentetl.config.ValueType.CENTURY;
import static io.experimentetl.config.ValueType.amount;
import static io.experimentetl.config.ValueType.choice;
import static io.experimentetl.config.ValueType.day;
import static io.experimentetl.config.ValueType.duration;
import static io.experimentetl.config.ValueType.identifier;
import static io.experimentetl.config.ValueType.text;

import java.io.Serializable;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.LocalDate;
import java.util.List;
import java.util.Set;

/**
 * A metric, computed for every experiment.
 *
 * @param name the value of {@code experiment_daily_stats.metric}
 * @param eventType the events that count; for a ratio, those of its numerator
 * @param property the key in the event's properties that holds the value; null: each event counts
 *     as 1. A mean needs one, a proportion and a count have none, a ratio's numerator may have one
 * @param fact the name of the table of metric events whose events count; for a ratio, those of its
 *     numerator; null: those of any table
 * @param delay events count from this time after the user's first exposure
 * @param window events count for this time from then on; null: until the experiment ends
 * @param denominator of a ratio; null for all other kinds
 * @param cap maximum of a user's total (of a ratio: of the numerator's) at any time; null: no limit
 * @param covariate length of the period before the user's first exposure whose events give the
 *     user's covariate x: the same total, with the same cap; null: none
 * @param since first day of exposure, in the experiment's zone, of the users who count; null: all
 *     users count
 * @param purpose what it is judged for
 */
public record MetricConfig(
    String name,
    MetricKind kind,
    String eventType,
    String property,
    String fact,
    Duration delay,
    Duration window,
    MetricTerm denominator,
    BigDecimal cap,
    Duration covariate,
    LocalDate since,
    MetricPurpose purpose)
    implements Serializable {

  public MetricConfig {
    cap = cap == null ? null : cap.stripTrailingZeros();
  }

  /**
   * @param names the metrics read before
   */
  static MetricConfig read(Section section, Set<String> names) {
    String need = "A metric needs a name, a kind and an event-type.";
    MetricConfig metric =
        new MetricConfig(
            section.required("name", identifier(), need),
            section.required("kind", choice(MetricKind.class), need),
            section.required("event-type", text(), need),
            section.optional("property", text()),
            section.optional("fact", identifier()),
            section.get("delay", duration(Duration.ZERO, CENTURY), Duration.ZERO),
            section.optional("window", duration(Duration.ofMillis(1), CENTURY)),
            section.optionalGroup("denominator", MetricTerm::read),
            section.optional("cap", amount()),
            section.optional("covariate", duration(Duration.ofMillis(1), CENTURY)),
            section.optional("since", day()),
            MetricPurpose.read(section));
    if (metric.name() != null && !names.add(metric.name())) {
      section.error(
          "name",
          "\"" + metric.name() + "\" is the name of another metric too.",
          "Give each metric its own name.");
    }
    if (metric.kind() != null) {
      metric.checkKind(section);
    }
    return metric;
  }

  /**
   * Reports settings that the kind requires and are missing, and settings without meaning for it.
   */
  private void checkKind(Section section) {
    String thisIs = "this is a " + kind.columnValue() + ".";
    if (kind == MetricKind.MEAN && property == null) {
      section.error(
          "property", "is missing.", "A mean needs the property that holds the event's value.");
    }
    if ((kind == MetricKind.PROPORTION || kind == MetricKind.COUNT) && property != null) {
      section.error(
          "property",
          "belongs to a mean or a ratio, and " + thisIs,
          "Remove it, or set kind: mean.");
    }
    if (kind == MetricKind.RATIO && section.isEmpty("denominator")) {
      section.error(
          "denominator",
          "is missing.",
          "A ratio needs the group denominator with an event-type and, optionally, a property.");
    }
    if (kind != MetricKind.RATIO && denominator != null) {
      section.error(
          "denominator", "belongs to a ratio, and " + thisIs, "Remove it, or set kind: ratio.");
    }
    if (kind == MetricKind.PROPORTION && cap != null) {
      section.error(
          "cap",
          "has no meaning for a proportion, whose users count as 0 or 1.",
          "Remove it, or set kind: count.");
    }
    if (kind == MetricKind.RATIO && covariate != null) {
      section.error(
          "covariate",
          "is not computed for a ratio.",
          "Remove it, and declare the numerator as a separate metric with this covariate.");
    }
  }

  /** A proportion without delay or window. */
  public static MetricConfig proportion(String name, String eventType) {
    return of(name, MetricKind.PROPORTION, new MetricTerm(eventType, null), null);
  }

  /** A mean without delay or window. */
  public static MetricConfig mean(String name, String eventType, String property) {
    return of(name, MetricKind.MEAN, new MetricTerm(eventType, property), null);
  }

  /** A count without delay or window. */
  public static MetricConfig count(String name, String eventType) {
    return of(name, MetricKind.COUNT, new MetricTerm(eventType, null), null);
  }

  /** A ratio without delay or window. */
  public static MetricConfig ratio(String name, MetricTerm numerator, MetricTerm denominator) {
    return of(name, MetricKind.RATIO, numerator, denominator);
  }

  /** A metric of one sum, without delay or window. */
  public static MetricConfig sum(String name, MetricKind kind, MetricTerm of) {
    return of(name, kind, of, null);
  }

  private static MetricConfig of(
      String name, MetricKind kind, MetricTerm numerator, MetricTerm denominator) {
    return new MetricConfig(
        name,
        kind,
        numerator.eventType(),
        numerator.property(),
        numerator.fact(),
        Duration.ZERO,
        null,
        denominator,
        null,
        null,
        null,
        MetricPurpose.DEFAULT);
  }

  /** Returns a copy with a delay and a window. */
  public MetricConfig within(Duration newDelay, Duration newWindow) {
    return copy(newDelay, newWindow, cap, covariate, since, purpose);
  }

  /** Returns a copy with a cap. */
  public MetricConfig withCap(String newCap) {
    return copy(delay, window, new BigDecimal(newCap), covariate, since, purpose);
  }

  /** Returns a copy with a covariate. */
  public MetricConfig withCovariate(Duration period) {
    return copy(delay, window, cap, period, since, purpose);
  }

  /**
   * Returns a copy for the users first exposed on or after a day.
   *
   * @param day null: all users
   */
  public MetricConfig withSince(LocalDate day) {
    return copy(delay, window, cap, covariate, day, purpose);
  }

  /** Returns a copy that is judged for something else. */
  public MetricConfig judgedFor(MetricPurpose newPurpose) {
    return copy(delay, window, cap, covariate, since, newPurpose);
  }

  /** The same events and kind with other settings. */
  private MetricConfig copy(
      Duration newDelay,
      Duration newWindow,
      BigDecimal newCap,
      Duration newCovariate,
      LocalDate newSince,
      MetricPurpose newPurpose) {
    return new MetricConfig(
        name,
        kind,
        eventType,
        property,
        fact,
        newDelay,
        newWindow,
        denominator,
        newCap,
        newCovariate,
        newSince,
        newPurpose);
  }

  /** Returns a copy without the settings that change no figure. */
  public MetricConfig counting() {
    return judgedFor(MetricPurpose.DEFAULT);
  }

  /**
   * Whether users who enter on a day count.
   *
   * @param entryDay day of the first exposure, days since 1970-01-01 in the experiment's zone
   */
  public boolean isOpenTo(int entryDay) {
    return since == null || entryDay >= since.toEpochDay();
  }

  /** The sum of the metric; of a ratio, of its numerator. */
  public MetricTerm numerator() {
    return new MetricTerm(eventType, property, fact);
  }

  /** The sums of the metric: the numerator, and a ratio's denominator. */
  public List<MetricTerm> terms() {
    return denominator == null ? List.of(numerator()) : List.of(numerator(), denominator);
  }
}
