package io.experimentetl.model;

/**
 * The variant and day of an experiment's health for which a user counts.
 *
 * @param variantId the assigned variant
 * @param dayEpoch days since 1970-01-01 in the experiment's zone: of the assignment, the first
 *     exposure or the exposure
 * @param phase the allocation's phase of the assignment, for assigned users; {@link
 *     AllocationPhase#UNKNOWN} for all other figures
 */
public record HealthKey(long experimentId, long variantId, int dayEpoch, int phase) {}
