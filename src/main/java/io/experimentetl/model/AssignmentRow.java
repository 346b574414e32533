package io.experimentetl.model;

/**
 * A row of {@code assignments}. Timestamps are microseconds since 1970 in UTC.
 *
 * @param source the platform's enum as text: hash, override, forced, api
 * @param context JSON text, or null
 * @param enrolledAt null: not enrolled
 */
public record AssignmentRow(
    long id,
    long experimentId,
    String userId,
    long variantId,
    int version,
    String source,
    String context,
    long assignedAt,
    Long enrolledAt,
    long createdAt,
    long updatedAt)
    implements SourceRow {}
