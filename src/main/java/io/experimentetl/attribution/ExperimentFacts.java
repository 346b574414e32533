package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventId;
import io.experimentetl.quality.PropertyValue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** One user's facts in one experiment, on the heap: the working form of {@link ExperimentState}. */
final class ExperimentFacts {
  /** In place of a variant's id: none was delivered. */
  static final long NO_VARIANT = Long.MIN_VALUE;

  private static final int FIRST_CAPACITY = 8;
  private static final AssignmentRow[] NO_OTHERS = {};
  private static final PendingAssignment[] NO_MORE = {};

  private static final Comparator<AssignmentRow> EARLIEST =
      Comparator.comparingLong(AssignmentRow::assignedAt).thenComparingLong(AssignmentRow::id);

  final long experimentId;

  /** The one that counts: of all the earliest. */
  AssignmentRow assignment;

  /** All that were written, in the order in which they came. */
  final List<AssignmentRow> assignments = new ArrayList<>(1);

  final List<PendingAssignment> pendingAssignments = new ArrayList<>(0);
  final List<PendingEvent> pending = new ArrayList<>(0);

  /** Of {@link SpilledEvents}, those of this user and experiment. */
  int spilled;

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
  private int repeatedIds;

  /** What the user contributes by these facts; null: not known yet. */
  Contributions contributions;

  ExperimentFacts(long experimentId) {
    this.experimentId = experimentId;
  }

  static ExperimentFacts of(ExperimentState state) {
    ExperimentFacts facts = new ExperimentFacts(state.experimentId());
    facts.assignment = state.assignment();
    if (state.assignments() != null && state.assignments().length > 0) {
      facts.assignments.addAll(Arrays.asList(state.assignments()));
    } else if (state.assignment() != null) {
      facts.assignments.add(state.assignment());
    }
    if (state.pendingAssignment() != null) {
      facts.pendingAssignments.add(state.pendingAssignment());
    }
    if (state.morePendingAssignments() != null) {
      facts.pendingAssignments.addAll(Arrays.asList(state.morePendingAssignments()));
    }
    facts.pending.addAll(Arrays.asList(state.pending()));
    facts.spilled = state.spilled();
    facts.size = state.occurredAt().length;
    facts.idHigh = state.idHigh();
    facts.idLow = state.idLow();
    facts.occurredAt = state.occurredAt();
    facts.variantId = state.variantId();
    facts.content = state.content();
    facts.type = state.type();
    facts.values = state.values();
    facts.eventTypes = state.eventTypes();
    facts.properties = state.properties();
    Set<EventId> ids = new HashSet<>();
    for (int i = 0; i < facts.size; i++) {
      if (!ids.add(facts.eventId(i))) {
        facts.repeatedIds++;
      }
    }
    return facts;
  }

  ExperimentState toState() {
    return new ExperimentState(
        experimentId,
        assignment,
        pendingAssignments.isEmpty() ? null : pendingAssignments.get(0),
        Arrays.copyOf(idHigh, size),
        Arrays.copyOf(idLow, size),
        Arrays.copyOf(occurredAt, size),
        Arrays.copyOf(variantId, size),
        Arrays.copyOf(content, size),
        Arrays.copyOf(type, size),
        Arrays.copyOf(values, size * properties.length),
        eventTypes,
        properties,
        pending.toArray(PendingEvent[]::new),
        spilled,
        assignments.size() < 2 ? NO_OTHERS : assignments.toArray(AssignmentRow[]::new),
        pendingAssignments.size() < 2
            ? NO_MORE
            : pendingAssignments
                .subList(1, pendingAssignments.size())
                .toArray(PendingAssignment[]::new));
  }

  /** The written assignment of the id, or null. */
  AssignmentRow assignmentOf(long id) {
    for (AssignmentRow row : assignments) {
      if (row.id() == id) {
        return row;
      }
    }
    return null;
  }

  /** The assignment of the id that lacks a reference, or null. */
  PendingAssignment pendingAssignmentOf(long id) {
    for (PendingAssignment pending : pendingAssignments) {
      if (pending.assignment().id() == id) {
        return pending;
      }
    }
    return null;
  }

  /** Whether another assignment was written before the one of the id. */
  boolean isAssignedBefore(long id) {
    return !assignments.isEmpty() && assignments.get(0).id() != id;
  }

  /** Writes the assignment, in the place of an older one of its id. */
  void put(AssignmentRow row) {
    AssignmentRow before = assignmentOf(row.id());
    if (before == null) {
      assignments.add(row);
    } else {
      assignments.set(assignments.indexOf(before), row);
    }
    assignment = Collections.min(assignments, EARLIEST);
  }

  /** Whether there was a written assignment of the id. */
  boolean removeAssignment(long id) {
    boolean removed = assignments.remove(assignmentOf(id));
    assignment = assignments.isEmpty() ? null : Collections.min(assignments, EARLIEST);
    return removed;
  }

  boolean isEmpty() {
    return size == 0 && assignments.isEmpty() && !waits();
  }

  /** Whether something of them is not decided yet, or may still be corrected. */
  boolean waits() {
    return !pending.isEmpty() || spilled > 0 || !pendingAssignments.isEmpty();
  }

  boolean repeatsIds() {
    return repeatedIds > 0;
  }

  /**
   * The latest time that a fact names, microseconds since 1970 in UTC; {@link Long#MIN_VALUE} where
   * there is no fact.
   */
  long latest() {
    long latest = Long.MIN_VALUE;
    for (int i = 0; i < size; i++) {
      latest = Math.max(latest, occurredAt[i]);
    }
    for (AssignmentRow row : assignments) {
      latest = Math.max(latest, row.assignedAt());
      latest = Math.max(latest, row.enrolledAt() == null ? latest : row.enrolledAt());
    }
    return latest;
  }

  /** Over all rows, in no order. */
  long checksum() {
    long sum = 0;
    for (int i = 0; i < size; i++) {
      sum += EventContent.ofRow(idHigh[i], idLow[i], occurredAt[i], content[i]);
    }
    for (AssignmentRow row : assignments) {
      sum += EventContent.ofRow(row);
    }
    return sum;
  }

  /** Whether both hold the same rows, in whatever order. */
  boolean holdsTheSameAs(ExperimentFacts other) {
    if (size != other.size
        || assignments.size() != other.assignments.size()
        || !assignments.containsAll(other.assignments)) {
      return false;
    }
    for (int i = 0; i < size; i++) {
      int at = other.indexOf(eventId(i), occurredAt[i]);
      if (at < 0
          || content[i] != other.content[at]
          || variantId[i] != other.variantId[at]
          || !eventType(i).equals(other.eventType(at))) {
        return false;
      }
    }
    return true;
  }

  int size() {
    return size;
  }

  long occurredAt(int at) {
    return occurredAt[at];
  }

  long variantId(int at) {
    return variantId[at];
  }

  long content(int at) {
    return content[at];
  }

  /** Its bits: the source's own id is not held. */
  EventId eventId(int at) {
    return new EventId(idHigh[at], idLow[at], null);
  }

  String eventType(int at) {
    return eventTypes[type[at]];
  }

  /**
   * The number the event type has in {@link #typeAt}, or -1 where the user has no such event here.
   */
  int typeNumber(String eventType) {
    for (int i = 0; i < eventTypes.length; i++) {
      if (eventTypes[i].equals(eventType)) {
        return i;
      }
    }
    return -1;
  }

  int typeAt(int at) {
    return type[at];
  }

  /** The place of the property in {@link #value}, or -1 where no event here has it. */
  int propertyNumber(String property) {
    for (int i = 0; i < properties.length; i++) {
      if (properties[i].equals(property)) {
        return i;
      }
    }
    return -1;
  }

  /** In millionths, or {@link PropertyValue#NONE}. */
  long value(int at, int propertyNumber) {
    return values[at * properties.length + propertyNumber];
  }

  /**
   * What the event adds to a total of the property, in millionths, or {@link PropertyValue#NONE}.
   *
   * @param property null: the event is one
   */
  long worth(int at, String property) {
    if (property == null) {
      return PropertyValue.ONE;
    }
    int number = propertyNumber(property);
    return number < 0 ? PropertyValue.NONE : value(at, number);
  }

  /** Where the event with this key stands, or -1. */
  int indexOf(EventId id, long at) {
    for (int i = size - 1; i >= 0; i--) {
      if (occurredAt[i] == at && idLow[i] == id.low() && idHigh[i] == id.high()) {
        return i;
      }
    }
    return -1;
  }

  /** Another event of the same id (at another time), or -1. */
  int otherOfId(EventId id, long at) {
    for (int i = 0; i < size; i++) {
      if (idLow[i] == id.low() && idHigh[i] == id.high() && occurredAt[i] != at) {
        return i;
      }
    }
    return -1;
  }

  /** Whether an earlier event of the same id counts in place of this one. */
  boolean isSuperseded(int at) {
    if (repeatedIds == 0) {
      return false;
    }
    for (int i = 0; i < size; i++) {
      if (idLow[i] == idLow[at] && idHigh[i] == idHigh[at] && occurredAt[i] < occurredAt[at]) {
        return true;
      }
    }
    return false;
  }

  void add(EventId id, long at, Long deliveredVariant, String eventType, long contentHash) {
    if (otherOfId(id, at) >= 0) {
      repeatedIds++;
    }
    grow();
    idHigh[size] = id.high();
    idLow[size] = id.low();
    occurredAt[size] = at;
    size++;
    Arrays.fill(
        values, (size - 1) * properties.length, size * properties.length, PropertyValue.NONE);
    replace(size - 1, deliveredVariant, eventType, contentHash);
  }

  void replace(int at, Long deliveredVariant, String eventType, long contentHash) {
    variantId[at] = deliveredVariant == null ? NO_VARIANT : deliveredVariant;
    content[at] = contentHash;
    int number = typeNumber(eventType);
    if (number < 0) {
      number = eventTypes.length;
      eventTypes = Arrays.copyOf(eventTypes, number + 1);
      eventTypes[number] = eventType;
    }
    type[at] = number;
  }

  void setValue(int at, String property, long value) {
    int number = propertyNumber(property);
    if (number < 0) {
      number = addProperty(property);
    }
    values[at * properties.length + number] = value;
  }

  void remove(int at) {
    if (repeatedIds > 0 && countSameId(at) > 1) {
      repeatedIds--;
    }
    int last = size - 1;
    int behind = last - at;
    for (long[] column : List.of(idHigh, idLow, occurredAt, variantId, content)) {
      System.arraycopy(column, at + 1, column, at, behind);
    }
    System.arraycopy(type, at + 1, type, at, behind);
    int stride = properties.length;
    System.arraycopy(values, (at + 1) * stride, values, at * stride, behind * stride);
    size = last;
  }

  /** Where the pending event with this key stands in {@link #pending}, or -1. */
  int pendingIndexOf(EventId eventId, long at) {
    for (int i = 0; i < pending.size(); i++) {
      if (pending.get(i).event().occurredAt() == at
          && pending.get(i).event().id().equals(eventId)) {
        return i;
      }
    }
    return -1;
  }

  private int countSameId(int at) {
    int count = 0;
    for (int i = 0; i < size; i++) {
      if (idLow[i] == idLow[at] && idHigh[i] == idHigh[at]) {
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
  }
}
