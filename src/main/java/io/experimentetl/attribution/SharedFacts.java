package io.experimentetl.attribution;

import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.EventRow;
import java.util.HashSet;
import java.util.Set;

/**
 * The facts that name no experiment. Each counts in every experiment of its user, as if it stood
 * there, but exposes nobody: a row of the exposures' type counts nowhere. State and warehouse hold
 * them once, as the facts of {@link EventRow#SHARED}.
 */
final class SharedFacts {
  private final boolean exist;
  private final String exposureEvent;

  /** The types of the events that a metric may use before the exposure as its covariate. */
  private final Set<String> covariateEvents = new HashSet<>();

  /**
   * The shared facts of all users.
   *
   * @param exist false: 0 is the id of an experiment like any other
   */
  SharedFacts(boolean exist, StatisticsConfig statistics) {
    this.exist = exist;
    this.exposureEvent = statistics.exposureEvent();
    for (MetricConfig metric : statistics.metrics()) {
      if (metric.covariate() != null) {
        covariateEvents.add(metric.eventType());
      }
    }
  }

  /** The shared facts of a job. */
  static SharedFacts of(JobConfig config) {
    return new SharedFacts(config.source().tables().hasSharedFacts(), config.statistics());
  }

  /** Whether the facts of this experiment's id are shared. */
  boolean include(long experimentId) {
    return exist && experimentId == EventRow.SHARED;
  }

  /** The user's shared events, to look at. */
  EventFacts of(UserFacts user) {
    return exist ? user.eventsIn(EventRow.SHARED) : new EventFacts();
  }

  /**
   * Whether a shared event can change statistics of the experiment, whatever its users do.
   *
   * @param experiment null: it is not known
   * @param event null: none
   */
  boolean mayCount(ExperimentDimension experiment, EventFact event) {
    if (experiment == null || event == null || event.eventType().equals(exposureEvent)) {
      return false;
    }
    long at = event.occurredAt();
    return experiment.isRunningAt(at)
        // A covariate's period is before the exposure, which is before the end.
        || (covariateEvents.contains(event.eventType())
            && (experiment.endsAt() == null || at <= experiment.endsAt()));
  }
}
