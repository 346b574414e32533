package io.experimentetl.model;

/**
 * A row of {@code events}; its key is (id, occurredAt). Timestamps are microseconds since 1970 in
 * UTC.
 *
 * @param occurredAt the column {@code timestamp}: the client's clock
 * @param variantId the variant that was delivered, or null
 * @param assignmentAt null: not known to the client
 * @param properties JSON text, or null
 */
public record EventRow(
    EventId id,
    long occurredAt,
    long experimentId,
    String userId,
    Long variantId,
    String eventType,
    Long assignmentAt,
    String properties,
    String sessionId,
    String requestId)
    implements SourceRow {}
