package io.experimentetl.attribution;

import java.io.IOException;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Users on the heap, in front of keyed state: a user with many facts in a short time is read and
 * written once per checkpoint, not once per fact. Bounded by the heap it takes; whoever was not
 * touched for longest leaves first.
 */
final class UserCache {
  /** Keyed state of users. */
  interface Store {
    UserState read(String userId) throws IOException;

    /** Keeps the state; null: forgets the user. */
    void write(String userId, UserState state) throws IOException;
  }

  private static final class Entry {
    private final UserFacts facts;
    private int weight;
    private boolean changed;

    private Entry(UserFacts facts) {
      this.facts = facts;
    }
  }

  private final Store store;
  private final long maxWeight;
  private final LinkedHashMap<String, Entry> entries = new LinkedHashMap<>(1024, 0.75f, true);
  private long weight;

  /**
   * An empty cache.
   *
   * @param maxWeight about how many bytes it may take between two calls
   */
  UserCache(Store store, long maxWeight) {
    this.store = store;
    this.maxWeight = maxWeight;
  }

  UserFacts load(String userId) throws IOException {
    Entry entry = entries.get(userId);
    if (entry == null) {
      entry = new Entry(UserFacts.of(userId, store.read(userId)));
      entries.put(userId, entry);
    }
    return entry.facts;
  }

  /** Takes note that a loaded user has changed, and makes room. Keys of the store are touched. */
  void changed(String userId) throws IOException {
    Entry entry = entries.get(userId);
    entry.changed = true;
    int now = entry.facts.weight();
    weight += now - entry.weight;
    entry.weight = now;
    Iterator<Map.Entry<String, Entry>> eldest = entries.entrySet().iterator();
    while (weight > maxWeight && eldest.hasNext()) {
      Map.Entry<String, Entry> leaving = eldest.next();
      eldest.remove();
      weight -= leaving.getValue().weight;
      write(leaving.getKey(), leaving.getValue());
    }
  }

  /** Writes what has changed; what is held stays. */
  void flush() throws IOException {
    Iterator<Map.Entry<String, Entry>> all = entries.entrySet().iterator();
    while (all.hasNext()) {
      Map.Entry<String, Entry> next = all.next();
      if (write(next.getKey(), next.getValue())) {
        weight -= next.getValue().weight;
        all.remove();
      }
    }
  }

  int users() {
    return entries.size();
  }

  /** Returns whether nothing is left to know of the user. */
  private boolean write(String userId, Entry entry) throws IOException {
    if (!entry.changed) {
      return false;
    }
    UserState state = entry.facts.toState();
    store.write(userId, state);
    entry.changed = false;
    return state == null;
  }
}
