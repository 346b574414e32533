package io.experimentetl.attribution;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Users on the heap, in front of keyed state: a user with many facts in a short time is read and
 * written once per checkpoint, not once per fact. It is bounded by the heap that it takes; the user
 * that was not used for the longest time is written back first.
 */
final class UserCache {
  private static final class Entry {
    private final UserFacts facts;
    private int weight;

    private Entry(UserFacts facts) {
      this.facts = facts;
    }
  }

  private final UserStorage storage;
  private final long maxWeight;
  private final Set<String> changed = new LinkedHashSet<>();
  private final LinkedHashMap<String, Entry> entries = new LinkedHashMap<>(1024, 0.75f, true);
  private long weight;
  private Consumer<UserFacts> settle = user -> {};

  /**
   * An empty cache.
   *
   * @param maxWeight an estimate of the bytes that it may take between two calls
   */
  UserCache(UserStorage storage, long maxWeight) {
    this.storage = storage;
    this.maxWeight = maxWeight;
  }

  /** Sets what is to be done before a user is written. */
  void settleBy(Consumer<UserFacts> step) {
    settle = step;
  }

  UserFacts load(String userId) {
    Entry entry = entries.get(userId);
    if (entry == null) {
      entry = new Entry(UserFacts.read(storage, userId));
      entries.put(userId, entry);
    }
    return entry.facts;
  }

  /** Notes that a loaded user has changed, and writes other users back where there is no room. */
  void changed(String userId) {
    Entry entry = entries.get(userId);
    changed.add(userId);
    entry.facts.clearTouched();
    int now = entry.facts.weight();
    weight += now - entry.weight;
    entry.weight = now;
    Iterator<Map.Entry<String, Entry>> eldest = entries.entrySet().iterator();
    while (weight > maxWeight && eldest.hasNext()) {
      Map.Entry<String, Entry> leaving = eldest.next();
      eldest.remove();
      weight -= leaving.getValue().weight;
      if (changed.remove(leaving.getKey())) {
        write(leaving.getValue().facts);
      }
    }
  }

  /** Writes all changes; the users stay on the heap, without their events. */
  void flush() {
    for (String userId : changed) {
      Entry entry = entries.get(userId);
      boolean isKept = write(entry.facts);
      int now = isKept ? entry.facts.weight() : 0;
      weight += now - entry.weight;
      entry.weight = now;
      if (!isKept) {
        entries.remove(userId);
      }
    }
    changed.clear();
  }

  int users() {
    return entries.size();
  }

  /** Writes the user, and returns whether something is left to keep of it. */
  private boolean write(UserFacts user) {
    settle.accept(user);
    return user.flush();
  }
}
