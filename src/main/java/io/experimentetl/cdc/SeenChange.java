package io.experimentetl.cdc;

/**
 * The last change of a row that was passed on; a record of keyed state.
 *
 * @param committedAt microseconds since 1970 in UTC
 */
public record SeenChange(long lsn, long committedAt) {}
