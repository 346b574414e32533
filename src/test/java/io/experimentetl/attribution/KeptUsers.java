package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** Users' facts in maps; records are copied as keyed state does. */
final class KeptUsers implements UserStorage {
  private static final TypeSerializer<UserState> USERS = serializer(UserState.class);
  private static final TypeSerializer<ExperimentState> EXPERIMENTS =
      serializer(ExperimentState.class);

  /** So that users of a test have few events and figures, and then many. */
  private static final int MAX_BYTES_IN_RECORD = 250;

  private record In(String key, long experimentId) {}

  private final Map<String, UserState> users = new HashMap<>();
  private final Map<In, ExperimentState> experiments = new HashMap<>();
  private final Map<In, List<byte[]>> changes = new HashMap<>();
  private final Map<In, Map<EventId, byte[]>> events = new HashMap<>();
  private final Map<In, Map<FigureKey, byte[]>> figures = new HashMap<>();
  private final Set<In> entered = new HashSet<>();

  private static <T> TypeSerializer<T> serializer(Class<T> type) {
    return TypeInformation.of(type).createSerializer(new SerializerConfigImpl());
  }

  /** A copy that later changes do not affect. */
  KeptUsers copy() {
    KeptUsers copy = new KeptUsers();
    copy.replaceBy(this);
    return copy;
  }

  /** Replaces everything by what another one holds. */
  void replaceBy(KeptUsers other) {
    users.clear();
    users.putAll(other.users);
    experiments.clear();
    experiments.putAll(other.experiments);
    changes.clear();
    other.changes.forEach((in, of) -> changes.put(in, new ArrayList<>(of)));
    events.clear();
    other.events.forEach((in, of) -> events.put(in, new HashMap<>(of)));
    entered.clear();
    entered.addAll(other.entered);
    figures.clear();
    other.figures.forEach((in, of) -> figures.put(in, new HashMap<>(of)));
  }

  /** Whether nothing is kept at all. */
  boolean isEmpty() {
    return users.isEmpty()
        && experiments.isEmpty()
        && changes.isEmpty()
        && events.isEmpty()
        && figures.isEmpty()
        && entered.isEmpty();
  }

  /** Whether the index names the user among those of the experiment. */
  boolean isIn(String key, long experimentId) {
    return entered.contains(new In(key, experimentId));
  }

  @Override
  public void enter(String key, long experimentId) {
    entered.add(new In(key, experimentId));
  }

  @Override
  public void leave(String key, long experimentId) {
    entered.remove(new In(key, experimentId));
  }

  /** The bytes of everything. */
  int bytes() {
    int bytes = 0;
    for (UserState user : users.values()) {
      bytes += bytes(USERS, user).length;
    }
    for (ExperimentState experiment : experiments.values()) {
      bytes += bytes(EXPERIMENTS, experiment).length;
    }
    for (List<byte[]> of : changes.values()) {
      bytes += of.stream().mapToInt(change -> change.length).sum();
    }
    for (Map<EventId, byte[]> of : events.values()) {
      bytes += of.values().stream().mapToInt(entry -> entry.length).sum();
    }
    for (Map<FigureKey, byte[]> of : figures.values()) {
      bytes += of.values().stream().mapToInt(entry -> entry.length).sum();
    }
    return bytes;
  }

  @Override
  public UserState user(String key) {
    UserState state = users.get(key);
    return state == null ? null : USERS.copy(state);
  }

  @Override
  public void putUser(String key, UserState state) {
    if (state == null) {
      users.remove(key);
    } else {
      users.put(key, written(USERS, state));
    }
  }

  private static <T> byte[] bytes(TypeSerializer<T> serializer, T value) {
    try {
      DataOutputSerializer out = new DataOutputSerializer(64);
      serializer.serialize(value, out);
      return out.getCopyOfBuffer();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static <T> T written(TypeSerializer<T> serializer, T value) {
    try {
      return serializer.deserialize(new DataInputDeserializer(bytes(serializer, value)));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public ExperimentState experiment(String key, long experimentId) {
    ExperimentState state = experiments.get(new In(key, experimentId));
    return state == null ? null : EXPERIMENTS.copy(state);
  }

  @Override
  public List<ExperimentState> experiments(String key) {
    List<ExperimentState> all = new ArrayList<>();
    experiments.forEach(
        (in, state) -> {
          if (in.key().equals(key)) {
            all.add(EXPERIMENTS.copy(state));
          }
        });
    return all;
  }

  @Override
  public void putExperiment(String key, long experimentId, ExperimentState state) {
    if (state == null) {
      experiments.remove(new In(key, experimentId));
    } else {
      experiments.put(new In(key, experimentId), written(EXPERIMENTS, state));
    }
  }

  @Override
  public void appendToExperiment(String key, long experimentId, byte[] change) {
    changes.computeIfAbsent(new In(key, experimentId), none -> new ArrayList<>()).add(change);
  }

  @Override
  public List<byte[]> appendedToExperiment(String key, long experimentId) {
    return List.copyOf(changes.getOrDefault(new In(key, experimentId), List.of()));
  }

  @Override
  public void clearAppended(String key, long experimentId) {
    changes.remove(new In(key, experimentId));
  }

  @Override
  public Entries<EventId> events(String key, long experimentId) {
    return new Kept<>(events, new In(key, experimentId));
  }

  @Override
  public Entries<FigureKey> figures(String key, long experimentId) {
    return new Kept<>(figures, new In(key, experimentId));
  }

  @Override
  public int maxBytesInRecord() {
    return MAX_BYTES_IN_RECORD;
  }

  private record Kept<K>(Map<In, Map<K, byte[]>> all, In in) implements Entries<K> {
    @Override
    public byte[] get(K key) {
      return all.getOrDefault(in, Map.of()).get(key);
    }

    @Override
    public void forEach(BiConsumer<K, byte[]> consumer) {
      all.getOrDefault(in, Map.of()).forEach(consumer);
    }

    @Override
    public void put(Map<K, byte[]> changes) {
      Map<K, byte[]> of = all.computeIfAbsent(in, none -> new HashMap<>());
      changes.forEach(
          (key, entry) -> {
            if (entry == null) {
              of.remove(key);
            } else {
              of.put(key, entry);
            }
          });
      if (of.isEmpty()) {
        all.remove(in);
      }
    }

    @Override
    public void clear() {
      all.remove(in);
    }
  }
}
