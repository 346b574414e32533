package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** One user's facts in one experiment, on the heap: the working form of {@link ExperimentState}. */
final class ExperimentFacts {
  private static final Comparator<AssignmentRow> EARLIEST =
      Comparator.comparingLong(AssignmentRow::assignedAt).thenComparingLong(AssignmentRow::id);

  final long experimentId;

  /** The delivered events. */
  final EventFacts events;

  final List<PendingAssignment> pendingAssignments = new ArrayList<>(0);
  final List<PendingEvent> pendingEvents = new ArrayList<>(0);

  /** Number of this user's events in this experiment that {@link SpilledEvents} holds. */
  int spilledEvents;

  /** The contributions of these facts to the statistics; null: not computed yet. */
  Contributions contributions;

  private final List<AssignmentRow> assignments = new ArrayList<>(1);

  /** By id, the marks of assignments that have one. */
  private final Map<Long, Byte> assignmentMarks = new TreeMap<>();

  /** The sequence numbers of the changes that brought the assignments, in their order. */
  private final List<Long> sequences = new ArrayList<>(1);

  private AssignmentRow assignment;

  ExperimentFacts(long experimentId) {
    this(experimentId, new EventFacts());
  }

  private ExperimentFacts(long experimentId, EventFacts events) {
    this.experimentId = experimentId;
    this.events = events;
  }

  /** Takes the record over: it must not be used any more. */
  static ExperimentFacts of(ExperimentState state) {
    ExperimentFacts facts =
        new ExperimentFacts(state.experimentId(), EventFacts.of(state.events()));
    facts.assignments.addAll(Arrays.asList(state.assignments()));
    for (long sequence : state.assignedSequences()) {
      facts.sequences.add(sequence);
    }
    facts.assignment = facts.earliestAssignment();
    facts.pendingAssignments.addAll(Arrays.asList(state.pendingAssignments()));
    facts.pendingEvents.addAll(Arrays.asList(state.pendingEvents()));
    facts.spilledEvents = state.spilledEvents();
    for (int i = 0; i < state.markedAssignments().length; i++) {
      facts.assignmentMarks.put(state.markedAssignments()[i], state.assignmentMarks()[i]);
    }
    return facts;
  }

  ExperimentState toState() {
    // Loops, no streams: every write of a user to state comes here.
    long[] assignedSequences = new long[sequences.size()];
    for (int i = 0; i < assignedSequences.length; i++) {
      assignedSequences[i] = sequences.get(i);
    }
    long[] marked = new long[assignmentMarks.size()];
    byte[] marks = new byte[marked.length];
    int next = 0;
    for (Map.Entry<Long, Byte> mark : assignmentMarks.entrySet()) {
      marked[next] = mark.getKey();
      marks[next++] = mark.getValue();
    }
    return new ExperimentState(
        experimentId,
        assignments.toArray(AssignmentRow[]::new),
        assignedSequences,
        events.toColumns(),
        pendingAssignments.toArray(PendingAssignment[]::new),
        pendingEvents.toArray(PendingEvent[]::new),
        spilledEvents,
        marked,
        marks);
  }

  /** The {@link FactMark} of the assignment with the id. */
  byte assignmentMark(long id) {
    return assignmentMarks.getOrDefault(id, FactMark.NONE);
  }

  /**
   * Whether the mark of a fact is still needed: the open transaction has written it behind a
   * truncate, or a retention transaction has deleted it before the end of its retention.
   *
   * @param now commit time, microseconds since 1970 in UTC
   */
  boolean needsMarks(RetentionPeriods retention, long now) {
    for (AssignmentRow row : assignments) {
      byte mark = assignmentMark(row.id());
      if (FactMark.truncatesBefore(mark) > 0
          || (FactMark.isRetentionDeleted(mark)
              && !retention.isAssignmentPast(row.assignedAt(), now))) {
        return true;
      }
    }
    return events.needsMarks(retention, now);
  }

  void setAssignmentMark(long id, byte mark) {
    if (mark == FactMark.NONE) {
      assignmentMarks.remove(id);
    } else {
      assignmentMarks.put(id, mark);
    }
  }

  /** A delivered event, with what these facts hold of its row. */
  EventRow eventRow(int index, String userId) {
    long variantId = events.variantId(index);
    return new EventRow(
        events.id(index),
        events.occurredAt(index),
        experimentId,
        userId,
        variantId == EventFacts.NO_VARIANT ? null : variantId,
        events.eventType(index),
        null,
        null,
        null,
        null,
        null);
  }

  /** The assignment that counts, which is the earliest, or null. */
  AssignmentRow assignment() {
    return assignment;
  }

  /** All delivered assignments, in the order of their arrival. */
  List<AssignmentRow> assignments() {
    return Collections.unmodifiableList(assignments);
  }

  /** The delivered assignment with the id, or null. */
  AssignmentRow assignmentOf(long id) {
    int index = indexOf(id);
    return index < 0 ? null : assignments.get(index);
  }

  private int indexOf(long assignmentId) {
    for (int i = 0; i < assignments.size(); i++) {
      if (assignments.get(i).id() == assignmentId) {
        return i;
      }
    }
    return -1;
  }

  /** The pending assignment with the id, or null. */
  PendingAssignment pendingAssignmentOf(long id) {
    for (PendingAssignment pending : pendingAssignments) {
      if (pending.assignment().id() == id) {
        return pending;
      }
    }
    return null;
  }

  /** Whether another assignment was delivered before the one with the id. */
  boolean isAssignedBefore(long id) {
    return !assignments.isEmpty() && assignments.get(0).id() != id;
  }

  /**
   * Adds a delivered assignment, or replaces the one with its id, which keeps its sequence number.
   *
   * @param sequence of the change that brought it; 0: the snapshot read it
   */
  void put(AssignmentRow row, long sequence) {
    int index = indexOf(row.id());
    if (index < 0) {
      assignments.add(row);
      sequences.add(sequence);
    } else {
      assignments.set(index, row);
    }
    assignment = earliestAssignment();
  }

  /** Writes the user's id into the rows that contain it. Spilled events keep the id before. */
  void changeUser(String userId) {
    assignments.replaceAll(row -> row.withUserId(userId));
    assignment = earliestAssignment();
    pendingAssignments.replaceAll(pending -> pending.withUserId(userId));
    pendingEvents.replaceAll(pending -> pending.withUserId(userId));
  }

  /** Returns whether there was a delivered assignment with the id. */
  boolean removeAssignment(long id) {
    int index = indexOf(id);
    if (index >= 0) {
      assignments.remove(index);
      sequences.remove(index);
    }
    assignmentMarks.remove(id);
    assignment = earliestAssignment();
    return index >= 0;
  }

  /** The sequence number of the change that brought the assignment; 0: the snapshot. */
  long sequenceOf(long assignmentId) {
    return sequences.get(indexOf(assignmentId));
  }

  void setSequence(long assignmentId, long sequence) {
    sequences.set(indexOf(assignmentId), sequence);
  }

  /** The assignment that counts without the one with the id, or null. */
  AssignmentRow assignmentWithout(long id) {
    return assignments.stream().filter(row -> row.id() != id).min(EARLIEST).orElse(null);
  }

  private AssignmentRow earliestAssignment() {
    return assignments.isEmpty() ? null : Collections.min(assignments, EARLIEST);
  }

  boolean isEmpty() {
    return events.size() == 0 && assignments.isEmpty() && !hasPending();
  }

  /** Whether a fact is pending, or was delivered flagged and may still be corrected. */
  boolean hasPending() {
    return !pendingEvents.isEmpty() || spilledEvents > 0 || !pendingAssignments.isEmpty();
  }

  /**
   * The latest time in a fact, microseconds since 1970 in UTC, or {@link Long#MIN_VALUE} where
   * there is no fact.
   */
  long latest() {
    long latest = events.latest();
    for (AssignmentRow row : assignments) {
      latest = Math.max(latest, row.assignedAt());
      latest = Math.max(latest, row.enrolledAt() == null ? latest : row.enrolledAt());
    }
    return latest;
  }

  /** Over all delivered rows; independent of their order. */
  long checksum() {
    long sum = events.checksum();
    for (AssignmentRow row : assignments) {
      sum += EventContent.ofRow(row);
    }
    return sum;
  }

  /** Whether both hold the same rows, in any order. */
  boolean holdsTheSameAs(ExperimentFacts other) {
    return assignments.size() == other.assignments.size()
        && assignments.containsAll(other.assignments)
        && events.holdsTheSameAs(other.events);
  }
}
