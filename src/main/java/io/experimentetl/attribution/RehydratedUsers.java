package io.experimentetl.attribution;

import java.util.HashMap;
import java.util.Map;

/**
 * Users with rehydrated facts that no completed checkpoint holds yet. No early write of their rows
 * is allowed: when ClickHouse merges, it might replace a row by which a restart from the checkpoint
 * before has to rehydrate the facts again.
 */
final class RehydratedUsers {
  /** By user, the checkpoint that will hold the facts; {@link Long#MAX_VALUE}: the next one. */
  private final Map<String, Long> checkpoints = new HashMap<>();

  void add(String userId) {
    checkpoints.put(userId, Long.MAX_VALUE);
  }

  boolean contains(String userId) {
    return checkpoints.containsKey(userId);
  }

  /** The checkpoint will hold all facts rehydrated so far. */
  void checkpointBegins(long checkpointId) {
    checkpoints.replaceAll((userId, checkpoint) -> Math.min(checkpoint, checkpointId));
  }

  void checkpointCompleted(long checkpointId) {
    checkpoints.values().removeIf(checkpoint -> checkpoint <= checkpointId);
  }
}
