package io.experimentetl.stats;

/**
 * A variant's share of its experiment's users; a record of broadcast state.
 *
 * @param allocationPct 0 to 100
 * @param control null: not known, kept by a release that did not ask; the variant's next change
 *     says it
 */
public record VariantWeight(long experimentId, int allocationPct, Boolean control) {}
