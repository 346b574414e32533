package io.experimentetl.config;

import static io.experimentetl.config.ValueType.text;

import java.io.Serializable;

/**
 * A sum over a user's events.
 *
 * @param eventType the events that count
 * @param property the key in the event's properties that holds the value; null: each event counts
 *     as 1
 */
public record MetricTerm(String eventType, String property) implements Serializable {

  static MetricTerm read(Section section) {
    return new MetricTerm(
        section.required("event-type", text(), "A denominator needs the events that count."),
        section.optional("property", text()));
  }
}
