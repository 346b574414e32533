package io.experimentetl.attribution;

/**
 * An experiment that was deleted, is back, or has another zone, while rows of its facts are still
 * to be written; a record of operator state.
 *
 * @param origin of the experiment's change
 * @param keyGroups the key groups whose users remain
 */
public record UnfinishedRejoin(long experimentId, Origin origin, int[] keyGroups) {}
