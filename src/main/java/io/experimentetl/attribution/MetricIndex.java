package io.experimentetl.attribution;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.StatisticsConfig;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The metrics that events of a type can touch, of any table. An exposure touches all. */
final class MetricIndex {
  private final StatisticsConfig statistics;
  private final Map<String, List<MetricConfig>> byType = new HashMap<>();

  MetricIndex(StatisticsConfig statistics) {
    this.statistics = statistics;
    for (MetricConfig metric : statistics.metrics()) {
      for (MetricTerm term : metric.terms()) {
        List<MetricConfig> of =
            byType.computeIfAbsent(term.eventType(), type -> new ArrayList<>(1));
        if (!of.contains(metric)) {
          of.add(metric);
        }
      }
    }
  }

  /** Whether events of the type can change statistics. */
  boolean counts(String eventType) {
    return eventType.equals(statistics.exposureEvent()) || byType.containsKey(eventType);
  }

  /** The metrics that the events can touch. */
  Collection<MetricConfig> of(List<EventFact> events) {
    if (events.size() == 1) {
      return of(events.get(0).eventType());
    }
    Set<String> types = new LinkedHashSet<>();
    for (EventFact event : events) {
      types.add(event.eventType());
    }
    if (types.size() == 1) {
      return of(types.iterator().next());
    }
    if (types.contains(statistics.exposureEvent())) {
      return statistics.metrics();
    }
    Set<MetricConfig> touched = new LinkedHashSet<>();
    for (String type : types) {
      touched.addAll(byType.getOrDefault(type, List.of()));
    }
    return touched;
  }

  private Collection<MetricConfig> of(String type) {
    return type.equals(statistics.exposureEvent())
        ? statistics.metrics()
        : byType.getOrDefault(type, List.of());
  }
}
