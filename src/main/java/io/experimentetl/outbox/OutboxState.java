package io.experimentetl.outbox;

/**
 * The state of one event and its outbox rows, or of one other outbox row; a record of keyed state.
 *
 * @param versions of the event's row, oldest first
 * @param awaitingRowSince commit time of the event's insert while no outbox row has arrived,
 *     milliseconds since 1970; 0: none is awaited
 * @param eventSequenceNumber of that insert
 * @param eventLsn of that insert
 * @param withoutOutbox O-EVENT-WITHOUT-OUTBOX is open
 * @param deletedInTxId the last transaction that deleted a row of the event. An insert in the same
 *     transaction is a moved row, not a new event
 * @param lastSeenAt the latest commit time of these changes, milliseconds since 1970
 */
public record OutboxState(
    OutboxEntry[] rows,
    EventVersion[] versions,
    long awaitingRowSince,
    long eventSequenceNumber,
    long eventLsn,
    boolean withoutOutbox,
    long deletedInTxId,
    long lastSeenAt) {}
