package io.experimentetl.attribution;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Users on the heap, in front of keyed state: a user with many facts in a short time is read and
 * written once per checkpoint, not once per fact. It is bounded by the heap that it takes. Where
 * there is no room, users are written back in the order in which they were read, except those that
 * were used since they were passed over last: to order them by each use would cost more than a row.
 */
final class UserCache {
  private static final class Entry {
    private final UserFacts facts;
    private int weight;
    private boolean isUsed;

    /** Its neighbours among the changed entries; null where it is unchanged. */
    private Entry changedBefore;

    private Entry changedBehind;

    private Entry(UserFacts facts) {
      this.facts = facts;
    }
  }

  private final UserStorage storage;
  private final long maxWeight;
  private final LinkedHashMap<String, Entry> entries = new LinkedHashMap<>(1024);

  /** The changed entries in the order of their first change, as a ring that begins behind this. */
  private final Entry changed = new Entry(null);

  /** The entry that was loaded last: its change follows. */
  private Entry last;

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
    changed.changedBefore = changed;
    changed.changedBehind = changed;
  }

  /** Sets what is to be done before a user is written. */
  void settleBy(Consumer<UserFacts> step) {
    settle = step;
  }

  UserFacts load(String userId) {
    Entry entry = entryOf(userId);
    if (entry == null) {
      entry = new Entry(UserFacts.read(storage, userId));
      entries.put(userId, entry);
    }
    entry.isUsed = true;
    last = entry;
    return entry.facts;
  }

  private Entry entryOf(String userId) {
    return last != null && last.facts.key.equals(userId) ? last : entries.get(userId);
  }

  /** Notes that a loaded user has changed, and writes other users back where there is no room. */
  void changed(String userId) {
    Entry entry = entryOf(userId);
    if (entry.changedBehind == null) {
      addChanged(entry);
    }
    entry.facts.clearTouched();
    int now = entry.facts.weight();
    weight += now - entry.weight;
    entry.weight = now;
    while (weight > maxWeight && !entries.isEmpty()) {
      passOver();
    }
  }

  /** Writes the first user back, or puts it behind the others if it was used meanwhile. */
  private void passOver() {
    Iterator<Map.Entry<String, Entry>> first = entries.entrySet().iterator();
    Map.Entry<String, Entry> leaving = first.next();
    String userId = leaving.getKey();
    Entry entry = leaving.getValue();
    first.remove();
    if (entry.isUsed) {
      entry.isUsed = false;
      entries.put(userId, entry);
      return;
    }
    weight -= entry.weight;
    if (entry == last) {
      last = null;
    }
    if (entry.changedBehind != null) {
      removeChanged(entry);
      write(entry.facts);
    }
  }

  private void addChanged(Entry entry) {
    entry.changedBefore = changed.changedBefore;
    entry.changedBehind = changed;
    entry.changedBefore.changedBehind = entry;
    changed.changedBefore = entry;
  }

  private static void removeChanged(Entry entry) {
    entry.changedBefore.changedBehind = entry.changedBehind;
    entry.changedBehind.changedBefore = entry.changedBefore;
    entry.changedBefore = null;
    entry.changedBehind = null;
  }

  /** Writes all changes; the users stay on the heap, without their events. */
  void flush() {
    while (changed.changedBehind != changed) {
      Entry entry = changed.changedBehind;
      removeChanged(entry);
      boolean isKept = write(entry.facts);
      int now = isKept ? entry.facts.weight() : 0;
      weight += now - entry.weight;
      entry.weight = now;
      if (!isKept) {
        entries.remove(entry.facts.key);
      }
    }
    last = null;
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
