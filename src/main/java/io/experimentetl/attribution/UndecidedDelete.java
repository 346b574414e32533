package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;

/**
 * A deleted fact that is not reported yet, because its transaction may still erase the user; a
 * record of keyed state.
 *
 * @param eventId null: an assignment was deleted
 * @param occurredAt of the event, microseconds since 1970 in UTC
 * @param assignmentId 0: an event was deleted
 * @param origin of the delete
 * @param decideAt processing time, milliseconds since 1970
 */
public record UndecidedDelete(
    long txId,
    long experimentId,
    EventId eventId,
    long occurredAt,
    long assignmentId,
    Origin origin,
    long decideAt) {

  static UndecidedDelete of(EventRow event, long txId, Origin origin, long decideAt) {
    return new UndecidedDelete(
        txId, event.experimentId(), event.id(), event.occurredAt(), 0, origin, decideAt);
  }

  static UndecidedDelete of(AssignmentRow row, long txId, Origin origin, long decideAt) {
    return new UndecidedDelete(txId, row.experimentId(), null, 0, row.id(), origin, decideAt);
  }
}
