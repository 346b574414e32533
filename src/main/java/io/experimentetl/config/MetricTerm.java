package io.experimentetl.config;

import java.io.Serializable;

/**
 * What is added up over a user's events.
 *
 * @param eventType the events that count
 * @param property the key in the event's properties that holds the value; null: each event is one
 */
public record MetricTerm(String eventType, String property) implements Serializable {}
