package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import io.experimentetl.quality.PropertyValue;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The delivered events of one user in one experiment, on the heap: the working form of {@link
 * EventColumns}. Only this class knows how the events are held. Others address an event by the
 * index that {@link #indexOf} returns, which is valid until the next {@link #remove}.
 */
final class EventFacts {
  /** The variant id of an event that was delivered without a variant. */
  static final long NO_VARIANT = Long.MIN_VALUE;

  private static final int FIRST_CAPACITY = 8;
  private static final byte[] NO_MARKS = {};

  private int size;
  private long[] idHigh = new long[FIRST_CAPACITY];
  private long[] idLow = new long[FIRST_CAPACITY];
  private long[] occurredAt = new long[FIRST_CAPACITY];
  private long[] variantId = new long[FIRST_CAPACITY];
  private long[] content = new long[FIRST_CAPACITY];
  private int[] type = new int[FIRST_CAPACITY];
  private long[] values = new long[0];
  private String[] eventTypes = new String[0];
  private String[] properties = new String[0];

  /** Parallel to the columns, or empty where no event has a mark. */
  private byte[] marks = NO_MARKS;

  private int repeatedIds;

  /** Takes the arrays over: the record must not be used any more. */
  static EventFacts of(EventColumns columns) {
    EventFacts events = new EventFacts();
    events.size = columns.occurredAt().length;
    events.idHigh = columns.idHigh();
    events.idLow = columns.idLow();
    events.occurredAt = columns.occurredAt();
    events.variantId = columns.variantId();
    events.content = columns.content();
    events.type = columns.type();
    events.values = columns.values();
    events.eventTypes = columns.eventTypes();
    events.properties = columns.properties();
    events.marks = columns.marks();
    Set<EventId> ids = new HashSet<>();
    for (int i = 0; i < events.size; i++) {
      if (!ids.add(events.id(i))) {
        events.repeatedIds++;
      }
    }
    return events;
  }

  EventColumns toColumns() {
    return new EventColumns(
        Arrays.copyOf(idHigh, size),
        Arrays.copyOf(idLow, size),
        Arrays.copyOf(occurredAt, size),
        Arrays.copyOf(variantId, size),
        Arrays.copyOf(content, size),
        Arrays.copyOf(type, size),
        Arrays.copyOf(values, size * properties.length),
        eventTypes,
        properties,
        hasMarks() ? Arrays.copyOf(marks, size) : NO_MARKS);
  }

  /** The event's {@link FactMark}. */
  byte mark(int index) {
    return marks.length == 0 ? FactMark.NONE : marks[index];
  }

  void setMark(int index, byte mark) {
    if (marks.length == 0) {
      if (mark == FactMark.NONE) {
        return;
      }
      marks = new byte[occurredAt.length];
    }
    marks[index] = mark;
  }

  /** See {@link ExperimentFacts#needsMarks}. */
  boolean needsMarks(RetentionPeriods retention, long now) {
    for (int i = 0; i < Math.min(size, marks.length); i++) {
      if (FactMark.truncatesBefore(marks[i]) > 0
          || (FactMark.isRetentionDeleted(marks[i])
              && !retention.isEventPast(occurredAt[i], now))) {
        return true;
      }
    }
    return false;
  }

  private boolean hasMarks() {
    for (int i = 0; i < Math.min(size, marks.length); i++) {
      if (marks[i] != FactMark.NONE) {
        return true;
      }
    }
    return false;
  }

  int size() {
    return size;
  }

  /** The event's id without the source's own id, which these facts do not contain. */
  EventId id(int index) {
    return new EventId(idHigh[index], idLow[index], null);
  }

  long occurredAt(int index) {
    return occurredAt[index];
  }

  /** The delivered variant, or {@link #NO_VARIANT}. */
  long variantId(int index) {
    return variantId[index];
  }

  /** See {@link EventContent}. */
  long content(int index) {
    return content[index];
  }

  String eventType(int index) {
    return eventTypes[type[index]];
  }

  /** The number of the event's type: see {@link #typeNumber}. */
  int typeNumber(int index) {
    return type[index];
  }

  /** The number of an event type among these events, or -1 where none has it. */
  int typeNumber(String eventType) {
    for (int i = 0; i < eventTypes.length; i++) {
      if (eventTypes[i].equals(eventType)) {
        return i;
      }
    }
    return -1;
  }

  /**
   * The event's share of a metric's total, in units of 10^-6, or {@link PropertyValue#NONE}.
   *
   * @param property null: the metric counts events
   */
  long countedValue(int index, String property) {
    if (property == null) {
      return PropertyValue.ONE;
    }
    int number = propertyNumber(property);
    return number < 0 ? PropertyValue.NONE : values[index * properties.length + number];
  }

  /** The index of the event with this key, or -1. */
  int indexOf(EventId id, long time) {
    for (int i = size - 1; i >= 0; i--) {
      if (occurredAt[i] == time && idLow[i] == id.low() && idHigh[i] == id.high()) {
        return i;
      }
    }
    return -1;
  }

  /** The index of another event with this id (at another time), or -1. */
  int otherWithId(EventId id, long time) {
    for (int i = 0; i < size; i++) {
      if (idLow[i] == id.low() && idHigh[i] == id.high() && occurredAt[i] != time) {
        return i;
      }
    }
    return -1;
  }

  /** Whether an earlier event with the same id counts in place of this one. */
  boolean isSuperseded(int index) {
    if (repeatedIds == 0) {
      return false;
    }
    for (int i = 0; i < size; i++) {
      if (hasIdOf(i, index) && occurredAt[i] < occurredAt[index]) {
        return true;
      }
    }
    return false;
  }

  /** Whether two events have the same id. */
  boolean repeatsIds() {
    return repeatedIds > 0;
  }

  /** The latest time of an event, or {@link Long#MIN_VALUE} where there is none. */
  long latest() {
    long latest = Long.MIN_VALUE;
    for (int i = 0; i < size; i++) {
      latest = Math.max(latest, occurredAt[i]);
    }
    return latest;
  }

  /** Independent of the order of the events. */
  long checksum() {
    long sum = 0;
    for (int i = 0; i < size; i++) {
      sum += EventContent.ofRow(idHigh[i], idLow[i], occurredAt[i], content[i]);
    }
    return sum;
  }

  /** Whether both hold the same events, in any order. */
  boolean holdsTheSameAs(EventFacts other) {
    if (size != other.size) {
      return false;
    }
    for (int i = 0; i < size; i++) {
      int index = other.indexOf(id(i), occurredAt[i]);
      if (index < 0
          || content[i] != other.content[index]
          || variantId[i] != other.variantId[index]
          || !eventType(i).equals(other.eventType(index))) {
        return false;
      }
    }
    return true;
  }

  /** Adds an event whose key no other has; it has no property values yet. */
  void add(EventId id, long time, Long deliveredVariant, String eventType, long contentHash) {
    if (otherWithId(id, time) >= 0) {
      repeatedIds++;
    }
    grow();
    idHigh[size] = id.high();
    idLow[size] = id.low();
    occurredAt[size] = time;
    size++;
    Arrays.fill(
        values, (size - 1) * properties.length, size * properties.length, PropertyValue.NONE);
    replace(size - 1, deliveredVariant, eventType, contentHash);
  }

  /** Replaces all of the event but its key and its property values. */
  void replace(int index, Long deliveredVariant, String eventType, long contentHash) {
    variantId[index] = deliveredVariant == null ? NO_VARIANT : deliveredVariant;
    content[index] = contentHash;
    int number = typeNumber(eventType);
    if (number < 0) {
      number = eventTypes.length;
      eventTypes = Arrays.copyOf(eventTypes, number + 1);
      eventTypes[number] = eventType;
    }
    type[index] = number;
  }

  void setValue(int index, String property, long value) {
    int number = propertyNumber(property);
    if (number < 0) {
      number = addProperty(property);
    }
    values[index * properties.length + number] = value;
  }

  void remove(int index) {
    if (repeatedIds > 0 && countSameId(index) > 1) {
      repeatedIds--;
    }
    int last = size - 1;
    int behind = last - index;
    for (long[] column : List.of(idHigh, idLow, occurredAt, variantId, content)) {
      System.arraycopy(column, index + 1, column, index, behind);
    }
    System.arraycopy(type, index + 1, type, index, behind);
    int stride = properties.length;
    System.arraycopy(values, (index + 1) * stride, values, index * stride, behind * stride);
    if (marks.length > 0) {
      System.arraycopy(marks, index + 1, marks, index, behind);
      marks[last] = FactMark.NONE;
    }
    size = last;
  }

  private int propertyNumber(String property) {
    for (int i = 0; i < properties.length; i++) {
      if (properties[i].equals(property)) {
        return i;
      }
    }
    return -1;
  }

  private boolean hasIdOf(int index, int other) {
    return idLow[index] == idLow[other] && idHigh[index] == idHigh[other];
  }

  private int countSameId(int index) {
    int count = 0;
    for (int i = 0; i < size; i++) {
      if (hasIdOf(i, index)) {
        count++;
      }
    }
    return count;
  }

  private int addProperty(String property) {
    int old = properties.length;
    long[] wider = new long[occurredAt.length * (old + 1)];
    Arrays.fill(wider, PropertyValue.NONE);
    for (int i = 0; i < size; i++) {
      System.arraycopy(values, i * old, wider, i * (old + 1), old);
    }
    values = wider;
    properties = Arrays.copyOf(properties, old + 1);
    properties[old] = property;
    return old;
  }

  private void grow() {
    if (size < occurredAt.length) {
      return;
    }
    int capacity = Math.max(FIRST_CAPACITY, size * 2);
    idHigh = Arrays.copyOf(idHigh, capacity);
    idLow = Arrays.copyOf(idLow, capacity);
    occurredAt = Arrays.copyOf(occurredAt, capacity);
    variantId = Arrays.copyOf(variantId, capacity);
    content = Arrays.copyOf(content, capacity);
    type = Arrays.copyOf(type, capacity);
    values = Arrays.copyOf(values, capacity * properties.length);
    if (marks.length > 0) {
      marks = Arrays.copyOf(marks, capacity);
    }
  }
}
