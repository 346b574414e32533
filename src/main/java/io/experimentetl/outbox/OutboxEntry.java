package io.experimentetl.outbox;

/**
 * What is kept of an outbox row; a record of keyed state.
 *
 * @param sequenceNumber of its first change
 * @param lsn of its first change; 0: the snapshot
 * @param seenAt commit time of its first change, milliseconds since 1970
 * @param acknowledged false: relayed, and {@code processed_at} has not come back
 * @param stuckAt from then on it is stuck, milliseconds since 1970
 * @param stuck O-STUCK is open
 * @param heldAgainstEvent its event's type is one that is held against the outbox, and it came late
 *     enough after the stream's begin
 * @param withoutEvent O-OUTBOX-WITHOUT-EVENT is open
 * @param type by the payload, as the following: null where it says nothing
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
    boolean heldAgainstEvent,
    boolean withoutEvent,
    String type,
    Long occurredAt,
    String userId,
    Long experimentId,
    Long variantId) {

  OutboxEntry relayedAgain(long newStuckAt) {
    return with(false, newStuckAt, false, withoutEvent);
  }

  OutboxEntry asAcknowledged() {
    return with(true, Long.MAX_VALUE, false, withoutEvent);
  }

  OutboxEntry asStuck() {
    return with(false, Long.MAX_VALUE, true, withoutEvent);
  }

  OutboxEntry withoutEvent(boolean open) {
    return with(acknowledged, stuckAt, stuck, open);
  }

  private OutboxEntry with(
      boolean nowAcknowledged, long newStuckAt, boolean nowStuck, boolean nowWithoutEvent) {
    return new OutboxEntry(
        id,
        sequenceNumber,
        lsn,
        seenAt,
        nowAcknowledged,
        newStuckAt,
        nowStuck,
        heldAgainstEvent,
        nowWithoutEvent,
        type,
        occurredAt,
        userId,
        experimentId,
        variantId);
  }
}
