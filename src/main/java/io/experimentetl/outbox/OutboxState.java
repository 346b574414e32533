package io.experimentetl.outbox;

/**
 * What is kept of one subject: of one event id with its outbox rows, or of one other outbox row; a
 * record of keyed state.
 *
 * @param versions what the event's row has said since it came
 * @param eventSince commit time of the event's row, if it needs an outbox row; milliseconds since
 *     1970, 0: it needs none
 * @param eventSequenceNumber of that row's change
 * @param eventLsn of that row's change
 * @param withoutOutbox O-EVENT-WITHOUT-OUTBOX is open
 * @param goneTxId the last transaction that deleted a row of the event: if it inserts one too, that
 *     one was moved
 * @param lastSeenAt the latest commit time of all this, milliseconds since 1970
 */
public record OutboxState(
    OutboxEntry[] rows,
    EventVersion[] versions,
    long eventSince,
    long eventSequenceNumber,
    long eventLsn,
    boolean withoutOutbox,
    long goneTxId,
    long lastSeenAt) {}
