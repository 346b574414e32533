package io.experimentetl.quality;

import static io.experimentetl.model.FindingCode.R_ORPHAN_ASSIGNMENT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_EXPERIMENT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_USER;
import static io.experimentetl.model.FindingCode.R_ORPHAN_VARIANT;
import static io.experimentetl.model.FindingCode.R_VARIANT_MISMATCH;
import static io.experimentetl.model.FindingCode.R_VARIANT_NOT_IN_EXPERIMENT;
import static io.experimentetl.model.FindingCode.R_VARIANT_NULL;
import static io.experimentetl.model.FindingCode.S_BAD_PROPERTY;
import static io.experimentetl.model.FindingCode.S_UNKNOWN_EVENT_TYPE;
import static io.experimentetl.model.FindingCode.S_UNPARSEABLE;
import static io.experimentetl.model.FindingCode.T_ASSIGNMENT_AT_DRIFT;
import static io.experimentetl.model.FindingCode.T_CONVERSION_BEFORE_EXPOSURE;
import static io.experimentetl.model.FindingCode.T_EVENT_BEFORE_ASSIGNMENT;
import static io.experimentetl.model.FindingCode.T_FUTURE;
import static io.experimentetl.model.FindingCode.T_LATE;
import static io.experimentetl.model.FindingCode.T_NOT_RUNNING;
import static io.experimentetl.model.FindingCode.T_OUT_OF_RANGE;
import static io.experimentetl.model.FindingCode.T_OUT_OF_WINDOW;

import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.warehouse.WarehouseRange;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The checks of one event. */
public final class EventChecks {
  private static final String[] NO_PROPERTIES = {};
  private static final long[] NO_VALUES = {};

  private final EventKinds kinds;
  private final String exposureEvent;
  private final Set<String> metricEvents = new LinkedHashSet<>();
  private final Map<String, String[]> propertiesByEvent = new HashMap<>();
  private final Map<String, List<Window>> windowsByEvent = new HashMap<>();
  private final Set<String> knownTypes = new HashSet<>();
  private final Set<String> covariateEvents = new HashSet<>();
  private final long futureToleranceMicros;
  private final long clockToleranceMicros;

  /**
   * The time after the first exposure in which events count, microseconds; the end is exclusive.
   */
  private record Window(long opens, long closes) {}

  public EventChecks(StatisticsConfig statistics, FindingsConfig findings) {
    this.kinds = new EventKinds(statistics);
    this.exposureEvent = statistics.exposureEvent();
    this.futureToleranceMicros = micros(findings.futureTolerance());
    this.clockToleranceMicros = micros(findings.clockTolerance());
    covariateEvents.addAll(covariateEvents(statistics, kinds));
    Map<String, Set<String>> properties = new HashMap<>();
    for (MetricConfig metric : statistics.metrics()) {
      for (MetricTerm term : metric.terms()) {
        for (String kind : kinds.of(term)) {
          metricEvents.add(kind);
          windowsByEvent.computeIfAbsent(kind, of -> new ArrayList<>()).add(windowOf(metric));
          if (term.property() != null) {
            properties.computeIfAbsent(kind, of -> new LinkedHashSet<>()).add(term.property());
          }
        }
      }
    }
    properties.forEach((kind, names) -> propertiesByEvent.put(kind, names.toArray(String[]::new)));
    windowsByEvent
        .values()
        .removeIf(windows -> windows.stream().allMatch(one -> one.closes() == Long.MAX_VALUE));
    if (!findings.eventTypes().isEmpty()) {
      knownTypes.add(exposureEvent);
      statistics.metrics().stream()
          .flatMap(metric -> metric.terms().stream())
          .forEach(term -> knownTypes.add(term.eventType()));
      knownTypes.addAll(findings.eventTypes());
    }
  }

  /** The kinds of the events that a metric uses before the exposure as its covariate. */
  public static Set<String> covariateEvents(StatisticsConfig statistics, EventKinds kinds) {
    return statistics.metrics().stream()
        .filter(metric -> metric.covariate() != null)
        .flatMap(metric -> kinds.of(metric.numerator()).stream())
        .collect(Collectors.toSet());
  }

  private static Window windowOf(MetricConfig metric) {
    long opens = micros(metric.delay());
    return new Window(
        opens, metric.window() == null ? Long.MAX_VALUE : opens + micros(metric.window()));
  }

  private static long micros(Duration duration) {
    return Math.addExact(
        Math.multiplyExact(duration.getSeconds(), 1_000_000L), duration.getNano() / 1_000);
  }

  private String kindOf(EventRow event) {
    return kinds.of(event.eventType(), event.fact());
  }

  /** The properties from which metrics take values in events of this kind. */
  public String[] properties(EventRow event) {
    return propertiesByEvent.getOrDefault(kindOf(event), NO_PROPERTIES);
  }

  /**
   * The values that metrics take from the event, in millionths or {@link PropertyValue#NONE}, in
   * the order of {@link #properties}. The event's properties are parsed once.
   */
  public long[] values(EventRow event) {
    String[] names = properties(event);
    return names.length == 0 ? NO_VALUES : PropertyValue.of(event.properties(), names);
  }

  public boolean isExposure(EventRow event) {
    return event.eventType().equals(exposureEvent);
  }

  /** The references that are missing now and may still arrive. */
  public EnumSet<FindingCode> unresolved(EventRow event, EventReferences known) {
    EnumSet<FindingCode> unresolved = EnumSet.noneOf(FindingCode.class);
    if (!known.userKnown()) {
      unresolved.add(R_ORPHAN_USER);
    }
    if (known.shared()) {
      return unresolved;
    }
    if (!known.experimentKnown()) {
      unresolved.add(R_ORPHAN_EXPERIMENT);
      return unresolved;
    }
    if (event.variantId() != null && known.variantExperimentId() == null) {
      unresolved.add(R_ORPHAN_VARIANT);
    }
    if (known.assignment() == null) {
      unresolved.add(R_ORPHAN_ASSIGNMENT);
    } else if (metricEvents.contains(kindOf(event))
        && !covariateEvents.contains(kindOf(event))
        && known.running()
        && event.occurredAt() < known.firstExposure()) {
      unresolved.add(T_CONVERSION_BEFORE_EXPOSURE);
    }
    return unresolved;
  }

  /**
   * The problems that no later row resolves.
   *
   * @param values see {@link #values}
   * @param committedAt of its change, microseconds since 1970 in UTC
   * @param fromStream false: the snapshot has read it, and its time of arrival is unknown
   */
  public EnumSet<FindingCode> violations(
      EventRow event, EventReferences known, long[] values, long committedAt, boolean fromStream) {
    EnumSet<FindingCode> violations = EnumSet.noneOf(FindingCode.class);
    if (known.variantExperimentId() != null
        && known.variantExperimentId() != event.experimentId()) {
      violations.add(R_VARIANT_NOT_IN_EXPERIMENT);
    }
    if (event.variantId() == null) {
      if (isExposure(event)) {
        violations.add(R_VARIANT_NULL);
      }
    } else if (known.assignment() != null && known.assignment().variantId() != event.variantId()) {
      violations.add(R_VARIANT_MISMATCH);
    }
    if (known.assignment() != null
        && event.occurredAt() < known.assignment().assignedAt() - clockToleranceMicros) {
      violations.add(T_EVENT_BEFORE_ASSIGNMENT);
    }
    if (driftsFromAssignment(event, known.assignment())) {
      violations.add(T_ASSIGNMENT_AT_DRIFT);
    }
    if (known.experimentKnown() && !(known.running() && known.active())) {
      violations.add(T_NOT_RUNNING);
    }
    if (known.assignment() != null && known.running() && isBeyondWindows(event, known)) {
      violations.add(T_OUT_OF_WINDOW);
    }
    if (isInFuture(event.occurredAt(), committedAt)) {
      violations.add(T_FUTURE);
    }
    if (fromStream && !known.shared() && known.dayEndsAt() * 1000 <= committedAt) {
      violations.add(T_LATE);
    }
    if (WarehouseRange.isEnd(event.assignmentAt())) {
      violations.add(T_OUT_OF_RANGE);
    }
    if (!knownTypes.isEmpty() && !knownTypes.contains(event.eventType())) {
      violations.add(S_UNKNOWN_EVENT_TYPE);
    }
    if (event.properties() != null && !PropertyValue.isObject(event.properties())) {
      violations.add(S_UNPARSEABLE);
    }
    for (long value : values) {
      if (value == PropertyValue.NONE) {
        violations.add(S_BAD_PROPERTY);
      }
    }
    return violations;
  }

  /** Whether the time is later than the commit that wrote the row; microseconds since 1970. */
  public boolean isInFuture(long occurredAt, long committedAt) {
    return occurredAt > committedAt + futureToleranceMicros;
  }

  /**
   * Whether the event's assignment_at differs from the assignment's assigned_at.
   *
   * @param assignment null: none
   */
  public boolean driftsFromAssignment(EventRow event, AssignmentRow assignment) {
    return event.assignmentAt() != null
        && assignment != null
        && Math.abs(event.assignmentAt() - assignment.assignedAt()) > clockToleranceMicros;
  }

  /** Whether the window of a metric has ended and no other metric counts the event. */
  private boolean isBeyondWindows(EventRow event, EventReferences known) {
    if (windowsByEvent.isEmpty() || event.occurredAt() < known.firstExposure()) {
      return false;
    }
    long since = event.occurredAt() - known.firstExposure();
    boolean beyond = false;
    for (Window window : windowsByEvent.getOrDefault(kindOf(event), List.of())) {
      if (since >= window.closes()) {
        beyond = true;
      } else if (since >= window.opens()) {
        return false;
      }
    }
    return beyond;
  }
}
