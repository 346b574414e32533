package io.experimentetl.model;

/**
 * A row of {@code users}. Timestamps are microseconds since 1970 in UTC.
 *
 * @param properties JSON text (country, platform, plan …), or null
 */
public record UserRow(
    String userId,
    String email,
    String name,
    String properties,
    boolean active,
    long createdAt,
    long updatedAt)
    implements SourceRow {}
