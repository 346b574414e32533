package io.experimentetl.attribution;

/**
 * Delivered facts of one experiment whose rows stand under a former id of their user; a record of
 * keyed state.
 *
 * @param userId the former id
 * @param idHigh of each event, as {@code idLow} and {@code occurredAt}
 * @param assignments ids
 */
public record UnmovedState(
    String userId,
    long experimentId,
    long[] idHigh,
    long[] idLow,
    long[] occurredAt,
    long[] assignments) {}
