package io.experimentetl.attribution;

import java.io.IOException;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Users on the heap, in front of keyed state: a user with many facts in a short time is read and
 * written once per checkpoint, not once per fact. It is bounded by the heap that it takes; the user
 * that was not used for the longest time is written back first.
 */
final class UserCache {
  private static final class Entry {
    private final UserFacts facts;
    private int weight;
    private boolean changed;

    private Entry(UserFacts facts) {
      this.facts = facts;
    }
  }

  private final UserStore store;
  private final long maxWeight;
  private final LinkedHashMap<String, Entry> entries = new LinkedHashMap<>(1024, 0.75f, true);
  private long weight;

  /**
   * An empty cache.
   *
   * @param maxWeight an estimate of the bytes that it may take between two calls
   */
  UserCache(UserStore store, long maxWeight) {
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

  /** Notes that a loaded user has changed, and writes other users back where there is no room. */
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

  /** Writes all changes; the users stay on the heap. */
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

  /** Writes the user if it has changed, and returns whether nothing is left to keep of it. */
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
