package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.quality.EventChecks;
import io.experimentetl.quality.PropertyValue;
import java.util.Arrays;
import java.util.Objects;

/**
 * What statistics need of one delivered event. All events of one id are one entry of keyed state.
 *
 * @param occurredAt microseconds since 1970 in UTC
 * @param variantId the delivered variant, or {@link #NO_VARIANT}
 * @param content hash of the row: see {@link EventContent}
 * @param properties the names of the properties that metrics take values from
 * @param values their values, in millionths or {@link PropertyValue#NONE}
 * @param mark a {@link FactMark}
 * @param fact the name of its table of metric events; null: another table
 */
record EventFact(
    EventId id,
    long occurredAt,
    long variantId,
    String eventType,
    long content,
    String[] properties,
    long[] values,
    byte mark,
    String fact) {
  /** The variant id of an event that was delivered without a variant. */
  static final long NO_VARIANT = Long.MIN_VALUE;

  static final EventFact[] NONE = {};

  /** An estimate of the bytes of one event on the heap. */
  static final int WEIGHT = 250;

  /** The fact of a row, without a mark. */
  static EventFact of(EventRow event, EventChecks checks) {
    return of(event, EventContent.of(event), checks.properties(event), checks.values(event));
  }

  static EventFact of(EventRow event, long content, String[] properties, long[] values) {
    return new EventFact(
        event.id(),
        event.occurredAt(),
        event.variantId() == null ? NO_VARIANT : event.variantId(),
        event.eventType(),
        content,
        properties,
        values,
        FactMark.NONE,
        event.fact());
  }

  /** Whether both count in the same way. */
  boolean countsLike(EventFact other) {
    return occurredAt == other.occurredAt
        && variantId == other.variantId
        && eventType.equals(other.eventType)
        && Objects.equals(fact, other.fact)
        && Arrays.equals(properties, other.properties)
        && Arrays.equals(values, other.values);
  }

  EventFact withMark(byte other) {
    return other == mark
        ? this
        : new EventFact(
            id, occurredAt, variantId, eventType, content, properties, values, other, fact);
  }

  /** With the value of a property, which may be a further one. */
  EventFact withValue(String property, long value) {
    int index = 0;
    while (index < properties.length && !properties[index].equals(property)) {
      index++;
    }
    String[] names = Arrays.copyOf(properties, Math.max(properties.length, index + 1));
    long[] numbers = Arrays.copyOf(values, names.length);
    names[index] = property;
    numbers[index] = value;
    return new EventFact(id, occurredAt, variantId, eventType, content, names, numbers, mark, fact);
  }

  /**
   * The event's share of a metric's total, in units of 10^-6, or {@link PropertyValue#NONE}.
   *
   * @param property null: the metric counts events
   */
  long countedValue(String property) {
    if (property == null) {
      return PropertyValue.ONE;
    }
    for (int i = 0; i < properties.length; i++) {
      if (properties[i].equals(property)) {
        return values[i];
      }
    }
    return PropertyValue.NONE;
  }

  /** The one of these events of one id that counts, which is the earliest; null: there is none. */
  static EventFact counted(EventFact[] sameId) {
    EventFact first = null;
    for (EventFact event : sameId) {
      if (first == null || event.occurredAt < first.occurredAt) {
        first = event;
      }
    }
    return first;
  }
}
