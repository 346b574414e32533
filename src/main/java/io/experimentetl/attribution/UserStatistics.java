package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.A_CROSSOVER;
import static io.experimentetl.model.FindingCode.T_ENROLL_MISMATCH;

import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.HealthCounts;
import java.util.IdentityHashMap;

/** Keeps a user's contributions to the statistics in step with the user's facts. */
final class UserStatistics {
  private final Dimensions dimensions;
  private final StatisticsConfig statistics;
  private final long enrolmentTolerance;
  private final UserFindings findings;
  private final AttributionOutput out;

  /** The origin of the last change of facts whose contributions are restated later; null: none. */
  private IdentityHashMap<ExperimentFacts, Origin> deferred;

  /**
   * The statistics of one subtask's users.
   *
   * @param enrolmentTolerance allowed gap between enrolment and first exposure, microseconds
   */
  UserStatistics(
      Dimensions dimensions,
      StatisticsConfig statistics,
      long enrolmentTolerance,
      UserFindings findings,
      AttributionOutput out) {
    this.dimensions = dimensions;
    this.statistics = statistics;
    this.enrolmentTolerance = enrolmentTolerance;
    this.findings = findings;
    this.out = out;
  }

  /**
   * Computes the contributions if they are not computed yet. Call it before a fact changes:
   * otherwise the change gives no difference.
   */
  void ensureContributions(ExperimentFacts facts) {
    ensureContributions(facts, dimensions);
  }

  /** As {@link #ensureContributions(ExperimentFacts)}, with the dimensions before they changed. */
  void ensureContributions(ExperimentFacts facts, Dimensions before) {
    if (facts.contributions == null) {
      facts.contributions = Contributions.of(facts, before, statistics);
    }
  }

  /**
   * Begins a transaction's changes of a user: what they change together is restated once, by {@link
   * #restateDeferred}.
   */
  void defer() {
    deferred = new IdentityHashMap<>();
  }

  /** Restates what has changed since {@link #defer}. */
  void restateDeferred(UserFacts user) {
    IdentityHashMap<ExperimentFacts, Origin> changed = deferred;
    deferred = null;
    for (ExperimentFacts facts : user.experiments()) {
      Origin origin = changed.get(facts);
      if (origin != null) {
        restate(user, facts, origin);
      }
    }
  }

  /** Counts the event that was added last; no other event has its id. */
  void append(UserFacts user, ExperimentFacts facts, Origin origin) {
    if (deferred != null) {
      deferred.put(facts, origin);
    } else if (!AppendedEvent.tryAdd(facts, facts.events.size() - 1, dimensions, statistics, out)) {
      restate(user, facts, origin);
    }
  }

  /** Recomputes the contributions after a change of the facts or the dimensions. */
  void restate(UserFacts user, ExperimentFacts facts, Origin origin) {
    if (deferred != null) {
      deferred.put(facts, origin);
      return;
    }
    Contributions before = facts.contributions;
    facts.contributions = Contributions.of(facts, dimensions, statistics);
    send(user, facts.experimentId, before, facts.contributions, origin);
  }

  /** Takes back all contributions of facts that are about to be removed. */
  void retract(UserFacts user, ExperimentFacts facts, Origin origin) {
    Contributions after =
        Contributions.of(new ExperimentFacts(facts.experimentId), dimensions, statistics);
    send(user, facts.experimentId, facts.contributions, after, origin);
  }

  private void send(
      UserFacts user, long experimentId, Contributions before, Contributions after, Origin origin) {
    ExperimentCalendar calendar = dimensions.calendarOf(dimensions.experiment(experimentId));
    Contributions.sendDaily(before.daily(), after.daily(), calendar, out);
    sendHealth(before, after);
    if (before.crossover() != after.crossover()) {
      findings.report(
          A_CROSSOVER,
          after.crossover(),
          user,
          experimentId,
          after.crossover()
              ? "seen in more than one variant"
              : "seen in one variant only, after a change",
          origin);
    }
    boolean enrolledElsewhere = isEnrolledElsewhere(after);
    if (isEnrolledElsewhere(before) != enrolledElsewhere) {
      findings.report(
          T_ENROLL_MISMATCH,
          enrolledElsewhere,
          user,
          experimentId,
          enrolledElsewhere
              ? T_ENROLL_MISMATCH.sentence()
              : "enrolment and first exposure agree, or one of them is gone",
          origin);
    }
  }

  /** Whether the user was enrolled at another time than first exposed. */
  boolean isEnrolledElsewhere(Contributions contributions) {
    return contributions.enrolmentGap() > enrolmentTolerance;
  }

  private void sendHealth(Contributions before, Contributions after) {
    after
        .health()
        .forEach(
            (key, counts) -> {
              HealthCounts old = before.health().get(key);
              if (!counts.equals(old)) {
                out.healthDifference(key, old == null ? counts : counts.plus(old.negate()));
              }
            });
    before
        .health()
        .forEach(
            (key, counts) -> {
              if (!after.health().containsKey(key)) {
                out.healthDifference(key, counts.negate());
              }
            });
  }
}
