package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The users assigned since the last barrier, by experiment. A phase of the allocation may arrive
 * after assignments that were committed behind it, because it comes from another input; all of it
 * arrives before the barrier. These users must be counted again then.
 */
final class RecentAssignments {
  /** With more users, all users of their experiments are counted again. */
  static final int MAX_USERS = 200_000;

  private final Map<Long, Map<String, Long>> users = new HashMap<>();
  private final Set<Long> overflowed = new HashSet<>();
  private int size;

  /**
   * Notes the user of an assignment of the stream.
   *
   * @param key the user's key in state
   */
  void add(String key, Change change) {
    if (!(change.after() instanceof AssignmentRow row) || change.position().lsn() == 0) {
      return;
    }
    if (size >= MAX_USERS) {
      overflowed.add(row.experimentId());
    } else if (users
            .computeIfAbsent(row.experimentId(), id -> new HashMap<>())
            .put(key, change.sequenceNumber())
        == null) {
      size++;
    }
  }

  /**
   * The keys of the users of the experiment whose last assignment has a greater sequence number, in
   * batches for one query of the warehouse each. If there were too many, all users of the
   * experiment.
   */
  Iterable<List<String>> behind(long experimentId, long sequence, UserStore store) {
    if (overflowed.contains(experimentId)) {
      return store.batchesOf(experimentId);
    }
    return UserStore.batches(
        users.getOrDefault(experimentId, Map.of()).entrySet().stream()
            .filter(user -> user.getValue() > sequence)
            .map(Map.Entry::getKey)
            .toList());
  }

  /** Call before each barrier. */
  void clear() {
    users.clear();
    overflowed.clear();
    size = 0;
  }
}
