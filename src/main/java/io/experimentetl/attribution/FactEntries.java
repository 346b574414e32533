package io.experimentetl.attribution;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * One user's events or figures in one experiment. While they are few, the record of the experiment
 * contains them, and is read and written with them. Beyond a number of bytes each is an entry of
 * keyed state, so that a change costs the same however many there are.
 */
final class FactEntries<K> {
  static final byte[] NO_BYTES = {};

  /** An estimate of the bytes of one entry on the heap, beside its contents. */
  private static final int WEIGHT = 120;

  private final Entries<K> stored;
  private final EntriesSerializer<K> serializer;
  private final int maxBytes;

  /** The entries, while they are few; null: {@link #written} was not read. */
  private Map<K, byte[]> few;

  /** The bytes of {@link #few}, without keys. */
  private int bytes;

  /** What the record contains; null: {@link #few} has changed. */
  private byte[] written;

  private boolean isStored;

  /**
   * The entries of a user.
   *
   * @param stored where they are when they are many
   * @param maxBytes that the record may contain
   * @param inRecord what the record contains; {@link #NO_BYTES}: no entries
   * @param isStored they are many
   */
  FactEntries(
      Entries<K> stored,
      EntriesSerializer<K> serializer,
      int maxBytes,
      byte[] inRecord,
      boolean isStored) {
    this.stored = stored;
    this.serializer = serializer;
    this.maxBytes = maxBytes;
    this.written = inRecord;
    this.isStored = isStored;
  }

  /** Entries on the heap alone. */
  static <K> FactEntries<K> onTheHeap(EntriesSerializer<K> serializer) {
    return new FactEntries<>(null, serializer, Integer.MAX_VALUE, NO_BYTES, false);
  }

  private Map<K, byte[]> few() {
    if (few == null) {
      few = new LinkedHashMap<>();
      if (written.length > 0) {
        serializer.read(written, few);
        few.values().forEach(entry -> bytes += entry.length);
      }
    }
    return few;
  }

  /** Whether each is an entry of keyed state. */
  boolean isStored() {
    return isStored;
  }

  /** The entry, or null. */
  byte[] get(K key) {
    return isStored ? stored.get(key) : few().get(key);
  }

  /** Passes all entries on, in no order. */
  void forEach(BiConsumer<K, byte[]> consumer) {
    if (isStored) {
      stored.forEach(consumer);
    } else {
      few().forEach(consumer);
    }
  }

  /**
   * Writes entries.
   *
   * @param changes null for an entry to remove
   */
  void put(Map<K, byte[]> changes) {
    if (isStored) {
      stored.put(changes);
      return;
    }
    changes.forEach(
        (key, entry) -> {
          byte[] old = entry == null ? few().remove(key) : few().put(key, entry);
          bytes += (entry == null ? 0 : entry.length) - (old == null ? 0 : old.length);
        });
    written = null;
    if (bytes > maxBytes) {
      stored.put(few);
      isStored = true;
      clearRecord();
    }
  }

  private void clearRecord() {
    few = null;
    bytes = 0;
    written = NO_BYTES;
  }

  /** Removes all entries. */
  void clear() {
    if (isStored) {
      stored.clear();
      isStored = false;
    }
    clearRecord();
  }

  /** What the experiment's record contains. */
  byte[] inRecord() {
    if (written == null) {
      written = few.isEmpty() ? NO_BYTES : serializer.write(few);
    }
    return written;
  }

  /** An estimate of the heap that the entries take, in bytes. */
  int weight() {
    int read = few == null ? 0 : bytes + WEIGHT * few.size();
    return read + (written == null ? 0 : written.length);
  }
}
