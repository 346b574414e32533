package io.experimentetl.attribution;

import java.util.Map;
import java.util.function.BiConsumer;

/** Entries of keyed state that belong to one user and one experiment, by key. */
interface Entries<K> {
  /** The entry, or null. */
  byte[] get(K key);

  /** Passes all entries on, in no order. */
  void forEach(BiConsumer<K, byte[]> consumer);

  /**
   * Writes entries.
   *
   * @param changes null for an entry to remove
   */
  void put(Map<K, byte[]> changes);

  /** Removes all entries. */
  void clear();
}
