package io.experimentetl.stats;

/**
 * A variant's share of its experiment's users; a record of broadcast state.
 *
 * @param allocationPct 0 to 100
 */
public record VariantWeight(long experimentId, int allocationPct, boolean control) {}
