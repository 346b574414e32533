package io.experimentetl.attribution;

import io.experimentetl.model.EventRow;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.state.KeyedStateBackend;
import org.apache.flink.runtime.state.VoidNamespace;

/**
 * The facts of all users of this subtask. Only this class knows how keyed state holds them; facts
 * in use are on the heap. A user is named by the key. Every method that names a user makes it the
 * current key.
 */
final class UserStore implements SpilledEvents, UndecidedChanges {
  static final ValueStateDescriptor<UserState> USERS =
      new ValueStateDescriptor<>("user", TypeInformation.of(UserState.class));
  static final MapStateDescriptor<String, PendingEvent> SPILLED =
      new MapStateDescriptor<>(
          "spilled-events", Types.STRING, TypeInformation.of(PendingEvent.class));

  static final MapStateDescriptor<Integer, UndecidedChange> UNDECIDED =
      new MapStateDescriptor<>(
          "undecided-changes", Types.INT, TypeInformation.of(UndecidedChange.class));

  /** Users in a batch: one query of the warehouse names all of them. */
  private static final int BATCH_USERS = 500;

  /** Characters of all user ids in a batch. */
  private static final int BATCH_CHARACTERS = 20_000;

  private final KeyedStateBackend<String> backend;
  private final ValueState<UserState> users;
  private final MapState<String, PendingEvent> spilled;
  private final MapState<Integer, UndecidedChange> undecided;
  private final UserCache cache;
  private final Counter spilledRows;
  private final Counter undecidedRows;

  /**
   * The store of a subtask.
   *
   * @param users the state of {@link #USERS}
   * @param spilled the state of {@link #SPILLED}
   * @param undecided the state of {@link #UNDECIDED}
   * @param cacheBytes an estimate of the heap that the facts in use may take
   * @param spilledRows counts the events that are spilled
   * @param undecidedRows counts the changes that await their transaction's end
   */
  UserStore(
      KeyedStateBackend<String> backend,
      ValueState<UserState> users,
      MapState<String, PendingEvent> spilled,
      MapState<Integer, UndecidedChange> undecided,
      long cacheBytes,
      Counter spilledRows,
      Counter undecidedRows) {
    this.backend = backend;
    this.users = users;
    this.spilled = spilled;
    this.undecided = undecided;
    this.cache = new UserCache(this, cacheBytes);
    this.spilledRows = spilledRows;
    this.undecidedRows = undecidedRows;
  }

  /** The user's facts, for changes: {@link #changed} must follow. */
  UserFacts load(String key) throws IOException {
    return cache.load(key);
  }

  /** Notes that a loaded user has changed. The current key may be another user's then. */
  void changed(UserFacts user) throws IOException {
    cache.changed(user.key);
  }

  /** Writes all changes to state. */
  void flush() throws IOException {
    cache.flush();
  }

  /** Number of users whose facts are on the heap. */
  int cachedUsers() {
    return cache.users();
  }

  /** The keys of all users, after a {@link #flush}. */
  List<String> keys() {
    try (Stream<String> stored = backend.getKeys(USERS.getName(), VoidNamespace.INSTANCE)) {
      return stored.toList();
    }
  }

  /** The keys of all users after a {@link #flush}, in batches for one query each. */
  List<List<String>> batches() {
    return batches(keys());
  }

  /** The keys in such batches. */
  static List<List<String>> batches(List<String> keys) {
    List<List<String>> batches = new ArrayList<>();
    List<String> batch = new ArrayList<>();
    int characters = 0;
    for (String key : keys) {
      batch.add(key);
      characters += key.length();
      if (isFull(batch.size(), characters)) {
        batches.add(batch);
        batch = new ArrayList<>();
        characters = 0;
      }
    }
    batches.add(batch);
    return batches;
  }

  /** Whether a batch of users should get no further one. */
  static boolean isFull(int users, int characters) {
    return users >= BATCH_USERS || characters >= BATCH_CHARACTERS;
  }

  /** The user in state, or null. Changes since the last {@link #flush} are not in it. */
  UserState read(String key) throws IOException {
    backend.setCurrentKey(key);
    return users.value();
  }

  /**
   * Writes the user to state.
   *
   * @param state null: nothing is to be kept of the user
   */
  void write(String key, UserState state) throws IOException {
    backend.setCurrentKey(key);
    if (state == null) {
      users.clear();
    } else {
      users.update(state);
    }
  }

  @Override
  public void put(UserFacts user, PendingEvent flagged) {
    spilledRows.inc();
    backend.setCurrentKey(user.key);
    try {
      spilled.put(keyOf(flagged.event()), flagged);
    } catch (Exception e) {
      throw inaccessible(user, e);
    }
  }

  @Override
  public PendingEvent remove(UserFacts user, EventRow event) {
    backend.setCurrentKey(user.key);
    String key = keyOf(event);
    try {
      PendingEvent flagged = spilled.get(key);
      spilled.remove(key);
      return flagged == null ? null : flagged.withUserId(user.userId);
    } catch (Exception e) {
      throw inaccessible(user, e);
    }
  }

  @Override
  public Stream<PendingEvent> of(UserFacts user) {
    backend.setCurrentKey(user.key);
    try {
      return StreamSupport.stream(spilled.values().spliterator(), false)
          .map(flagged -> flagged.withUserId(user.userId));
    } catch (Exception e) {
      throw inaccessible(user, e);
    }
  }

  @Override
  public void put(UserFacts user, int index, UndecidedChange change) {
    undecidedRows.inc();
    backend.setCurrentKey(user.key);
    try {
      undecided.put(index, change);
    } catch (Exception e) {
      throw inaccessible(user, e);
    }
  }

  @Override
  public UndecidedChange get(UserFacts user, int index) {
    backend.setCurrentKey(user.key);
    try {
      return undecided.get(index);
    } catch (Exception e) {
      throw inaccessible(user, e);
    }
  }

  @Override
  public UndecidedChange take(UserFacts user, int index) {
    backend.setCurrentKey(user.key);
    try {
      UndecidedChange change = undecided.get(index);
      undecided.remove(index);
      return change;
    } catch (Exception e) {
      throw inaccessible(user, e);
    }
  }

  /** The keys of the users of whom changes await their transaction's end. */
  List<String> undecidedUsers() {
    try (Stream<String> stored = backend.getKeys(UNDECIDED.getName(), VoidNamespace.INSTANCE)) {
      return stored.distinct().toList();
    }
  }

  private static String keyOf(EventRow event) {
    return event.experimentId() + "/" + event.id() + "@" + event.occurredAt();
  }

  private static IllegalStateException inaccessible(UserFacts user, Exception e) {
    return new IllegalStateException(
        "The state backend can't access the spilled events or undecided changes of user %s. The task restarts from its last checkpoint"
            .formatted(user.userId),
        e);
  }
}
