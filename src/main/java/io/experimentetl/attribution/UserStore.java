package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.state.KeyedStateBackend;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.util.function.ThrowingRunnable;

/**
 * The facts of all users of this subtask. Only this class knows how keyed state holds them; facts
 * in use are on the heap. A user is named by the key. Every method that names a user makes it the
 * current key.
 */
final class UserStore implements UserStorage, SpilledEvents, UndecidedChanges {
  /** Users in a batch: one query of the warehouse names all of them. */
  private static final int BATCH_USERS = 500;

  /** Characters of all user ids in a batch. */
  private static final int BATCH_CHARACTERS = 20_000;

  private final KeyedStateBackend<String> backend;
  private final UserStates states;
  private final UserIndexState index;
  private final UserCache cache;
  private final int maxBytesInRecord;
  private final Counter spilledRows;
  private final Counter undecidedRows;

  /**
   * The store of a subtask.
   *
   * @param cacheBytes an estimate of the heap that the facts in use may take
   * @param maxBytesInRecord up to how many bytes a user's events or figures in an experiment are
   *     few
   * @param spilledRows counts the events that are spilled
   * @param undecidedRows counts the changes that await their transaction's end
   */
  UserStore(
      KeyedStateBackend<String> backend,
      UserStates states,
      UserIndexState index,
      long cacheBytes,
      int maxBytesInRecord,
      Counter spilledRows,
      Counter undecidedRows) {
    this.backend = backend;
    this.states = states;
    this.index = index;
    this.cache = new UserCache(this, cacheBytes);
    this.maxBytesInRecord = maxBytesInRecord;
    this.spilledRows = spilledRows;
    this.undecidedRows = undecidedRows;
  }

  /** The user's facts, for changes: {@link #changed} must follow. */
  UserFacts load(String key) {
    return cache.load(key);
  }

  /** Notes that a loaded user has changed. The current key may be another user's then. */
  void changed(UserFacts user) {
    cache.changed(user.key);
  }

  /** Writes all changes to state. */
  void flush() {
    cache.flush();
  }

  /** Number of users whose facts are on the heap. */
  int cachedUsers() {
    return cache.users();
  }

  /**
   * The keys of all users after a {@link #flush}, in batches for one query each. No more than the
   * users of some key groups are on the heap.
   */
  Iterable<List<String>> batches() {
    return batchesOf(UserIndexState.ALL);
  }

  /** The same of the users of an experiment. */
  Iterable<List<String>> batchesOf(long experimentId) {
    return () -> new Batches(experimentId);
  }

  private final class Batches implements Iterator<List<String>> {
    private final long experimentId;
    private final Iterator<Integer> groups = index.keyGroups().iterator();
    private final Deque<String> keys = new ArrayDeque<>();

    private Batches(long experimentId) {
      this.experimentId = experimentId;
    }

    @Override
    public boolean hasNext() {
      while (keys.size() < BATCH_USERS && groups.hasNext()) {
        int group = groups.next();
        try {
          keys.addAll(index.in(group, experimentId));
        } catch (Exception e) {
          throw new IllegalStateException("The state backend can't read the index of users", e);
        }
      }
      return !keys.isEmpty();
    }

    @Override
    public List<String> next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      return take(keys);
    }
  }

  /** The keys in such batches. */
  static List<List<String>> batches(List<String> keys) {
    Deque<String> remaining = new ArrayDeque<>(keys);
    List<List<String>> batches = new ArrayList<>();
    while (!remaining.isEmpty()) {
      batches.add(take(remaining));
    }
    return batches;
  }

  private static List<String> take(Deque<String> keys) {
    List<String> batch = new ArrayList<>();
    int characters = 0;
    while (!keys.isEmpty() && !isFull(batch.size(), characters)) {
      characters += keys.peek().length();
      batch.add(keys.remove());
    }
    return batch;
  }

  /** Whether a batch of users should get no further one. */
  static boolean isFull(int users, int characters) {
    return users >= BATCH_USERS || characters >= BATCH_CHARACTERS;
  }

  /** Sets what is to be done with a user before it is written to state. */
  void settleBy(Consumer<UserFacts> step) {
    cache.settleBy(step);
  }

  private <T> T access(String key, Access<T> access) {
    backend.setCurrentKey(key);
    try {
      return access.run();
    } catch (Exception e) {
      throw new IllegalStateException(
          "The state backend can't access the facts, spilled events or undecided changes of the user with the key %s. The task restarts from its last checkpoint"
              .formatted(key),
          e);
    }
  }

  private void run(String key, ThrowingRunnable<Exception> change) {
    access(
        key,
        () -> {
          change.run();
          return null;
        });
  }

  private interface Access<T> {
    T run() throws Exception;
  }

  @Override
  public UserState user(String key) {
    return access(key, states.users()::value);
  }

  @Override
  public void putUser(String key, UserState state) {
    run(
        key,
        () -> {
          if (state == null) {
            states.users().clear();
          } else {
            states.users().update(state);
          }
        });
  }

  @Override
  public ExperimentState experiment(String key, long experimentId) {
    return access(key, () -> states.experiments().get(experimentId));
  }

  @Override
  public List<ExperimentState> experiments(String key) {
    return access(
        key,
        () -> {
          List<ExperimentState> all = new ArrayList<>();
          states.experiments().values().forEach(all::add);
          return all;
        });
  }

  @Override
  public void putExperiment(String key, long experimentId, ExperimentState state) {
    run(
        key,
        () -> {
          if (state == null) {
            states.experiments().remove(experimentId);
          } else {
            states.experiments().put(experimentId, state);
          }
        });
  }

  @Override
  public void appendToExperiment(String key, long experimentId, byte[] change) {
    run(key, () -> states.changes(experimentId).add(change));
  }

  @Override
  public List<byte[]> appendedToExperiment(String key, long experimentId) {
    return access(
        key,
        () -> {
          Iterable<byte[]> stored = states.changes(experimentId).get();
          List<byte[]> all = new ArrayList<>(0);
          if (stored != null) {
            stored.forEach(all::add);
          }
          return all;
        });
  }

  @Override
  public void clearAppended(String key, long experimentId) {
    run(key, () -> states.changes(experimentId).clear());
  }

  @Override
  public void enter(String key, long experimentId) {
    run(key, () -> index.add(key, experimentId));
  }

  @Override
  public void leave(String key, long experimentId) {
    run(key, () -> index.remove(key, experimentId));
  }

  @Override
  public Entries<EventId> events(String key, long experimentId) {
    return new StoredEntries<>(
        key,
        () -> states.events(experimentId),
        id -> Tuple2.of(id.high(), id.low()),
        stored -> new EventId(stored.f0, stored.f1, null));
  }

  @Override
  public Entries<FigureKey> figures(String key, long experimentId) {
    return new StoredEntries<>(
        key,
        () -> states.figures(experimentId),
        figure -> Tuple3.of(figure.kind() + figure.name(), figure.variantId(), figure.day()),
        stored -> new FigureKey(stored.f0.charAt(0), stored.f0.substring(1), stored.f1, stored.f2));
  }

  @Override
  public int maxBytesInRecord() {
    return maxBytesInRecord;
  }

  private final class StoredEntries<K, N> implements Entries<K> {
    private final String user;
    private final Supplier<MapState<N, byte[]>> state;
    private final Function<K, N> toStored;
    private final Function<N, K> fromStored;

    private StoredEntries(
        String user,
        Supplier<MapState<N, byte[]>> state,
        Function<K, N> toStored,
        Function<N, K> fromStored) {
      this.user = user;
      this.state = state;
      this.toStored = toStored;
      this.fromStored = fromStored;
    }

    @Override
    public byte[] get(K key) {
      return access(user, () -> state.get().get(toStored.apply(key)));
    }

    @Override
    public void forEach(BiConsumer<K, byte[]> consumer) {
      run(
          user,
          () -> {
            for (Map.Entry<N, byte[]> entry : state.get().entries()) {
              consumer.accept(fromStored.apply(entry.getKey()), entry.getValue());
            }
          });
    }

    @Override
    public void put(Map<K, byte[]> changes) {
      run(
          user,
          () -> {
            MapState<N, byte[]> entries = state.get();
            Map<N, byte[]> batch = new HashMap<>();
            for (Map.Entry<K, byte[]> change : changes.entrySet()) {
              if (change.getValue() == null) {
                entries.remove(toStored.apply(change.getKey()));
              } else {
                batch.put(toStored.apply(change.getKey()), change.getValue());
              }
            }
            if (!batch.isEmpty()) {
              entries.putAll(batch);
            }
          });
    }

    @Override
    public void clear() {
      run(user, () -> state.get().clear());
    }
  }

  @Override
  public void put(UserFacts user, PendingEvent flagged) {
    spilledRows.inc();
    run(user.key, () -> states.spilled().put(keyOf(flagged.event()), flagged));
  }

  @Override
  public PendingEvent remove(UserFacts user, EventRow event) {
    String key = keyOf(event);
    PendingEvent flagged = access(user.key, () -> states.spilled().get(key));
    run(user.key, () -> states.spilled().remove(key));
    return flagged == null ? null : flagged.withUserId(user.userId);
  }

  @Override
  public Stream<PendingEvent> of(UserFacts user) {
    return access(
        user.key,
        () ->
            StreamSupport.stream(states.spilled().values().spliterator(), false)
                .map(flagged -> flagged.withUserId(user.userId)));
  }

  @Override
  public void put(UserFacts user, int index, UndecidedChange change) {
    undecidedRows.inc();
    run(user.key, () -> states.undecided().put(index, change));
  }

  @Override
  public UndecidedChange get(UserFacts user, int index) {
    return access(user.key, () -> states.undecided().get(index));
  }

  @Override
  public UndecidedChange take(UserFacts user, int index) {
    UndecidedChange change = get(user, index);
    run(user.key, () -> states.undecided().remove(index));
    return change;
  }

  /** The keys of the users of whom changes await their transaction's end. */
  List<String> undecidedUsers() {
    try (Stream<String> stored =
        backend.getKeys(UserStates.UNDECIDED.getName(), VoidNamespace.INSTANCE)) {
      return stored.distinct().toList();
    }
  }

  private static String keyOf(EventRow event) {
    return event.experimentId() + "/" + event.id() + "@" + event.occurredAt();
  }
}
