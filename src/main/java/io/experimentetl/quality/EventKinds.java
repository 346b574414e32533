package io.experimentetl.quality;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.StatisticsConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Tells events apart that metrics tell apart: by their type, and, where a metric names the table of
 * metric events, by the table. Such an event's kind is {@code TYPE\u001fTABLE}, any other's is its
 * type. A term counts the events of one or several kinds.
 */
public final class EventKinds {
  /** Between type and table: the unit separator, which no name of a table contains. */
  private static final char SEPARATOR = '\u001f';

  /** By type and table, the kinds of the events whose table a metric names. */
  private final Map<String, Map<String, String>> named = new TreeMap<>();

  public EventKinds(StatisticsConfig statistics) {
    for (MetricConfig metric : statistics.metrics()) {
      for (MetricTerm term : metric.terms()) {
        if (term.fact() != null) {
          named
              .computeIfAbsent(term.eventType(), type -> new TreeMap<>())
              .put(term.fact(), term.eventType() + SEPARATOR + term.fact());
        }
      }
    }
  }

  /**
   * The kind of an event.
   *
   * @param fact the name of its table of metric events; null: another table
   */
  String of(String eventType, String fact) {
    return fact == null
        ? eventType
        : named.getOrDefault(eventType, Map.of()).getOrDefault(fact, eventType);
  }

  /** The kinds of the events that the term counts. */
  public List<String> of(MetricTerm term) {
    Map<String, String> ofType = named.getOrDefault(term.eventType(), Map.of());
    if (term.fact() != null) {
      return List.of(ofType.get(term.fact()));
    }
    List<String> kinds = new ArrayList<>();
    kinds.add(term.eventType());
    kinds.addAll(ofType.values());
    return kinds;
  }

  /** The kinds that are not a type alone. */
  public List<String> ofTables() {
    return named.values().stream().flatMap(kinds -> kinds.values().stream()).toList();
  }
}
