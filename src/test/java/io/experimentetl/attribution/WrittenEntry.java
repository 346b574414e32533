package io.experimentetl.attribution;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * An entry to write, of which it is not said whether there was one.
 *
 * @param contents null: the entry is to be removed
 */
record WrittenEntry<K>(K key, byte[] contents) implements FactEntries.Held<K> {
  static <K> List<WrittenEntry<K>> of(Map<K, byte[]> changes) {
    List<WrittenEntry<K>> entries = new ArrayList<>();
    changes.forEach((key, contents) -> entries.add(new WrittenEntry<>(key, contents)));
    return entries;
  }

  @Override
  public boolean isChanged() {
    return true;
  }

  @Override
  public boolean isNew() {
    return false;
  }
}
