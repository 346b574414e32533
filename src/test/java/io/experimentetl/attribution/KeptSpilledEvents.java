package io.experimentetl.attribution;

import io.experimentetl.model.EventRow;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Spilled events of one user, in a map. */
final class KeptSpilledEvents implements SpilledEvents {
  final Map<List<Object>, PendingEvent> events = new HashMap<>();

  @Override
  public void put(UserFacts user, PendingEvent flagged) {
    events.put(keyOf(flagged.event()), flagged);
  }

  @Override
  public PendingEvent remove(UserFacts user, EventRow event) {
    return events.remove(keyOf(event));
  }

  @Override
  public Stream<PendingEvent> of(UserFacts user) {
    return events.values().stream();
  }

  private static List<Object> keyOf(EventRow event) {
    return List.of(event.experimentId(), event.id(), event.occurredAt());
  }
}
