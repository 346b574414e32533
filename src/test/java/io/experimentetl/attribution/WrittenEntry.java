package io.experimentetl.attribution;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** An entry to write, of which it is not said whether there was one. */
final class WrittenEntry<K> extends HeldEntry<K> {
  private final byte[] contents;

  /**
   * An entry to write.
   *
   * @param contents null: the entry is to be removed
   */
  WrittenEntry(K key, byte[] contents) {
    super(key, false);
    this.contents = contents;
    setChanged();
  }

  static <K> List<WrittenEntry<K>> of(Map<K, byte[]> changes) {
    List<WrittenEntry<K>> entries = new ArrayList<>();
    changes.forEach((key, contents) -> entries.add(new WrittenEntry<>(key, contents)));
    return entries;
  }

  @Override
  byte[] contents() {
    return contents;
  }
}
