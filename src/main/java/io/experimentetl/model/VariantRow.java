package io.experimentetl.model;

/**
 * A row of {@code variants}. Timestamps are microseconds since 1970 in UTC.
 *
 * @param allocationPct 0 to 100
 * @param config JSON text, or null
 */
public record VariantRow(
    long id,
    long experimentId,
    String key,
    String name,
    String description,
    int allocationPct,
    boolean control,
    String config,
    long createdAt,
    long updatedAt)
    implements SourceRow {}
