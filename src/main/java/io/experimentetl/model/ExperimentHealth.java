package io.experimentetl.model;

/**
 * A row of {@code experiment_health_daily}: the experiment as of the end of a day.
 *
 * @param dayEpoch days since 1970-01-01 in the experiment's zone
 * @param variantIds the experiment's variants, ascending; the three arrays below have this order
 * @param assignedUsers users assigned at random up to the day, per variant
 * @param exposedUsers users exposed up to the day, per variant
 * @param weights present allocation per variant, as the source has it
 * @param expectedUsers users that each variant expects, of those whose allocation is known: by the
 *     weights of the time of each assignment
 * @param crossoverUsers users exposed to more than one variant, first exposed up to the day
 * @param exposures exposure events on the day
 * @param srmChiSquare summed over the phases of the allocation; 0 if it cannot be computed
 * @param srmDegreesOfFreedom 0 if the statistic cannot be computed
 * @param srmP 1 if it cannot be computed
 */
public record ExperimentHealth(
    long experimentId,
    int dayEpoch,
    long[] variantIds,
    long[] assignedUsers,
    long[] exposedUsers,
    double[] weights,
    double[] expectedUsers,
    long crossoverUsers,
    long exposures,
    double srmChiSquare,
    int srmDegreesOfFreedom,
    double srmP,
    RowVersion version) {}
