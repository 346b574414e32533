package io.experimentetl.attribution;

/** An entry of {@link FactEntries} that was read or changed. */
abstract class HeldEntry<K> {
  private final K key;
  private final boolean isNew;
  private boolean isChanged;

  /**
   * Holds an entry that is unchanged.
   *
   * @param isNew whether there was none of this key
   */
  HeldEntry(K key, boolean isNew) {
    this.key = key;
    this.isNew = isNew;
  }

  final K key() {
    return key;
  }

  /** Whether there was none of this key. */
  final boolean isNew() {
    return isNew;
  }

  /** Whether it must be written. */
  final boolean isChanged() {
    return isChanged;
  }

  final void setChanged() {
    isChanged = true;
  }

  /** What is to be written; null: the entry is to be removed. */
  abstract byte[] contents();
}
