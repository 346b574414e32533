package io.experimentetl.outbox;

import io.experimentetl.model.Change;

/**
 * An outbox row; a record of keyed state. The last five components are the payload's, null where
 * the payload does not have them.
 *
 * @param sequenceNumber of the change that let it be relayed: its first, or one that asks again
 * @param lsn of the same change; 0: the snapshot
 * @param seenAt commit time of its first change, milliseconds since 1970
 * @param acknowledged false: relayed, and {@code processed_at} is still NULL
 * @param stuckAt when the row becomes stuck, milliseconds since 1970
 * @param stuck O-STUCK is open
 * @param comparedWithEvent the row's event type is one of {@code outbox.event-types}, and the row
 *     was committed late enough after the stream began
 * @param withoutEvent O-OUTBOX-WITHOUT-EVENT is open
 * @param occurredAt microseconds since 1970 in UTC
 */
public record OutboxEntry(
    long id,
    long sequenceNumber,
    long lsn,
    long seenAt,
    boolean acknowledged,
    long stuckAt,
    boolean stuck,
    boolean comparedWithEvent,
    boolean withoutEvent,
    String type,
    Long occurredAt,
    String userId,
    Long experimentId,
    Long variantId) {

  /** The change that asks for it: a later finding about the row is newer than it. */
  OutboxEntry relayedAgain(long newStuckAt, Change change) {
    return with(
        change.sequenceNumber(), change.position().lsn(), false, newStuckAt, false, withoutEvent);
  }

  OutboxEntry asAcknowledged() {
    return with(sequenceNumber, lsn, true, Long.MAX_VALUE, false, withoutEvent);
  }

  OutboxEntry asStuck() {
    return with(sequenceNumber, lsn, false, Long.MAX_VALUE, true, withoutEvent);
  }

  OutboxEntry withoutEvent(boolean open) {
    return with(sequenceNumber, lsn, acknowledged, stuckAt, stuck, open);
  }

  private OutboxEntry with(
      long newSequenceNumber,
      long newLsn,
      boolean nowAcknowledged,
      long newStuckAt,
      boolean nowStuck,
      boolean nowWithoutEvent) {
    return new OutboxEntry(
        id,
        newSequenceNumber,
        newLsn,
        seenAt,
        nowAcknowledged,
        newStuckAt,
        nowStuck,
        comparedWithEvent,
        nowWithoutEvent,
        type,
        occurredAt,
        userId,
        experimentId,
        variantId);
  }
}
