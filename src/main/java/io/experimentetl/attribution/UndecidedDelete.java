package io.experimentetl.attribution;

import io.experimentetl.model.EventId;

/**
 * A deleted fact whose finding waits until it is clear whether its transaction erases the user; a
 * record of keyed state.
 *
 * @param eventId null: an assignment
 * @param occurredAt of the event, microseconds since 1970 in UTC
 * @param assignmentId 0: an event
 * @param decideAt processing time, milliseconds since 1970
 */
public record UndecidedDelete(
    long txId,
    long experimentId,
    EventId eventId,
    long occurredAt,
    long assignmentId,
    long lsn,
    long committedAt,
    long decideAt) {}
