package io.experimentetl.attribution;

/**
 * A status of an experiment; a record of broadcast state.
 *
 * @param since commit time of the change that set it, or when the snapshot read it; microseconds
 *     since 1970 in UTC
 * @param status the platform's enum as text; it may be unknown to the product
 */
public record KnownStatus(long since, String status) {}
