package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.A_CROSSOVER;
import static io.experimentetl.model.FindingCode.T_ENROLL_MISMATCH;

import io.experimentetl.config.StatisticsConfig;
import java.util.IdentityHashMap;
import java.util.List;

/**
 * Keeps a user's contributions to the statistics in step with the user's facts. The first exposure
 * and a crossover are exact after each change. Sums are sent by {@link #settle}, once for all
 * changes since the last one.
 */
final class UserStatistics {
  private final Dimensions dimensions;
  private final StatisticsConfig statistics;
  private final long enrolmentTolerance;
  private final UserFindings findings;
  private final AttributionOutput out;
  private final MetricIndex metrics;
  private final SharedFacts shared;
  private final Rehydration rehydration;

  /** The origin of the last change of facts whose findings are reported later; null: none. */
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
      AttributionOutput out,
      SharedFacts shared,
      Rehydration rehydration) {
    this.shared = shared;
    this.rehydration = rehydration;
    this.dimensions = dimensions;
    this.statistics = statistics;
    this.enrolmentTolerance = enrolmentTolerance;
    this.findings = findings;
    this.out = out;
    this.metrics = new MetricIndex(statistics);
  }

  /**
   * Brings facts up to date with the dimensions, if they were counted by former ones. Call it
   * before a fact changes.
   */
  void ensureCurrent(UserFacts user, ExperimentFacts facts) {
    ensureCurrent(user, facts, Origin.NONE);
  }

  /**
   * As {@link #ensureCurrent(UserFacts, ExperimentFacts)}.
   *
   * @param edit of the dimensions
   */
  void ensureCurrent(UserFacts user, ExperimentFacts facts, Origin edit) {
    if (facts.areFiguresUnknown) {
      assume(user, facts, dimensions.former(facts.experimentId, facts.countedBy));
    }
    long version = dimensions.versionOf(facts.experimentId);
    if (facts.countedBy != version) {
      facts.countedBy = version;
      facts.exposures =
          Exposures.of(facts.events, dimensions.experiment(facts.experimentId), statistics);
      facts.daysCounted = false;
      facts.mustRestate |= !facts.isEmpty();
      evaluate(user, facts, edit);
    } else if (facts.membership == null) {
      facts.membership = Membership.of(facts, facts.exposures, dimensions, statistics);
    }
  }

  /** Takes rehydrated facts as counted: what they contribute was sent before their eviction. */
  private void assume(UserFacts user, ExperimentFacts facts, Dimensions before) {
    facts.areFiguresUnknown = false;
    facts.exposures = Exposures.of(facts.events, before.experiment(facts.experimentId), statistics);
    Membership member = Membership.of(facts, facts.exposures, before, statistics);
    facts.isCrossoverReported = member.crossover();
    facts.isEnrolmentReported = isEnrolledElsewhere(member);
    new FigureDifferences(user.key, facts, calendarOf(facts), statistics, null)
        .replace(Contributions.of(facts, shared.of(user), member, before, statistics));
  }

  private ExperimentCalendar calendarOf(ExperimentFacts facts) {
    return dimensions.calendarOf(dimensions.experiment(facts.experimentId));
  }

  /**
   * Begins a transaction's changes of a user: findings about what they change together are reported
   * once, by {@link #reportDeferred}.
   */
  void defer() {
    deferred = new IdentityHashMap<>();
  }

  /** Reports what has changed since {@link #defer}. */
  void reportDeferred(UserFacts user) {
    IdentityHashMap<ExperimentFacts, Origin> changed = deferred;
    deferred = null;
    for (ExperimentFacts facts : user.unwritten()) {
      Origin origin = changed.get(facts);
      if (origin != null) {
        report(user, facts, origin);
      }
    }
  }

  /** Adds an event to the facts, or replaces the one with its key, and counts the change. */
  void put(UserFacts user, ExperimentFacts facts, EventFact event, Origin origin) {
    EventFact[] before = facts.events.withId(event.id());
    if (shared.include(facts.experimentId)) {
      rehydrateConcerned(user, before, event, origin);
    }
    facts.events.put(event);
    eventsChanged(user, facts, before, facts.events.withId(event.id()), origin);
  }

  /** Removes an event, which is among the facts, and counts the change. */
  void remove(UserFacts user, ExperimentFacts facts, EventFact event, Origin origin) {
    EventFact[] before = facts.events.withId(event.id());
    if (shared.include(facts.experimentId)) {
      rehydrateConcerned(user, before, null, origin);
    }
    facts.events.remove(event.id(), event.occurredAt());
    eventsChanged(user, facts, before, facts.events.withId(event.id()), origin);
  }

  /**
   * Shared events count in experiments whose facts may be evicted. Before the events of one id
   * change, those are rehydrated, and what they contribute is taken as it was sent.
   *
   * @param now the event that is put; null: one is removed
   */
  private void rehydrateConcerned(
      UserFacts user, EventFact[] before, EventFact now, Origin origin) {
    for (EvictionSummary summary : List.copyOf(user.evicted())) {
      long experimentId = summary.experimentId();
      ExperimentDimension counted =
          dimensions.former(experimentId, summary.countedBy()).experiment(experimentId);
      boolean isConcerned = isRelevant(counted, now);
      for (EventFact event : before) {
        isConcerned |= isRelevant(counted, event);
      }
      if (isConcerned && !rehydration.ensureFacts(user, experimentId)) {
        rehydration.reportLost(user, experimentId, origin);
      }
    }
    for (ExperimentFacts other : user.unused()) {
      if (other.areFiguresUnknown) {
        ensureCurrent(user, user.findIn(other.experimentId));
      }
    }
  }

  private boolean isRelevant(ExperimentDimension experiment, EventFact event) {
    return relevant(event) != null && shared.mayCount(experiment, event);
  }

  /**
   * Counts a change of the events of one id, which the facts contain already.
   *
   * @param before the events of the id before
   * @param after the events of the id now
   */
  private void eventsChanged(
      UserFacts user, ExperimentFacts facts, EventFact[] before, EventFact[] after, Origin origin) {
    EventFact old = relevant(EventFact.counted(before));
    EventFact now = relevant(EventFact.counted(after));
    boolean isSame = old == null ? now == null : now != null && old.countsLike(now);
    if (isSame) {
      return;
    }
    if (shared.include(facts.experimentId)) {
      sharedChanged(user, old, now);
      return;
    }
    ExperimentDimension experiment = dimensions.experiment(facts.experimentId);
    if (experiment == null) {
      return;
    }
    boolean wasExposure = Exposures.isExposure(old, experiment, statistics);
    boolean isExposure = Exposures.isExposure(now, experiment, statistics);
    if (wasExposure || isExposure) {
      facts.exposures.replace(
          wasExposure ? old : null, isExposure ? now : null, facts.events, experiment, statistics);
    }
    change(facts, old, now);
    if (wasExposure || isExposure) {
      evaluate(user, facts, origin);
    }
  }

  private static void change(ExperimentFacts facts, EventFact old, EventFact now) {
    if (old != null) {
      facts.mustRestate = true;
    } else if (!facts.mustRestate) {
      facts.appended.add(now);
    }
  }

  /** Counts a change of a shared event in each experiment where the user counts. */
  private void sharedChanged(UserFacts user, EventFact old, EventFact now) {
    for (ExperimentFacts facts : user.unused()) {
      ExperimentDimension experiment = dimensions.experiment(facts.experimentId);
      if (shared.mayCount(experiment, old) || shared.mayCount(experiment, now)) {
        ExperimentFacts used = user.findIn(facts.experimentId);
        ensureCurrent(user, used);
        if (used.membership.counts() && used.membership.isExposed()) {
          change(used, old, now);
        }
      }
    }
  }

  private EventFact relevant(EventFact event) {
    return event != null && metrics.counts(event.eventType()) ? event : null;
  }

  /** Counts the facts again after a change of an assignment or of the dimensions. */
  void restate(UserFacts user, ExperimentFacts facts, Origin origin) {
    facts.mustRestate = true;
    evaluate(user, facts, origin);
  }

  private void evaluate(UserFacts user, ExperimentFacts facts, Origin origin) {
    Membership before = facts.membership;
    facts.membership = Membership.of(facts, facts.exposures, dimensions, statistics);
    if (!facts.membership.equals(before)) {
      facts.mustRestate = true;
    }
    if (facts.mustRestate) {
      facts.appended.clear();
    }
    if (deferred != null) {
      deferred.put(facts, origin);
    } else {
      report(user, facts, origin);
    }
  }

  /** Sends what the facts contribute now and did not before. */
  void settle(UserFacts user, ExperimentFacts facts) {
    ensureCurrent(user, facts);
    if (facts.mustRestate || !facts.appended.isEmpty()) {
      FigureDifferences differences =
          new FigureDifferences(user.key, facts, calendarOf(facts), statistics, out);
      if (facts.mustRestate
          || !AppendedEvents.tryAdd(facts, dimensions, statistics, metrics, differences)) {
        differences.replace(
            Contributions.of(facts, shared.of(user), facts.membership, dimensions, statistics));
      }
      facts.mustRestate = false;
      facts.appended.clear();
    }
  }

  /** Takes back all contributions of facts that are about to be removed. */
  void retract(UserFacts user, ExperimentFacts facts, Origin origin) {
    new FigureDifferences(user.key, facts, calendarOf(facts), statistics, out)
        .replace(Contributions.NONE);
    facts.membership = Membership.NONE;
    report(user, facts, origin);
  }

  private void report(UserFacts user, ExperimentFacts facts, Origin origin) {
    boolean isCrossover = facts.membership.crossover();
    if (isCrossover != facts.isCrossoverReported) {
      facts.isCrossoverReported = isCrossover;
      findings.report(
          A_CROSSOVER,
          isCrossover,
          user,
          facts.experimentId,
          isCrossover
              ? "seen in more than one variant"
              : "seen in one variant only, after a change",
          origin);
    }
    boolean isElsewhere = isEnrolledElsewhere(facts.membership);
    if (isElsewhere != facts.isEnrolmentReported) {
      facts.isEnrolmentReported = isElsewhere;
      findings.report(
          T_ENROLL_MISMATCH,
          isElsewhere,
          user,
          facts.experimentId,
          isElsewhere
              ? T_ENROLL_MISMATCH.sentence()
              : "enrolment and first exposure agree, or one of them is gone",
          origin);
    }
  }

  /** Whether the user was enrolled at another time than first exposed. */
  private boolean isEnrolledElsewhere(Membership member) {
    return member.enrolmentGap() > enrolmentTolerance;
  }
}
