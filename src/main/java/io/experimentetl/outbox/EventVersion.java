package io.experimentetl.outbox;

import io.experimentetl.model.EventRow;
import java.util.Objects;

/**
 * One version of an event's row; a record of keyed state.
 *
 * @param occurredAt microseconds since 1970 in UTC
 */
public record EventVersion(
    long occurredAt, long experimentId, String userId, Long variantId, String eventType) {

  static EventVersion of(EventRow row) {
    return new EventVersion(
        row.occurredAt(), row.experimentId(), row.userId(), row.variantId(), row.eventType());
  }

  /** The name of the first column that the payload contradicts, or null. */
  String contradictedBy(OutboxEntry row) {
    if (!Objects.equals(row.type(), eventType)) {
      return "type";
    }
    if (row.occurredAt() != null && row.occurredAt() != occurredAt) {
      return "timestamp";
    }
    if (row.userId() != null && !row.userId().equals(userId)) {
      return "user_id";
    }
    if (row.experimentId() != null && row.experimentId() != experimentId) {
      return "experiment_id";
    }
    return row.variantId() != null && !row.variantId().equals(variantId) ? "variant_id" : null;
  }
}
