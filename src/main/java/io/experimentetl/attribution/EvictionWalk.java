package io.experimentetl.attribution;

import io.experimentetl.clickhouse.ProgressMarker;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.metrics.Counter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Walks over the users of experiments that are over, and evicts their facts, a bounded number of
 * users at a time.
 */
final class EvictionWalk {
  private static final Logger LOG = LoggerFactory.getLogger(EvictionWalk.class);

  private final Eviction eviction;
  private final EvictionPasses passes = new EvictionPasses();
  private final WarehouseFacts warehouse;
  private final UserStore users;
  private final UserIndexState index;
  private final RowVersionGenerator versions;
  private final long startsAt;
  private final Counter evictedExperiments;

  /** The experiments of this pass; empty: no pass is running. */
  private Set<Long> over = Set.of();

  /** The key groups that this pass has not begun. */
  private final Deque<Integer> keyGroups = new ArrayDeque<>();

  /** The experiments whose users in the present key group were not read yet. */
  private final Deque<Long> experiments = new ArrayDeque<>();

  private int keyGroup;

  /** Users that were read from the index, and are to be checked. */
  private final Deque<String> remaining = new ArrayDeque<>();

  private boolean passHasEvicted;

  /** Commit time of the last change before the last barrier, microseconds since 1970 in UTC. */
  private long committedAt;

  /**
   * A walk that has not begun.
   *
   * @param startsAt commit time before which nothing is evicted, microseconds since 1970 in UTC
   */
  EvictionWalk(
      Eviction eviction,
      WarehouseFacts warehouse,
      UserStore users,
      UserIndexState index,
      RowVersionGenerator versions,
      long startsAt,
      Counter evictedExperiments) {
    this.eviction = eviction;
    this.warehouse = warehouse;
    this.users = users;
    this.index = index;
    this.versions = versions;
    this.startsAt = startsAt;
    this.evictedExperiments = evictedExperiments;
  }

  /**
   * Begins a pass if one is due, or continues it, after a {@link UserStore#flush}.
   *
   * @param marker the source's last progress marker; null: none has arrived
   * @param now processing time, milliseconds since 1970
   */
  void step(ProgressMarker marker, long now) throws Exception {
    if (marker == null || !marker.snapshotDone() || marker.committedAt() < startsAt) {
      return;
    }
    committedAt = marker.committedAt();
    if (!isRunning()) {
      Set<Long> due = eviction.over(committedAt);
      if (!passes.isDue(due, now)) {
        return;
      }
      passes.begin(due);
      over = due;
      keyGroups.addAll(index.keyGroups());
      passHasEvicted = false;
    }
    slice(0, now);
  }

  /** Whether users remain to be checked. */
  boolean isRunning() {
    return !over.isEmpty();
  }

  /**
   * Continues the pass that is running, after a {@link UserStore#flush}.
   *
   * @param nanos for about as long, but with one batch of users at least
   */
  void slice(long nanos, long now) throws Exception {
    long until = System.nanoTime() + nanos;
    try {
      do {
        List<UserFacts> candidates = nextCandidates();
        if (candidates.isEmpty()) {
          end(now);
          return;
        }
        evict(candidates);
      } while (System.nanoTime() < until);
    } catch (IOException e) {
      LOG.warn(
          "ClickHouse does not show its rows, so no facts are evicted now; the next pass tries again",
          e);
      end(now);
    }
  }

  private void end(long now) {
    over = Set.of();
    keyGroups.clear();
    experiments.clear();
    remaining.clear();
    passes.end(passHasEvicted, now);
  }

  /** The next users with facts in state; empty: there are no more. */
  private List<UserFacts> nextCandidates() throws Exception {
    // A user may be in several of the experiments.
    Map<String, UserFacts> candidates = new LinkedHashMap<>();
    int characters = 0;
    while (!UserStore.isFull(candidates.size(), characters)) {
      if (remaining.isEmpty()) {
        if (!readUsers()) {
          break;
        }
        continue;
      }
      String key = remaining.remove();
      UserFacts user = candidates.containsKey(key) ? null : UserFacts.read(users, key);
      if (user != null && hasFactsIn(user)) {
        candidates.put(key, user);
        characters += key.length();
      }
    }
    return List.copyOf(candidates.values());
  }

  /** Reads the users of another experiment or key group, and returns whether there is one. */
  private boolean readUsers() throws Exception {
    while (experiments.isEmpty()) {
      if (keyGroups.isEmpty()) {
        return false;
      }
      keyGroup = keyGroups.remove();
      experiments.addAll(over);
    }
    remaining.addAll(index.in(keyGroup, experiments.remove()));
    return true;
  }

  private boolean hasFactsIn(UserFacts user) {
    for (ExperimentFacts facts : user.experiments()) {
      if (over.contains(facts.experimentId)) {
        return true;
      }
    }
    return false;
  }

  private void evict(List<UserFacts> candidates) throws IOException, InterruptedException {
    Map<String, List<EvictionSummary>> evicted =
        eviction.evict(candidates, committedAt, versions.greatestRowVersion(), warehouse);
    for (Map.Entry<String, List<EvictionSummary>> entry : evicted.entrySet()) {
      UserFacts user = users.load(entry.getKey());
      entry.getValue().forEach(user::evict);
      users.changed(user);
      evictedExperiments.inc(entry.getValue().size());
      passHasEvicted = true;
    }
  }
}
