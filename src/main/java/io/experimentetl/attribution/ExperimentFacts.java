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

  private static final long[] NO_NUMBERS = {};

  final long experimentId;

  /** The delivered events. */
  final EventFacts events;

  final List<PendingAssignment> pendingAssignments = new ArrayList<>(0);
  final List<PendingEvent> pendingEvents = new ArrayList<>(0);

  /** Number of this user's events in this experiment that {@link SpilledEvents} holds. */
  int spilledEvents;

  /** What was sent of these facts to the statistics. */
  final Figures figures;

  /** Exact after every change of an event. */
  Exposures exposures = new Exposures();

  /** Exact after every change of a fact; null: not computed since the facts were read. */
  Membership membership;

  /**
   * The version of the dimensions by which {@link #exposures} and {@link #figures} were counted.
   */
  long countedBy;

  /** Whether the finding about a crossover is open. */
  boolean isCrossoverReported;

  /** Whether the finding about the enrolment is open. */
  boolean isEnrolmentReported;

  /** Whether {@link #figures} hold the number of events by day. */
  boolean daysCounted;

  /** Whether the figures must be computed from all facts; otherwise {@link #appended} is added. */
  boolean mustRestate;

  /** Events that the figures do not contain yet, unless {@link #mustRestate}. */
  final List<EventFact> appended = new ArrayList<>(0);

  /** The facts were rehydrated: their figures were sent, and are not in state. */
  boolean areFiguresUnknown;

  private final ExperimentRecord record = new ExperimentRecord();

  /** What {@link UserFacts#weight} contains of these facts. */
  int weighed;

  /** Whether they were in use since {@link UserFacts#clearTouched}. */
  boolean isTouched;

  /** Whether they were in use since {@link UserFacts#flush}. */
  boolean isUnwritten;

  private final List<AssignmentRow> assignments = new ArrayList<>(1);

  /** By id, the marks of assignments that have one; a map of its own where there are any. */
  private Map<Long, Byte> assignmentMarks = Map.of();

  /** The sequence numbers of the changes that brought the assignments, in their order. */
  private long[] sequences = NO_NUMBERS;

  private AssignmentRow assignment;

  /** Facts on the heap alone. */
  ExperimentFacts(long experimentId) {
    this(experimentId, new EventFacts(), new Figures());
  }

  private ExperimentFacts(long experimentId, EventFacts events, Figures figures) {
    this.experimentId = experimentId;
    this.events = events;
    this.figures = figures;
  }

  /** Facts of a user of whom none is in state. */
  static ExperimentFacts of(UserStorage storage, String key, long experimentId) {
    return of(storage, key, experimentId, 0, FactEntries.NO_BYTES, FactEntries.NO_BYTES, false);
  }

  /** Facts in state. */
  static ExperimentFacts of(UserStorage storage, String key, ExperimentState state) {
    ExperimentFacts facts =
        of(
            storage,
            key,
            state.experimentId(),
            state.events(),
            state.fewEvents(),
            state.fewFigures(),
            state.manyFigures());
    facts.exposures =
        Exposures.of(state.firstExposure(), state.exposedVariants(), state.exposures());
    facts.countedBy = state.countedBy();
    facts.isCrossoverReported = state.crossover();
    facts.isEnrolmentReported = state.enrolledElsewhere();
    facts.daysCounted = state.daysCounted();
    facts.assignments.addAll(Arrays.asList(state.assignments()));
    facts.sequences = state.assignedSequences();
    facts.assignment = facts.earliestAssignment();
    facts.pendingAssignments.addAll(Arrays.asList(state.pendingAssignments()));
    facts.pendingEvents.addAll(Arrays.asList(state.pendingEvents()));
    facts.spilledEvents = state.spilledEvents();
    for (int i = 0; i < state.markedAssignments().length; i++) {
      facts.setAssignmentMark(state.markedAssignments()[i], state.assignmentMarks()[i]);
    }
    int changes = 0;
    for (byte[] change : storage.appendedToExperiment(key, state.experimentId())) {
      facts.apply(ExperimentChangeSerializer.read(change));
      changes += change.length;
    }
    facts.record.read(facts.toState(FactEntries.NO_BYTES, FactEntries.NO_BYTES), changes);
    return facts;
  }

  private void apply(ExperimentChange change) {
    events.apply(change.changedEvents(), change.events());
    figures.apply(change.changedFigures());
    exposures = Exposures.of(change.firstExposure(), change.exposedVariants(), change.exposures());
    countedBy = change.countedBy();
    isCrossoverReported = change.crossover();
    isEnrolmentReported = change.enrolledElsewhere();
    daysCounted = change.daysCounted();
  }

  private static ExperimentFacts of(
      UserStorage storage,
      String key,
      long experimentId,
      int events,
      byte[] fewEvents,
      byte[] fewFigures,
      boolean manyFigures) {
    return new ExperimentFacts(
        experimentId,
        new EventFacts(
            new FactEntries<>(
                storage.events(key, experimentId),
                EntriesSerializer.EVENTS,
                storage.maxBytesInRecord(),
                fewEvents,
                events > 0 && fewEvents.length == 0),
            events),
        new Figures(
            new FactEntries<>(
                storage.figures(key, experimentId),
                EntriesSerializer.FIGURES,
                storage.maxBytesInRecord(),
                fewFigures,
                manyFigures)));
  }

  /** Whether keyed state holds these facts. */
  boolean isStored() {
    return record.isThere();
  }

  /** The state to keep, beside many events and figures. */
  ExperimentState toState(byte[] fewEvents, byte[] fewFigures) {
    // Loops and shared empty arrays: every write of a user to state comes here.
    long[] marked = assignmentMarks.isEmpty() ? NO_NUMBERS : new long[assignmentMarks.size()];
    byte[] marks = marked.length == 0 ? FactEntries.NO_BYTES : new byte[marked.length];
    int next = 0;
    for (Map.Entry<Long, Byte> mark : assignmentMarks.entrySet()) {
      marked[next] = mark.getKey();
      marks[next++] = mark.getValue();
    }
    return new ExperimentState(
        experimentId,
        assignments.toArray(AssignmentRow[]::new),
        sequences,
        events.size(),
        fewEvents,
        fewFigures,
        exposures.first(),
        exposures.variants(),
        exposures.counts(),
        countedBy,
        isCrossoverReported,
        isEnrolmentReported,
        figures.areStored(),
        daysCounted,
        pendingAssignments.toArray(PendingAssignment.NONE),
        pendingEvents.toArray(PendingEvent.NONE),
        spilledEvents,
        marked,
        marks);
  }

  /** Writes everything to state; the figures must be settled. */
  void flush(UserStorage storage, String key) {
    events.flush();
    figures.flush();
    exposures.forgetTimes();
    if (!isEmpty()) {
      record.write(storage, key, this);
    } else {
      remove(storage, key);
    }
  }

  /** Removes everything from state. */
  void remove(UserStorage storage, String key) {
    events.clear();
    figures.clear();
    record.remove(storage, key, experimentId);
  }

  /** Takes over rehydrated facts, whose figures were sent before. */
  void takeOver(ExperimentFacts read, long countedByThen) {
    read.events.forEach(events::put);
    for (AssignmentRow row : read.assignments) {
      put(row, read.sequenceOf(row.id()));
    }
    read.assignmentMarks.forEach(this::setAssignmentMark);
    countedBy = countedByThen;
    areFiguresUnknown = true;
  }

  /** A copy whose events are on the heap. */
  ExperimentFacts onTheHeap() {
    ExperimentFacts copy = new ExperimentFacts(experimentId);
    events.forEach(copy.events::put);
    for (AssignmentRow row : assignments) {
      copy.put(row, sequenceOf(row.id()));
    }
    assignmentMarks.forEach(copy::setAssignmentMark);
    copy.pendingAssignments.addAll(pendingAssignments);
    copy.pendingEvents.addAll(pendingEvents);
    copy.spilledEvents = spilledEvents;
    return copy;
  }

  /** An estimate of the heap that these facts take, in bytes. */
  int weight() {
    return 1_500
        + events.weight()
        + figures.weight()
        + exposures.weight()
        + 8 * appended.size()
        + 500 * pendingEvents.size();
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
    boolean[] needed = {false};
    events.forEach(
        event ->
            needed[0] |=
                FactMark.truncatesBefore(event.mark()) > 0
                    || (FactMark.isRetentionDeleted(event.mark())
                        && !retention.isEventPast(event.occurredAt(), event.fact(), now)));
    return needed[0];
  }

  void setAssignmentMark(long id, byte mark) {
    if (mark != FactMark.NONE) {
      if (assignmentMarks.isEmpty()) {
        assignmentMarks = new TreeMap<>();
      }
      assignmentMarks.put(id, mark);
    } else if (!assignmentMarks.isEmpty()) {
      assignmentMarks.remove(id);
    }
  }

  /** A delivered event, with what these facts hold of its row. */
  EventRow eventRow(EventFact event, String userId) {
    return new EventRow(
        event.id(),
        event.occurredAt(),
        experimentId,
        userId,
        event.variantId() == EventFact.NO_VARIANT ? null : event.variantId(),
        event.eventType(),
        null,
        null,
        null,
        null,
        null,
        event.fact());
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
      sequences = Arrays.copyOf(sequences, sequences.length + 1);
      sequences[sequences.length - 1] = sequence;
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
      long[] others = Arrays.copyOf(sequences, sequences.length - 1);
      System.arraycopy(sequences, index + 1, others, index, others.length - index);
      sequences = others;
    }
    setAssignmentMark(id, FactMark.NONE);
    assignment = earliestAssignment();
    return index >= 0;
  }

  /** The sequence number of the change that brought the assignment; 0: the snapshot. */
  long sequenceOf(long assignmentId) {
    return sequences[indexOf(assignmentId)];
  }

  void setSequence(long assignmentId, long sequence) {
    sequences = sequences.clone();
    sequences[indexOf(assignmentId)] = sequence;
  }

  /** The assignment that counts without the one with the id, or null. */
  AssignmentRow assignmentWithout(long id) {
    return assignments.stream().filter(row -> row.id() != id).min(EARLIEST).orElse(null);
  }

  private AssignmentRow earliestAssignment() {
    if (assignments.size() <= 1) {
      return assignments.isEmpty() ? null : assignments.get(0);
    }
    return Collections.min(assignments, EARLIEST);
  }

  boolean isEmpty() {
    return events.size() == 0 && assignments.isEmpty() && !hasPending();
  }

  /** Whether a fact is pending, or was delivered flagged and may still be corrected. */
  boolean hasPending() {
    return !pendingEvents.isEmpty() || spilledEvents > 0 || !pendingAssignments.isEmpty();
  }

  /**
   * The earliest time in a fact, microseconds since 1970 in UTC, or {@link Long#MAX_VALUE} where
   * there is none.
   */
  long earliest() {
    long[] earliest = {Long.MAX_VALUE};
    events.forEach(event -> earliest[0] = Math.min(earliest[0], event.occurredAt()));
    for (AssignmentRow row : assignments()) {
      earliest[0] = Math.min(earliest[0], row.assignedAt());
    }
    return earliest[0];
  }

  /**
   * The latest time in a fact, microseconds since 1970 in UTC, or {@link Long#MIN_VALUE} where
   * there is no fact.
   */
  long latest() {
    long[] latest = {Long.MIN_VALUE};
    events.forEach(event -> latest[0] = Math.max(latest[0], event.occurredAt()));
    for (AssignmentRow row : assignments) {
      latest[0] = Math.max(latest[0], row.assignedAt());
      latest[0] = Math.max(latest[0], row.enrolledAt() == null ? latest[0] : row.enrolledAt());
    }
    return latest[0];
  }

  /** Whether two events have the same id. */
  boolean repeatsIds() {
    boolean[] repeated = {false};
    events.forEachId(sameId -> repeated[0] |= sameId.length > 1);
    return repeated[0];
  }

  /** Over all delivered rows; independent of their order. */
  long checksum() {
    long[] sum = {0};
    events.forEach(
        event ->
            sum[0] +=
                EventContent.ofRow(
                    event.id().high(), event.id().low(), event.occurredAt(), event.content()));
    for (AssignmentRow row : assignments) {
      sum[0] += EventContent.ofRow(row);
    }
    return sum[0];
  }

  /** Whether both hold the same rows, in any order. */
  boolean holdsTheSameAs(ExperimentFacts other) {
    if (assignments.size() != other.assignments.size()
        || !assignments.containsAll(other.assignments)
        || events.size() != other.events.size()) {
      return false;
    }
    boolean[] same = {true};
    events.forEach(
        event -> {
          EventFact there = other.events.find(event.id(), event.occurredAt());
          same[0] &=
              there != null
                  && event.content() == there.content()
                  && event.variantId() == there.variantId()
                  && event.eventType().equals(there.eventType());
        });
    return same[0];
  }
}
