package io.experimentetl.model;

/**
 * What a subtask of {@code attribute} adds to an experiment's health between two checkpoint
 * barriers.
 *
 * @param variantId the assigned variant
 * @param dayEpoch days since 1970-01-01 in the experiment's zone: of the assignment for {@code
 *     assignedUsers}, of the first exposure for {@code exposedUsers} and {@code crossoverUsers}, of
 *     the event for {@code exposures}
 * @param assignedUsers users assigned at random (by hash or api)
 * @param exposedUsers users with an exposure, crossovers included
 * @param crossoverUsers users seen in more than one variant
 * @param exposures exposure events
 */
public record HealthContribution(
    long experimentId,
    long variantId,
    int dayEpoch,
    long assignedUsers,
    long exposedUsers,
    long crossoverUsers,
    long exposures) {}
