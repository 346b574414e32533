package io.experimentetl.model;

/**
 * A row of {@code experiments}. Timestamps are microseconds since 1970 in UTC.
 *
 * @param status the platform's enum as text, whatever it says
 * @param config JSON text, or null
 * @param startsAt null: open
 * @param endsAt null: open
 */
public record ExperimentRow(
    long id,
    String key,
    String name,
    String description,
    String status,
    String seed,
    int version,
    String config,
    Long startsAt,
    Long endsAt,
    long createdAt,
    long updatedAt)
    implements SourceRow {}
