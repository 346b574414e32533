package io.experimentetl.attribution;

import io.experimentetl.config.MetricConfig;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Adds a user's events to the histories of the metrics that name their type. */
final class MetricHistories {
  private final Map<String, List<MetricHistory>> byType = new HashMap<>();
  private final ExperimentDimension experiment;
  private final ExperimentCalendar calendar;
  private final long firstExposure;

  MetricHistories(
      List<MetricHistory> histories,
      ExperimentDimension experiment,
      ExperimentCalendar calendar,
      Membership member) {
    this.experiment = experiment;
    this.calendar = calendar;
    this.firstExposure = member.firstExposure();
    for (MetricHistory history : histories) {
      MetricConfig metric = history.metric();
      byType.computeIfAbsent(metric.eventType(), type -> new ArrayList<>(1)).add(history);
      if (metric.denominator() != null
          && !metric.denominator().eventType().equals(metric.eventType())) {
        byType
            .computeIfAbsent(metric.denominator().eventType(), type -> new ArrayList<>(1))
            .add(history);
      }
    }
  }

  /** Adds an event, where it counts in a metric or in its covariate. */
  void add(EventFact event) {
    List<MetricHistory> histories = byType.get(event.eventType());
    if (histories == null) {
      return;
    }
    boolean isRunning = experiment.isRunningAt(event.occurredAt());
    for (MetricHistory history : histories) {
      MetricConfig metric = history.metric();
      if (isRunning && MetricHistory.isInWindow(metric, firstExposure, event.occurredAt())) {
        history.count(event, calendar);
      } else if (MetricHistory.isInCovariatePeriod(metric, firstExposure, event.occurredAt())) {
        history.countCovariate(event);
      }
    }
  }
}
