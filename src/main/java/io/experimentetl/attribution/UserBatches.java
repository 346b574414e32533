package io.experimentetl.attribution;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Visits users of a subtask, a bounded number at a time: their evicted facts are read from the
 * warehouse in few queries.
 */
final class UserBatches {
  /** Changes a user, whose key is the user's key in state. */
  interface Visit {
    void apply(String key, UserFacts user) throws Exception;
  }

  private final UserStore users;
  private final WarehouseFacts evictedFacts;

  UserBatches(UserStore users, WarehouseFacts evictedFacts) {
    this.users = users;
    this.evictedFacts = evictedFacts;
  }

  /**
   * Visits users, after a {@link UserStore#flush}.
   *
   * @param batches of the users' keys
   * @param isNeeded the evicted facts that the visits will need
   */
  void visit(Iterable<List<String>> batches, Predicate<EvictionSummary> isNeeded, Visit visit)
      throws Exception {
    for (List<String> batch : batches) {
      readAhead(batch, isNeeded);
      for (String key : batch) {
        visit.apply(key, users.load(key));
      }
    }
  }

  private void readAhead(List<String> batch, Predicate<EvictionSummary> isNeeded) throws Exception {
    Map<String, List<EvictionSummary>> needed = new HashMap<>();
    for (String key : batch) {
      UserFacts user = users.load(key);
      for (EvictionSummary summary : user.evicted()) {
        if (isNeeded.test(summary) && !summary.lost()) {
          needed
              .computeIfAbsent(Rehydration.idOf(user, summary), id -> new ArrayList<>(1))
              .add(summary);
        }
      }
    }
    evictedFacts.readAhead(needed);
  }
}
