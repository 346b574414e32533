package io.experimentetl.attribution;

import io.experimentetl.config.Population;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.quality.AssignmentChecks;

/**
 * Whether and from when on a user counts in an experiment.
 *
 * @param firstExposure microseconds since 1970 in UTC; {@link Exposures#NONE}: not exposed
 * @param counts the user was assigned at random, to a variant of the experiment
 * @param crossover the user counts and was seen in more than one variant
 * @param enrolmentGap between enrolment and first exposure, microseconds; 0: one of them is absent
 */
record Membership(long firstExposure, boolean counts, boolean crossover, long enrolmentGap) {
  static final Membership NONE = new Membership(Exposures.NONE, false, false, 0);

  static Membership of(
      ExperimentFacts facts,
      Exposures exposures,
      Dimensions dimensions,
      StatisticsConfig statistics) {
    ExperimentDimension experiment = dimensions.experiment(facts.experimentId);
    if (experiment == null) {
      return NONE;
    }
    AssignmentRow assignment = facts.assignment();
    long firstExposure = exposures.first();
    long enrolmentGap = AssignmentChecks.enrolmentGap(assignment, firstExposure);
    if (statistics.population() != Population.EXPOSURE) {
      firstExposure = entryByAssignment(assignment, experiment, statistics.population());
    }
    boolean counts =
        assignment != null
            && isRandom(assignment)
            && belongs(dimensions.variant(assignment.variantId()), experiment);
    boolean crossover =
        counts && firstExposure != Exposures.NONE && exposures.isElsewhere(assignment.variantId());
    return new Membership(firstExposure, counts, crossover, enrolmentGap);
  }

  boolean isExposed() {
    return firstExposure != Exposures.NONE;
  }

  /** Whether the assignment is random; forced and overridden ones don't count. */
  private static boolean isRandom(AssignmentRow assignment) {
    return !assignment.source().equals("override") && !assignment.source().equals("forced");
  }

  private static boolean belongs(VariantDimension variant, ExperimentDimension experiment) {
    return variant != null && variant.experimentId() == experiment.id();
  }

  private static long entryByAssignment(
      AssignmentRow assignment, ExperimentDimension experiment, Population population) {
    if (assignment == null) {
      return Exposures.NONE;
    }
    Long entry =
        population == Population.ENROLLED
            ? assignment.enrolledAt()
            : Long.valueOf(assignment.assignedAt());
    return entry != null && experiment.isRunningAt(entry) ? entry : Exposures.NONE;
  }
}
