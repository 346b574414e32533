package io.experimentetl.attribution;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.EventRow;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Moves the facts of renamed users that their source has not moved, because retention has removed
 * them there. It runs before each barrier, for users whose transaction has ended. The rows are read
 * from the warehouse. A row that is not visible yet is moved behind a later checkpoint; until then
 * the visible position stays before the rename.
 */
final class RenamedUsers {
  private static final Logger LOG = LoggerFactory.getLogger(RenamedUsers.class);

  /** The barrier waits: no more users than these are moved before one. */
  private static final int MAX_USERS = 5_000;

  /** Events whose rows are read at a time. */
  private static final int BATCH_EVENTS = 10_000;

  /** Behind so many completed checkpoints every row that was sent before is visible. */
  private static final int VISIBLE_AFTER_CHECKPOINTS = 3;

  /** One user; {@code triedAt} is the number of completed checkpoints at the first try, or -1. */
  private record Renamed(Origin origin, long triedAt) {}

  private final UserAttribution attribution;
  private final UserStore users;
  private final WarehouseFacts warehouse;
  private final PendingLowWatermark lowWatermark;
  private final Map<String, Renamed> renamed = new LinkedHashMap<>();
  private long completedCheckpoints;

  RenamedUsers(
      UserAttribution attribution,
      UserStore users,
      WarehouseFacts warehouse,
      PendingLowWatermark lowWatermark) {
    this.attribution = attribution;
    this.users = users;
    this.warehouse = warehouse;
    this.lowWatermark = lowWatermark;
  }

  /** Notes whether facts of the user are to be moved. */
  void changed(UserFacts user) {
    if (user.hasUnmoved()) {
      Renamed before = renamed.get(user.key);
      if (before == null || !before.origin().equals(user.renamed())) {
        remove(user.key);
        renamed.put(user.key, new Renamed(user.renamed(), -1));
        lowWatermark.add(user.renamed());
      }
    } else if (!renamed.isEmpty()) {
      remove(user.key);
    }
  }

  private void remove(String key) {
    Renamed before = renamed.remove(key);
    if (before != null) {
      lowWatermark.remove(before.origin());
    }
  }

  int size() {
    return renamed.size();
  }

  void checkpointCompleted() {
    completedCheckpoints++;
  }

  /**
   * Moves facts, after a {@link UserStore#flush}.
   *
   * @param marker the source's last progress marker; null: none has arrived
   */
  void step(ProgressMarker marker, long now) throws IOException, InterruptedException {
    if (renamed.isEmpty() || marker == null) {
      return;
    }
    List<String> due = new ArrayList<>();
    for (Map.Entry<String, Renamed> entry : renamed.entrySet()) {
      if (due.size() < MAX_USERS && hasEnded(entry.getValue().origin(), marker)) {
        due.add(entry.getKey());
      }
    }
    try {
      for (Iterator<String> remaining = due.iterator(); remaining.hasNext(); ) {
        moveBatch(remaining, now);
      }
    } catch (IOException e) {
      LOG.warn(
          "ClickHouse does not show its rows, so the facts of renamed users stay under their former ids; the next checkpoint tries again",
          e);
    }
  }

  /** A transaction has ended when a later commit than the one before it has. */
  private static boolean hasEnded(Origin origin, ProgressMarker marker) {
    return marker.lsn() > (origin.visibleBefore() == 0 ? origin.lsn() : origin.visibleBefore());
  }

  private void moveBatch(Iterator<String> remaining, long now)
      throws IOException, InterruptedException {
    List<String> batch = new ArrayList<>();
    Map<String, List<EvictionSummary>> evicted = new HashMap<>();
    int characters = 0;
    int events = 0;
    while (remaining.hasNext()
        && !UserStore.isFull(batch.size(), characters)
        && events < BATCH_EVENTS) {
      UserFacts user = users.load(remaining.next());
      if (!user.undecided.isEmpty()) {
        // Its rows must not get versions above those of changes that await their end.
        continue;
      }
      batch.add(user.key);
      characters += user.key.length();
      for (UnmovedFacts facts : user.unmoved()) {
        events += facts.events.size();
      }
      for (EvictionSummary summary : user.evicted()) {
        if (summary.formerId() != null && !summary.lost()) {
          evicted.computeIfAbsent(summary.formerId(), id -> new ArrayList<>(1)).add(summary);
          events += summary.events();
        }
      }
    }
    warehouse.readAhead(evicted);
    Map<String, Map<WarehouseFacts.Key, Set<UnmovedFacts.EventKey>>> wanted = new HashMap<>();
    Set<Long> experiments = new HashSet<>();
    Set<String> formerIds = new HashSet<>();
    for (String key : batch) {
      UserFacts user = users.load(key);
      attribution.rehydrateRenamed(user);
      users.changed(user);
      Map<WarehouseFacts.Key, Set<UnmovedFacts.EventKey>> of = new HashMap<>();
      for (UnmovedFacts facts : user.unmoved()) {
        if (!facts.events.isEmpty()) {
          if (renamed.get(key).triedAt() >= 0) {
            recall(key, facts);
          }
          experiments.add(facts.experimentId);
          formerIds.add(facts.userId);
          of.put(
              new WarehouseFacts.Key(facts.userId, facts.experimentId), Set.copyOf(facts.events));
        }
      }
      wanted.put(key, of);
    }
    Map<String, List<EventRow>> stored = read(experiments, formerIds, wanted);
    for (String key : batch) {
      move(users.load(key), stored.getOrDefault(key, List.of()), now);
    }
  }

  /**
   * What was not visible at the first try may be archived. Rows that came back count as just sent:
   * a run of the archive may remove them before they are read.
   */
  private void recall(String key, UnmovedFacts facts) throws IOException, InterruptedException {
    boolean copied =
        warehouse.recall(
            facts.userId,
            facts.events.stream().mapToLong(UnmovedFacts.EventKey::occurredAt).summaryStatistics());
    if (copied) {
      renamed.put(key, new Renamed(renamed.get(key).origin(), completedCheckpoints));
    }
  }

  /** By key of the user, the visible rows that are wanted. */
  private Map<String, List<EventRow>> read(
      Set<Long> experiments,
      Set<String> formerIds,
      Map<String, Map<WarehouseFacts.Key, Set<UnmovedFacts.EventKey>>> wanted)
      throws IOException, InterruptedException {
    Map<WarehouseFacts.Key, List<String>> keys = new HashMap<>();
    wanted.forEach(
        (key, of) ->
            of.keySet()
                .forEach(at -> keys.computeIfAbsent(at, none -> new ArrayList<>(1)).add(key)));
    Map<String, List<EventRow>> stored = new HashMap<>();
    if (formerIds.isEmpty()) {
      return stored;
    }
    warehouse.readEvents(
        experiments,
        formerIds,
        event -> {
          WarehouseFacts.Key at = new WarehouseFacts.Key(event.userId(), event.experimentId());
          UnmovedFacts.EventKey row = new UnmovedFacts.EventKey(event.id(), event.occurredAt());
          for (String key : keys.getOrDefault(at, List.of())) {
            if (wanted.get(key).get(at).contains(row)) {
              stored.computeIfAbsent(key, none -> new ArrayList<>()).add(event);
            }
          }
        });
    return stored;
  }

  private void move(UserFacts user, List<EventRow> stored, long now) throws IOException {
    Renamed before = renamed.get(user.key);
    boolean mustBeVisible =
        before.triedAt() >= 0
            && completedCheckpoints - before.triedAt() >= VISIBLE_AFTER_CHECKPOINTS;
    attribution.moveRenamed(user, stored, mustBeVisible, now);
    users.changed(user);
    if (user.hasUnmoved()) {
      if (before.triedAt() < 0) {
        renamed.put(user.key, new Renamed(before.origin(), completedCheckpoints));
      }
    } else {
      remove(user.key);
    }
  }
}
