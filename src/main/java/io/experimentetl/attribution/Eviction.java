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
 * Which facts may leave the state: those of an experiment that is long over, where nothing waits,
 * and of which the warehouse shows exactly what state holds. Whatever would make it doubtful that
 * they come back as they are keeps them in state.
 */
final class Eviction {
  private static final long MICROS_PER_MILLI = 1_000;

  private final Dimensions dimensions;
  private final StatisticsConfig statistics;
  private final Duration evictAfter;

  /**
   * The rule.
   *
   * @param evictAfter milliseconds precision; null: nothing ever settles
   */
  Eviction(Dimensions dimensions, StatisticsConfig statistics, Duration evictAfter) {
    this.dimensions = dimensions;
    this.statistics = statistics;
    this.evictAfter = evictAfter;
  }

  /**
   * The ids of the experiments from whose users nothing more is expected.
   *
   * @param committedAt the time by the source's clock, microseconds since 1970 in UTC
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
    long wait = statistics.allowedLateness().plus(evictAfter).toMillis() * MICROS_PER_MILLI;
    return committedAt - experiment.endsAt() > wait;
  }

  /** Whether the facts need nothing but a proof that the warehouse has them. */
  boolean mayLeave(UserFacts user, ExperimentFacts facts, long committedAt) {
    return isOver(dimensions.experiment(facts.experimentId), committedAt)
        && !facts.isEmpty()
        && !facts.waits()
        && user.erasedTxId == 0
        && user.undecidedDeletes.isEmpty()
        // Of these the order in which they came decides which one is flagged, and no row tells it.
        && facts.assignments.size() < 2
        && !facts.repeatsIds()
        && facts.latest() <= committedAt;
  }

  /**
   * Looks which facts the warehouse has.
   *
   * @param committedAt the time by the source's clock, microseconds since 1970 in UTC
   * @param bound no row of these users has a greater version yet, and each later one will
   * @return by user what is to be left of them; users of whom nothing can settle are not in it
   * @throws IOException the warehouse can't be read
   */
  Map<String, List<EvictionSummary>> evict(
      List<UserFacts> users, long committedAt, long bound, WarehouseFacts warehouse)
      throws IOException, InterruptedException {
    Set<Long> experiments = new HashSet<>();
    Map<String, UserFacts> candidates = new HashMap<>();
    for (UserFacts user : users) {
      for (ExperimentFacts facts : user.experiments()) {
        if (mayLeave(user, facts, committedAt)) {
          experiments.add(facts.experimentId);
          candidates.put(user.userId, user);
        }
      }
    }
    Map<String, List<EvictionSummary>> evicted = new HashMap<>();
    if (candidates.isEmpty()) {
      return evicted;
    }
    Map<WarehouseFacts.Key, FactsRead> read =
        warehouse.read(experiments, candidates.keySet(), bound);
    for (UserFacts user : candidates.values()) {
      for (ExperimentFacts facts : user.experiments()) {
        FactsRead shown = read.get(new WarehouseFacts.Key(user.userId, facts.experimentId));
        if (shown != null && mayLeave(user, facts, committedAt) && isSame(facts, shown)) {
          evicted.computeIfAbsent(user.userId, id -> new ArrayList<>(1)).add(markOf(facts, bound));
        }
      }
    }
    return evicted;
  }

  /** Whether the facts, read back, are all that state holds, and count as that does. */
  private boolean isSame(ExperimentFacts facts, FactsRead shown) {
    return shown.isUnambiguous()
        && facts.holdsTheSameAs(shown.facts)
        && Contributions.of(facts, dimensions, statistics)
            .equals(Contributions.of(shown.facts, dimensions, statistics));
  }

  private static EvictionSummary markOf(ExperimentFacts facts, long bound) {
    return new EvictionSummary(
        facts.experimentId, bound, facts.size(), facts.assignments.size(), facts.checksum(), false);
  }
}
