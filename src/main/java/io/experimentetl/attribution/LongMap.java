package io.experimentetl.attribution;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * Values by a number that is not boxed: every row looks its dimensions up. Open addressing with
 * linear probing; a removed value leaves its place to the values behind it.
 */
final class LongMap<V> {
  private static final int FIRST_CAPACITY = 16;

  private long[] keys = new long[FIRST_CAPACITY];
  private Object[] values = new Object[FIRST_CAPACITY];
  private int size;

  /** The value, or null. */
  @SuppressWarnings("unchecked") // Only put writes values.
  V get(long key) {
    return (V) values[place(key)];
  }

  /** Where the key is, or the free place for it. */
  private int place(long key) {
    int mask = keys.length - 1;
    int place = hash(key) & mask;
    while (values[place] != null && keys[place] != key) {
      place = (place + 1) & mask;
    }
    return place;
  }

  /** Ids mostly count up, but may have their low bits in common, as Snowflake ids have. */
  private static int hash(long key) {
    long hash = key * 0x9E3779B97F4A7C15L;
    return (int) (hash >>> 32);
  }

  boolean containsKey(long key) {
    return values[place(key)] != null;
  }

  void put(long key, V value) {
    int place = place(key);
    if (values[place] == null) {
      size++;
    }
    keys[place] = key;
    values[place] = value;
    if (size * 2 > keys.length) {
      grow();
    }
  }

  private void grow() {
    long[] oldKeys = keys;
    Object[] oldValues = values;
    keys = new long[oldKeys.length * 2];
    values = new Object[oldKeys.length * 2];
    for (int i = 0; i < oldKeys.length; i++) {
      if (oldValues[i] != null) {
        int place = place(oldKeys[i]);
        keys[place] = oldKeys[i];
        values[place] = oldValues[i];
      }
    }
  }

  /** Removes and returns the value, or null. */
  V remove(long key) {
    V removed = get(key);
    if (removed == null) {
      return null;
    }
    int mask = keys.length - 1;
    int free = place(key);
    values[free] = null;
    size--;
    // A value that is behind its own place only because this one was taken moves up.
    for (int at = (free + 1) & mask; values[at] != null; at = (at + 1) & mask) {
      int home = hash(keys[at]) & mask;
      if (((at - home) & mask) >= ((at - free) & mask)) {
        keys[free] = keys[at];
        values[free] = values[at];
        values[at] = null;
        free = at;
      }
    }
    return removed;
  }

  /** A copy of all values, in no order. */
  @SuppressWarnings("unchecked") // Only put writes values.
  Collection<V> values() {
    List<V> all = new ArrayList<>(size);
    for (Object value : values) {
      if (value != null) {
        all.add((V) value);
      }
    }
    return all;
  }
}
