package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventId;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.Set;

/** On the heap, the working form of {@link UnmovedState}. */
final class UnmovedFacts {
  /** The key of an event within an experiment. */
  record EventKey(EventId id, long occurredAt) {}

  final String userId;
  final long experimentId;
  final Set<EventKey> events = new LinkedHashSet<>();
  final Set<Long> assignments = new HashSet<>();

  UnmovedFacts(String userId, long experimentId) {
    this.userId = userId;
    this.experimentId = experimentId;
  }

  static UnmovedFacts of(UnmovedState state) {
    UnmovedFacts facts = new UnmovedFacts(state.userId(), state.experimentId());
    for (int i = 0; i < state.occurredAt().length; i++) {
      facts.events.add(
          new EventKey(
              new EventId(state.idHigh()[i], state.idLow()[i], null), state.occurredAt()[i]));
    }
    for (long assignment : state.assignments()) {
      facts.assignments.add(assignment);
    }
    return facts;
  }

  UnmovedState toState() {
    long[] idHigh = new long[events.size()];
    long[] idLow = new long[events.size()];
    long[] occurredAt = new long[events.size()];
    int i = 0;
    for (EventKey event : events) {
      idHigh[i] = event.id().high();
      idLow[i] = event.id().low();
      occurredAt[i++] = event.occurredAt();
    }
    return new UnmovedState(
        userId,
        experimentId,
        idHigh,
        idLow,
        occurredAt,
        assignments.stream().mapToLong(Long::longValue).toArray());
  }

  /** Adds all delivered facts. */
  void addAll(ExperimentFacts facts) {
    facts.events.forEach(event -> events.add(new EventKey(event.id(), event.occurredAt())));
    for (AssignmentRow row : facts.assignments()) {
      assignments.add(row.id());
    }
  }

  void removeAll(UnmovedFacts others) {
    events.removeAll(others.events);
    assignments.removeAll(others.assignments);
  }

  boolean isEmpty() {
    return events.isEmpty() && assignments.isEmpty();
  }
}
