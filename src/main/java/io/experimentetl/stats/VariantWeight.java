package io.experimentetl.stats;

/**
 * A variant's share of its experiment's users; a record of broadcast state.
 *
 * @param allocation only the ratio to the other variants counts
 */
public record VariantWeight(long experimentId, double allocation, boolean control) {}
