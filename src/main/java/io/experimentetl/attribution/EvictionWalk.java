package io.experimentetl.attribution;

import io.experimentetl.clickhouse.ProgressMarker;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.metrics.Counter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Walks over all users and evicts facts, a bounded number of users before each barrier. */
final class EvictionWalk {
  private static final Logger LOG = LoggerFactory.getLogger(EvictionWalk.class);

  /** The barrier waits for the walk: it reads no more users than these before one barrier. */
  private static final int MAX_USERS = 5_000;

  private final Eviction eviction;
  private final EvictionPasses passes = new EvictionPasses();
  private final WarehouseFacts warehouse;
  private final UserStore users;
  private final RowVersionGenerator versions;
  private final long startsAt;
  private final Counter evictedExperiments;

  /** Users that this pass has not checked yet; null: no pass is running. */
  private Deque<String> remaining;

  private boolean passHasEvicted;

  /**
   * A walk that has not begun.
   *
   * @param startsAt commit time before which nothing is evicted, microseconds since 1970 in UTC
   */
  EvictionWalk(
      Eviction eviction,
      WarehouseFacts warehouse,
      UserStore users,
      RowVersionGenerator versions,
      long startsAt,
      Counter evictedExperiments) {
    this.eviction = eviction;
    this.warehouse = warehouse;
    this.users = users;
    this.versions = versions;
    this.startsAt = startsAt;
    this.evictedExperiments = evictedExperiments;
  }

  /**
   * Continues the walk, after a {@link UserStore#flush}.
   *
   * @param marker the source's last progress marker; null: none has arrived
   * @param now processing time, milliseconds since 1970
   */
  void step(ProgressMarker marker, long now) throws IOException, InterruptedException {
    if (marker == null || !marker.snapshotDone() || marker.committedAt() < startsAt) {
      return;
    }
    Set<Long> over = eviction.over(marker.committedAt());
    if (remaining == null) {
      if (!passes.isDue(over, now)) {
        return;
      }
      passes.begin(over);
      remaining = new ArrayDeque<>(users.keys());
      passHasEvicted = false;
    }
    try {
      evict(nextCandidates(over), marker.committedAt());
    } catch (IOException e) {
      LOG.warn(
          "ClickHouse does not show its rows, so no facts are evicted now; the next pass tries again",
          e);
      remaining.clear();
    }
    if (remaining.isEmpty()) {
      remaining = null;
      passes.end(passHasEvicted, now);
    }
  }

  private List<UserFacts> nextCandidates(Set<Long> over) throws IOException {
    List<UserFacts> candidates = new ArrayList<>();
    int characters = 0;
    for (int i = 0;
        i < MAX_USERS && !remaining.isEmpty() && !UserStore.isFull(candidates.size(), characters);
        i++) {
      String key = remaining.remove();
      UserState state = users.read(key);
      if (state != null && hasFactsIn(state, over)) {
        candidates.add(UserFacts.of(key, state));
        characters += key.length();
      }
    }
    return candidates;
  }

  private static boolean hasFactsIn(UserState state, Set<Long> experiments) {
    for (ExperimentState facts : state.experiments()) {
      if (experiments.contains(facts.experimentId())) {
        return true;
      }
    }
    return false;
  }

  private void evict(List<UserFacts> candidates, long committedAt)
      throws IOException, InterruptedException {
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
