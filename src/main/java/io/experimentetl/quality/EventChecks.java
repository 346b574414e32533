package io.experimentetl.quality;

import static io.experimentetl.model.FindingCode.R_ORPHAN_ASSIGNMENT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_EXPERIMENT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_USER;
import static io.experimentetl.model.FindingCode.R_ORPHAN_VARIANT;
import static io.experimentetl.model.FindingCode.R_VARIANT_MISMATCH;
import static io.experimentetl.model.FindingCode.R_VARIANT_NOT_IN_EXPERIMENT;
import static io.experimentetl.model.FindingCode.R_VARIANT_NULL;
import static io.experimentetl.model.FindingCode.S_BAD_PROPERTY;
import static io.experimentetl.model.FindingCode.S_UNPARSEABLE;
import static io.experimentetl.model.FindingCode.T_CONVERSION_BEFORE_EXPOSURE;
import static io.experimentetl.model.FindingCode.T_EVENT_BEFORE_ASSIGNMENT;
import static io.experimentetl.model.FindingCode.T_FUTURE;
import static io.experimentetl.model.FindingCode.T_LATE;

import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What can be wrong with an event. */
public final class EventChecks {
  /** What {@link #lacks} and {@link AssignmentChecks#lacks} can say. */
  private static final Set<String> LACKS =
      Stream.of(
              R_ORPHAN_USER,
              R_ORPHAN_EXPERIMENT,
              R_ORPHAN_VARIANT,
              R_ORPHAN_ASSIGNMENT,
              T_CONVERSION_BEFORE_EXPOSURE)
          .map(FindingCode::code)
          .collect(Collectors.toSet());

  private final String exposureEvent;
  private final Set<String> metricEvents = new LinkedHashSet<>();
  private final Map<String, Set<String>> propertiesByEvent = new HashMap<>();
  private final long futureToleranceMicros;

  public EventChecks(StatisticsConfig statistics, FindingsConfig findings) {
    this.exposureEvent = statistics.exposureEvent();
    this.futureToleranceMicros = findings.futureTolerance().toMillis() * 1000;
    for (MetricConfig metric : statistics.metrics()) {
      for (MetricTerm term : metric.terms()) {
        metricEvents.add(term.eventType());
        if (term.property() != null) {
          propertiesByEvent
              .computeIfAbsent(term.eventType(), type -> new LinkedHashSet<>())
              .add(term.property());
        }
      }
    }
  }

  /** The properties that hold values of metrics in events of the type. */
  public Set<String> properties(String eventType) {
    return propertiesByEvent.getOrDefault(eventType, Set.of());
  }

  /** Whether events of the type can change any statistics. */
  public boolean counts(String eventType) {
    return eventType.equals(exposureEvent) || metricEvents.contains(eventType);
  }

  public boolean isExposure(EventRow event) {
    return event.eventType().equals(exposureEvent);
  }

  /**
   * Whether a row with these codes lacks none of its references. Of one that does, the moment has
   * decided that it waits no longer; after a restart another moment might decide otherwise.
   */
  public static boolean isComplete(String[] codes) {
    for (String code : codes) {
      if (LACKS.contains(code)) {
        return false;
      }
    }
    return true;
  }

  /** What the event lacks now and may still get: what it waits for, within bounds. */
  public EnumSet<FindingCode> lacks(EventRow event, EventReferences known) {
    EnumSet<FindingCode> lacks = EnumSet.noneOf(FindingCode.class);
    if (!known.userKnown()) {
      lacks.add(R_ORPHAN_USER);
    }
    if (!known.experimentKnown()) {
      lacks.add(R_ORPHAN_EXPERIMENT);
      return lacks;
    }
    if (event.variantId() != null && known.variantExperimentId() == null) {
      lacks.add(R_ORPHAN_VARIANT);
    }
    if (known.assignment() == null) {
      lacks.add(R_ORPHAN_ASSIGNMENT);
    } else if (metricEvents.contains(event.eventType())
        && known.running()
        && event.occurredAt() < known.firstExposure()) {
      lacks.add(T_CONVERSION_BEFORE_EXPOSURE);
    }
    return lacks;
  }

  /**
   * What is wrong with the event for good.
   *
   * @param committedAt of its change, microseconds since 1970 in UTC
   * @param fromStream false: read by the snapshot, so nothing is known of when it came
   */
  public EnumSet<FindingCode> defects(
      EventRow event, EventReferences known, long committedAt, boolean fromStream) {
    EnumSet<FindingCode> defects = EnumSet.noneOf(FindingCode.class);
    if (known.variantExperimentId() != null
        && known.variantExperimentId() != event.experimentId()) {
      defects.add(R_VARIANT_NOT_IN_EXPERIMENT);
    }
    if (event.variantId() == null) {
      if (isExposure(event)) {
        defects.add(R_VARIANT_NULL);
      }
    } else if (known.assignment() != null && known.assignment().variantId() != event.variantId()) {
      defects.add(R_VARIANT_MISMATCH);
    }
    if (known.assignment() != null && event.occurredAt() < known.assignment().assignedAt()) {
      defects.add(T_EVENT_BEFORE_ASSIGNMENT);
    }
    if (event.occurredAt() > committedAt + futureToleranceMicros) {
      defects.add(T_FUTURE);
    }
    if (fromStream && known.dayEndsAt() * 1000 <= committedAt) {
      defects.add(T_LATE);
    }
    if (event.properties() != null && !PropertyValue.isObject(event.properties())) {
      defects.add(S_UNPARSEABLE);
    }
    for (String property : properties(event.eventType())) {
      if (PropertyValue.of(event.properties(), property) == PropertyValue.NONE) {
        defects.add(S_BAD_PROPERTY);
      }
    }
    return defects;
  }
}
