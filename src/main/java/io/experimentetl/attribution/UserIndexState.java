package io.experimentetl.attribution;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.runtime.state.KeyedStateBackend;
import org.apache.flink.runtime.state.internal.InternalKvState;

/**
 * The users of each experiment, so that a change of the experiment finds them. The users of a key
 * group are kept under a key of this group, so that they go where the group goes.
 */
final class UserIndexState {
  /** In the place of an experiment's id: users of whom facts have an unresolved reference. */
  static final long PENDING = Long.MIN_VALUE;

  /** In the place of an experiment's id: all users. */
  static final long ALL = Long.MIN_VALUE + 1;

  private static final MapStateDescriptor<String, Boolean> USERS =
      new MapStateDescriptor<>("experiment-users", Types.STRING, Types.BOOLEAN);

  /** No user's key begins so: a source's text holds no character of this code. */
  private static final char INDEX = '\u0000';

  private final KeyedStateBackend<String> backend;
  private final MapState<String, Boolean> users;
  private final int maxParallelism;
  private final Map<Integer, String> keys = new HashMap<>();
  private final KeyGroupRange keyGroups;

  /**
   * The index of a subtask.
   *
   * @param keyGroups of the subtask
   */
  UserIndexState(
      KeyedStateBackend<String> backend,
      UserStates.Opening opening,
      KeyGroupRange keyGroups,
      int maxParallelism)
      throws Exception {
    this.backend = backend;
    this.users = opening.open(LongSerializer.INSTANCE, USERS);
    this.keyGroups = keyGroups;
    this.maxParallelism = maxParallelism;
    for (int i = 0; keys.size() < keyGroups.getNumberOfKeyGroups(); i++) {
      String key = INDEX + Integer.toString(i);
      int group = KeyGroupRangeAssignment.assignToKeyGroup(key, maxParallelism);
      if (keyGroups.contains(group)) {
        keys.putIfAbsent(group, key);
      }
    }
  }

  /** The key groups of this subtask. */
  List<Integer> keyGroups() {
    List<Integer> groups = new ArrayList<>();
    keyGroups.forEach(groups::add);
    return groups;
  }

  void add(String key, long experimentId) throws Exception {
    entriesOf(groupOf(key), experimentId).put(key, true);
  }

  void remove(String key, long experimentId) throws Exception {
    entriesOf(groupOf(key), experimentId).remove(key);
  }

  /** The keys of the experiment's users in a key group. */
  List<String> in(int keyGroup, long experimentId) throws Exception {
    List<String> in = new ArrayList<>();
    entriesOf(keyGroup, experimentId).keys().forEach(in::add);
    return in;
  }

  /** The key group of a user. */
  int groupOf(String key) {
    return KeyGroupRangeAssignment.assignToKeyGroup(key, maxParallelism);
  }

  @SuppressWarnings("unchecked")
  private MapState<String, Boolean> entriesOf(int keyGroup, long experimentId) {
    backend.setCurrentKey(keys.get(keyGroup));
    ((InternalKvState<String, Long, ?>) users).setCurrentNamespace(experimentId);
    return users;
  }
}
