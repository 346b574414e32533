package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import io.experimentetl.warehouse.RawEvents;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.LongPredicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes the rows again of facts whose experiment was deleted, is back, or has another zone, a
 * batch of users at a time; until it ends, the visible position stays before the experiment's
 * change. It begins when every row that was sent before is visible: a row that is read is then the
 * newest of its key, and all later ones are right already. After a restart it begins again at the
 * key groups that remained.
 */
final class RejoinWalk {
  private static final Logger LOG = LoggerFactory.getLogger(RejoinWalk.class);

  /** Events of the users of a batch. The rows of one user may be more. */
  private static final int BATCH_EVENTS = 10_000;

  /** Behind so many completed checkpoints every row that was sent before is visible. */
  private static final int VISIBLE_AFTER_CHECKPOINTS = 3;

  /** Delivers rows again. The key is the user's key in state. */
  interface Visit {
    /** Returns false: the user is to be visited later. */
    boolean prepare(String key, UserFacts user, long experimentId) throws Exception;

    void event(String key, UserFacts user, EventRow row, RawEvents.Stored stored);

    void assignment(String key, UserFacts user, AssignmentRow row, RawEvents.Stored stored);
  }

  private static final class Rejoined {
    private final long experimentId;
    private final Origin origin;
    private final Deque<Integer> keyGroups;
    private final Deque<String> users = new ArrayDeque<>();

    /** Key groups with users that are to be visited later. */
    private final Set<Integer> again = new TreeSet<>();

    /** Number of completed checkpoints since rows of the experiment may have been sent. */
    private int completedCheckpoints;

    private Rejoined(long experimentId, Origin origin, Iterable<Integer> keyGroups) {
      this.experimentId = experimentId;
      this.origin = origin;
      this.keyGroups = new ArrayDeque<>();
      keyGroups.forEach(this.keyGroups::add);
    }

    private boolean isDue() {
      return completedCheckpoints >= VISIBLE_AFTER_CHECKPOINTS;
    }

    /** Visits the key groups in {@link #again} behind later checkpoints. */
    private void postpone() {
      keyGroups.addAll(again);
      again.clear();
      completedCheckpoints = 0;
    }
  }

  private final UserIndexState index;
  private final UserStore store;
  private final UserBatches batches;
  private final WarehouseFacts warehouse;
  private final PendingLowWatermark lowWatermark;
  private final Visit visit;

  /** By experiment: at most one, because it brings the rows to what holds now. */
  private final Map<Long, Rejoined> rejoined = new LinkedHashMap<>();

  RejoinWalk(
      UserIndexState index,
      UserStore store,
      UserBatches batches,
      WarehouseFacts warehouse,
      PendingLowWatermark lowWatermark,
      Visit visit) {
    this.index = index;
    this.store = store;
    this.batches = batches;
    this.warehouse = warehouse;
    this.lowWatermark = lowWatermark;
    this.visit = visit;
  }

  /** Number of experiments of which rows are still to be written. */
  int size() {
    return rejoined.size();
  }

  /** Begins with the users of an experiment that was deleted, is back, or has another zone. */
  void begin(long experimentId, Origin origin) {
    begin(experimentId, origin, index.keyGroups());
  }

  private void begin(long experimentId, Origin origin, Iterable<Integer> keyGroups) {
    Rejoined earlier = rejoined.remove(experimentId);
    // Its remaining rows are written by this one, and visible only then.
    Rejoined now = new Rejoined(experimentId, earlier == null ? origin : earlier.origin, keyGroups);
    if (earlier == null) {
      lowWatermark.add(now.origin);
    }
    rejoined.put(experimentId, now);
  }

  /**
   * Counts a completed checkpoint.
   *
   * @param isCounted whether rows of the experiment are still sent by another walk
   */
  void checkpointCompleted(LongPredicate isCounted) {
    for (Rejoined of : rejoined.values()) {
      of.completedCheckpoints =
          isCounted.test(of.experimentId) && !of.isDue() ? 0 : of.completedCheckpoints + 1;
    }
  }

  /** Whether rows can be written now. */
  boolean isDue() {
    for (Rejoined of : rejoined.values()) {
      if (of.isDue()) {
        return true;
      }
    }
    return false;
  }

  /**
   * Goes on for about as many nanoseconds, but with one batch of users at least, after a {@link
   * UserStore#flush}.
   */
  void step(long nanos) throws Exception {
    long until = System.nanoTime() + nanos;
    for (Iterator<Rejoined> due = rejoined.values().iterator(); due.hasNext(); ) {
      Rejoined of = due.next();
      while (of.isDue()) {
        List<String> batch = next(of);
        if (!batch.isEmpty()) {
          visit(of, batch);
        } else if (!of.again.isEmpty()) {
          of.postpone();
        } else {
          due.remove();
          lowWatermark.remove(of.origin);
          break;
        }
        if (System.nanoTime() >= until) {
          return;
        }
      }
    }
  }

  /** The next users; empty: there are no more. */
  private List<String> next(Rejoined of) throws Exception {
    List<String> batch = new ArrayList<>();
    int characters = 0;
    int events = 0;
    while (!UserStore.isFull(batch.size(), characters) && events < BATCH_EVENTS) {
      if (of.users.isEmpty()) {
        if (of.keyGroups.isEmpty()) {
          return batch;
        }
        of.users.addAll(index.in(of.keyGroups.remove(), of.experimentId));
      } else {
        String key = of.users.remove();
        batch.add(key);
        characters += key.length();
        ExperimentFacts facts = store.load(key).findIn(of.experimentId);
        events += facts == null ? 0 : facts.events.size();
      }
    }
    return batch;
  }

  private void visit(Rejoined of, List<String> batch) throws Exception {
    Map<String, List<String>> keys = new HashMap<>();
    batches.visit(
        List.of(batch),
        summary -> summary.experimentId() == of.experimentId,
        (key, user) -> {
          if (visit.prepare(key, user, of.experimentId)) {
            keys.computeIfAbsent(user.userId, id -> new ArrayList<>(1)).add(key);
          } else {
            of.again.add(index.groupOf(key));
          }
        });
    if (keys.isEmpty()) {
      return;
    }
    boolean[] hasWritten = {false};
    try {
      warehouse.readRows(
          Set.of(of.experimentId),
          new HashSet<>(keys.keySet()),
          (row, stored) -> {
            hasWritten[0] = true;
            for (String key : keys.getOrDefault(row.userId(), List.of())) {
              visit.event(key, store.load(key), row, stored);
            }
          },
          (row, sequence, stored) -> {
            hasWritten[0] = true;
            for (String key : keys.getOrDefault(row.userId(), List.of())) {
              visit.assignment(key, store.load(key), row, stored);
            }
          });
    } catch (IOException e) {
      if (hasWritten[0]) {
        // Written once more, they would stand there twice: only a checkpoint knows which were.
        throw e;
      }
      LOG.warn(
          "ClickHouse does not show its rows, so those of experiment {} still say what its row said before; later checkpoints try again",
          of.experimentId,
          e);
      batch.forEach(key -> of.again.add(index.groupOf(key)));
      of.users.forEach(key -> of.again.add(index.groupOf(key)));
      of.users.clear();
      of.postpone();
    }
  }

  /** What to go on with after a restart. */
  UnfinishedRejoin[] toState() {
    return rejoined.values().stream().map(this::toState).toArray(UnfinishedRejoin[]::new);
  }

  private UnfinishedRejoin toState(Rejoined of) {
    Set<Integer> remaining = new TreeSet<>(of.keyGroups);
    remaining.addAll(of.again);
    of.users.forEach(key -> remaining.add(index.groupOf(key)));
    return new UnfinishedRejoin(
        of.experimentId, of.origin, remaining.stream().mapToInt(Integer::intValue).toArray());
  }

  /** Goes on with what all subtasks have left, in this subtask's key groups. */
  void restore(List<UnfinishedRejoin> all) {
    Map<Long, Set<Integer>> remaining = new TreeMap<>();
    Map<Long, Origin> origins = new TreeMap<>();
    for (UnfinishedRejoin of : all) {
      Set<Integer> groups = remaining.computeIfAbsent(of.experimentId(), none -> new TreeSet<>());
      for (int group : of.keyGroups()) {
        groups.add(group);
      }
      origins.merge(
          of.experimentId(),
          of.origin(),
          (a, b) -> a.sequenceNumber() <= b.sequenceNumber() ? a : b);
    }
    Set<Integer> own = Set.copyOf(index.keyGroups());
    remaining.forEach(
        (experimentId, groups) -> {
          groups.retainAll(own);
          if (!groups.isEmpty()) {
            begin(experimentId, origins.get(experimentId), groups);
          }
        });
  }
}
