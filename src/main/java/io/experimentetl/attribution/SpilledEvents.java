package io.experimentetl.attribution;

import io.experimentetl.model.EventRow;
import java.util.stream.Stream;

/**
 * Flagged events beyond those that are held with their user. Each is a state entry of its own,
 * which is on disk if the state backend is. They are evaluated again when a reference arrives.
 */
interface SpilledEvents {
  void put(UserFacts user, PendingEvent flagged);

  /** Takes out the event with this key, or returns null. */
  PendingEvent remove(UserFacts user, EventRow event);

  /** All events of the user, in no order; to be read before the next change. */
  Stream<PendingEvent> of(UserFacts user);
}
