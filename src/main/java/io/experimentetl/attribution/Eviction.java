package io.experimentetl.attribution;

import io.experimentetl.config.StatisticsConfig;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Decides which facts may leave the state. Their experiment ended long ago, none of them is
 * pending, and the warehouse shows exactly what state holds. Where a later rehydration might not
 * give the same facts, they stay.
 */
final class Eviction {
  private static final long MICROS_PER_MILLI = 1_000;

  private final Dimensions dimensions;
  private final StatisticsConfig statistics;
  private final Duration evictAfter;
  private final RetentionPeriods retention;
  private final SharedFacts shared;

  /**
   * The rule.
   *
   * @param evictAfter with a precision of milliseconds; null: nothing is ever evicted
   */
  Eviction(
      Dimensions dimensions,
      StatisticsConfig statistics,
      Duration evictAfter,
      RetentionPeriods retention,
      SharedFacts shared) {
    this.shared = shared;
    this.dimensions = dimensions;
    this.statistics = statistics;
    this.evictAfter = evictAfter;
    this.retention = retention;
  }

  /**
   * The ids of the experiments that ended long enough ago.
   *
   * @param committedAt commit time of the last change, microseconds since 1970 in UTC
   */
  Set<Long> over(long committedAt) {
    Set<Long> over = new HashSet<>();
    for (ExperimentDimension experiment : dimensions.experiments()) {
      if (isOver(experiment, committedAt)) {
        over.add(experiment.id());
      }
    }
    return over;
  }

  private boolean isOver(ExperimentDimension experiment, long committedAt) {
    if (evictAfter == null || experiment == null || experiment.endsAt() == null) {
      return false;
    }
    long micros = statistics.allowedLateness().plus(evictAfter).toMillis() * MICROS_PER_MILLI;
    return committedAt - experiment.endsAt() > micros;
  }

  /** One user's facts in one experiment, on the heap. */
  private record Candidate(UserFacts user, ExperimentFacts facts, long countedBy) {}

  private List<Candidate> candidates(List<UserFacts> users, long committedAt) {
    List<Candidate> candidates = new ArrayList<>();
    for (UserFacts user : users) {
      for (ExperimentFacts facts : user.experiments()) {
        if (isOver(dimensions.experiment(facts.experimentId), committedAt)
            && !facts.isEmpty()
            && !facts.hasPending()
            && facts.countedBy == dimensions.versionOf(facts.experimentId)
            && user.undecided.isEmpty()
            && !user.hasUnmoved()) {
          ExperimentFacts copy = facts.onTheHeap();
          if (mayLeave(copy, committedAt)) {
            candidates.add(new Candidate(user, copy, facts.countedBy));
          }
        }
      }
    }
    return candidates;
  }

  /** Whether the facts may leave if the warehouse shows them. */
  private boolean mayLeave(ExperimentFacts facts, long committedAt) {
    return facts.assignments().size() < 2
        // The order of arrival decides which repetition is flagged, and rows do not hold it.
        && !facts.repeatsIds()
        // Rows do not hold marks. A fact older than its retention needs none.
        && !facts.needsMarks(retention, committedAt)
        && facts.latest() <= committedAt;
  }

  /**
   * Compares the facts of users with the warehouse.
   *
   * @param committedAt commit time of the last change, microseconds since 1970 in UTC
   * @param bound above the version of every row of these users so far, below that of later ones
   * @return by the user's key, the summaries of the facts to evict; users without any are not in it
   * @throws IOException the warehouse can't be read
   */
  Map<String, List<EvictionSummary>> evict(
      List<UserFacts> users, long committedAt, long bound, WarehouseFacts warehouse)
      throws IOException, InterruptedException {
    List<Candidate> candidates = candidates(users, committedAt);
    Map<String, List<EvictionSummary>> evicted = new HashMap<>();
    if (candidates.isEmpty()) {
      return evicted;
    }
    Set<Long> experiments = new HashSet<>();
    Set<String> userIds = new HashSet<>();
    for (Candidate candidate : candidates) {
      experiments.add(candidate.facts().experimentId);
      userIds.add(candidate.user().userId);
    }
    Map<WarehouseFacts.Key, FactsRead> read = warehouse.read(experiments, userIds, bound);
    for (Candidate candidate : candidates) {
      UserFacts user = candidate.user();
      ExperimentFacts facts = candidate.facts();
      FactsRead shown = read.get(new WarehouseFacts.Key(user.userId, facts.experimentId));
      if (shown != null && isSame(user, facts, shown)) {
        evicted
            .computeIfAbsent(user.key, key -> new ArrayList<>(1))
            .add(EvictionSummary.of(facts, bound, candidate.countedBy()));
      }
    }
    return evicted;
  }

  /** Whether the facts in the warehouse are those in state, and count in the same way. */
  private boolean isSame(UserFacts user, ExperimentFacts facts, FactsRead shown) {
    EventFacts beside = shared.of(user);
    return shown.isUnambiguous()
        && facts.holdsTheSameAs(shown.facts)
        && Contributions.of(facts, beside, dimensions, statistics)
            .equals(Contributions.of(shown.facts, beside, dimensions, statistics));
  }
}
