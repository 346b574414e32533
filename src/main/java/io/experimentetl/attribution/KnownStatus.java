package io.experimentetl.attribution;

/**
 * A status that an experiment had; a record of broadcast state.
 *
 * @param since commit time of the change that set it, or when the snapshot read it; microseconds
 *     since 1970 in UTC
 * @param status the platform's enum as text, whatever it says
 */
public record KnownStatus(long since, String status) {}
