package io.experimentetl.model;

/**
 * A row of {@code experiment_allocations}: one phase of an experiment's allocation.
 *
 * @param judgedAs the number of the phase by whose weights its users are judged: its own, or a
 *     later one after a wrong weight was corrected
 */
public record ExperimentAllocation(
    long experimentId, AllocationPhase phase, int judgedAs, RowVersion version) {}
