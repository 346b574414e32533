package io.experimentetl.attribution;

import io.experimentetl.model.EventRow;
import java.util.stream.Stream;

/**
 * Events that went out flagged and are more than what is held with their user: each an entry of
 * state of its own, which is on disk where the state backend is. They are looked at again when a
 * reference comes.
 */
interface SpilledEvents {
  void put(PendingEvent flagged);

  /** Takes out the event of that key, or returns null. */
  PendingEvent remove(EventRow event);

  /** All of the user's, in no order; to be read before the next change. */
  Stream<PendingEvent> of(String userId);
}
