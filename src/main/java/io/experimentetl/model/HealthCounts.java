package io.experimentetl.model;

/**
 * Additive figures of an experiment's health for one (variant, day).
 *
 * @param assignedUsers users assigned at random (by hash or api) on the day
 * @param exposedUsers users first exposed on the day, crossovers included
 * @param crossoverUsers users first exposed on the day who were exposed to more than one variant
 * @param exposures exposure events on the day
 */
public record HealthCounts(
    long assignedUsers, long exposedUsers, long crossoverUsers, long exposures) {

  public static final HealthCounts ZERO = new HealthCounts(0, 0, 0, 0);

  public HealthCounts plus(HealthCounts other) {
    return new HealthCounts(
        assignedUsers + other.assignedUsers,
        exposedUsers + other.exposedUsers,
        crossoverUsers + other.crossoverUsers,
        exposures + other.exposures);
  }

  public HealthCounts negate() {
    return new HealthCounts(-assignedUsers, -exposedUsers, -crossoverUsers, -exposures);
  }

  public boolean isZero() {
    return equals(ZERO);
  }
}
