package io.experimentetl.attribution;

import io.experimentetl.model.EventRow;
import io.experimentetl.quality.EventReferences;

/** Looks up the rows that a fact refers to, and notes the missing experiments and variants. */
final class ReferenceLookup {
  private final Dimensions dimensions;
  private final MissingReferences missing;
  private final boolean hasUsers;
  private final SharedFacts shared;

  /**
   * A lookup.
   *
   * @param hasUsers whether the source has a table of users; without it every user is known
   */
  ReferenceLookup(
      Dimensions dimensions, MissingReferences missing, boolean hasUsers, SharedFacts shared) {
    this.dimensions = dimensions;
    this.missing = missing;
    this.hasUsers = hasUsers;
    this.shared = shared;
  }

  /** What is known around the event; the facts must be current. */
  EventReferences of(UserFacts user, ExperimentFacts facts, EventRow event) {
    if (shared.include(event.experimentId())) {
      return EventReferences.shared(isKnown(user));
    }
    ExperimentDimension experiment = experiment(event.experimentId());
    VariantDimension variant = event.variantId() == null ? null : variant(event.variantId());
    ExperimentCalendar calendar = dimensions.calendarOf(experiment);
    return new EventReferences(
        experiment != null,
        experiment != null && experiment.isRunningAt(event.occurredAt()),
        experiment != null && experiment.isActiveAt(event.occurredAt()),
        isKnown(user),
        variant == null ? null : variant.experimentId(),
        facts.assignment(),
        facts.membership.firstExposure(),
        calendar.endOf(calendar.dayOf(event.occurredAt())),
        false);
  }

  /** Whether the user that the fact names exists. */
  boolean isKnown(UserFacts user) {
    return !hasUsers || user.user != null;
  }

  /** The experiment, or null where it is missing. */
  ExperimentDimension experiment(long id) {
    ExperimentDimension experiment = dimensions.experiment(id);
    if (experiment == null) {
      missing.experiments.add(id);
    }
    return experiment;
  }

  /** The variant, or null where it is missing. */
  VariantDimension variant(long id) {
    VariantDimension variant = dimensions.variant(id);
    if (variant == null) {
      missing.variants.add(id);
    }
    return variant;
  }
}
