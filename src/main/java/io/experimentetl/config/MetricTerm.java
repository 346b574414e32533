package io.experimentetl.config;

import static io.experimentetl.config.ValueType.identifier;
import static io.experimentetl.config.ValueType.text;

import java.io.Serializable;

/**
 * A sum over a user's events.
 *
 * @param eventType the events that count
 * @param property the key in the event's properties that holds the value; null: each event counts
 *     as 1
 * @param fact the name of the table of metric events whose events count; null: those of any table
 */
public record MetricTerm(String eventType, String property, String fact) implements Serializable {

  /** A sum over events of any table. */
  public MetricTerm(String eventType, String property) {
    this(eventType, property, null);
  }

  static MetricTerm read(Section section) {
    return new MetricTerm(
        section.required("event-type", text(), "A denominator needs the events that count."),
        section.optional("property", text()),
        section.optional("fact", identifier()));
  }

  /**
   * Whether an event counts.
   *
   * @param table the name of its table of metric events; null: another table
   */
  public boolean counts(String type, String table) {
    return eventType.equals(type) && (fact == null || fact.equals(table));
  }
}
