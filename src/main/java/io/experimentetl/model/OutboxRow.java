package io.experimentetl.model;

/**
 * A row of {@code outbox_events}. Timestamps are microseconds since 1970 in UTC.
 *
 * @param payload JSON text in one of the platform's shapes
 * @param processedAt null: not relayed yet
 */
public record OutboxRow(
    long id,
    String aggregateId,
    String aggregateType,
    String eventType,
    String payload,
    long createdAt,
    Long processedAt)
    implements SourceRow {}
