package io.experimentetl.attribution;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Entries that were read or changed, in the order of their first use. A row uses few of them: these
 * are searched one after the other, which takes less time and heap than a map.
 */
final class HeldEntries<K, H extends HeldEntry<K>> {
  private static final int FEW = 8;

  private final List<H> all = new ArrayList<>(FEW);

  /** Null: they are few. */
  private Map<K, H> byKey;

  /** The entry of the key, or null. */
  H get(K key) {
    if (byKey != null) {
      return byKey.get(key);
    }
    for (int i = 0; i < all.size(); i++) {
      H held = all.get(i);
      if (held.key().equals(key)) {
        return held;
      }
    }
    return null;
  }

  /** Adds an entry whose key has none. */
  void add(H held) {
    all.add(held);
    if (byKey != null) {
      byKey.put(held.key(), held);
    } else if (all.size() > FEW) {
      byKey = new HashMap<>();
      all.forEach(each -> byKey.put(each.key(), each));
    }
  }

  /** All entries; not to be changed. */
  List<H> all() {
    return all;
  }

  int size() {
    return all.size();
  }
}
