package io.experimentetl.attribution;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * One user's events or figures in one experiment. While they are few, the record of the experiment
 * contains them, and is read and written with them. Beyond a number of bytes each is an entry of
 * keyed state, so that a change costs the same however many there are.
 *
 * <p>Few entries are on the heap as the record has them: most users wait for their next row, and
 * objects that wait cost the collector of the heap more than the bytes cost a reader.
 */
final class FactEntries<K> {
  static final byte[] NO_BYTES = {};

  private static final int NOT_FOUND = -1;

  private final Entries<K> stored;
  private final EntriesSerializer<K> serializer;
  private final int maxBytes;

  /** The entries, while they are few, as the record contains them. */
  private byte[] few;

  private boolean isStored;

  /**
   * The entries of a user.
   *
   * @param stored where they are when they are many
   * @param maxBytes of their contents that the record may have
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
    this.few = inRecord;
    this.isStored = isStored;
  }

  /** Entries on the heap alone. */
  static <K> FactEntries<K> onTheHeap(EntriesSerializer<K> serializer) {
    return new FactEntries<>(null, serializer, Integer.MAX_VALUE, NO_BYTES, false);
  }

  /** Whether each is an entry of keyed state. */
  boolean isStored() {
    return isStored;
  }

  /** The entry, or null. */
  byte[] get(K key) {
    if (isStored) {
      return stored.get(key);
    }
    int offset = find(key, few, few.length);
    return offset == NOT_FOUND ? null : contentsAt(offset);
  }

  private int find(K key, byte[] record, int end) {
    for (int offset = 0; offset < end; offset = serializer.end(record, offset)) {
      if (serializer.isKey(key, record, offset)) {
        return offset;
      }
    }
    return NOT_FOUND;
  }

  private byte[] contentsAt(int offset) {
    return Arrays.copyOfRange(few, serializer.contents(few, offset), serializer.end(few, offset));
  }

  /** Passes all entries on, in no order. */
  void forEach(BiConsumer<K, byte[]> consumer) {
    if (isStored) {
      stored.forEach(consumer);
      return;
    }
    for (int offset = 0; offset < few.length; offset = serializer.end(few, offset)) {
      consumer.accept(serializer.readKey(few, offset), contentsAt(offset));
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
    byte[] record = Arrays.copyOf(few, few.length + maxGrowth(changes));
    // Up to here the entries as they were, of which one can be changed; behind it new ones.
    int old = few.length;
    int end = old;
    for (Map.Entry<K, byte[]> change : changes.entrySet()) {
      byte[] contents = change.getValue();
      int offset = find(change.getKey(), record, old);
      if (offset != NOT_FOUND) {
        int behind = serializer.end(record, offset);
        int from = serializer.contents(record, offset);
        if (contents != null && contents.length == behind - from) {
          System.arraycopy(contents, 0, record, from, contents.length);
          continue;
        }
        System.arraycopy(record, behind, record, offset, end - behind);
        old -= behind - offset;
        end -= behind - offset;
      }
      if (contents != null) {
        serializer.write(change.getKey(), contents, record, end);
        end += serializer.size(change.getKey(), contents);
      }
    }
    few = end == record.length ? record : Arrays.copyOf(record, end);
    if (few.length > maxBytes && contentsSize() > maxBytes) {
      Map<K, byte[]> many = new HashMap<>();
      forEach(many::put);
      stored.put(many);
      isStored = true;
      few = NO_BYTES;
    }
  }

  /** The bytes by which the record grows at most: when no entry takes the place of another. */
  private int maxGrowth(Map<K, byte[]> changes) {
    int growth = 0;
    for (Map.Entry<K, byte[]> change : changes.entrySet()) {
      byte[] contents = change.getValue();
      growth += contents == null ? 0 : serializer.size(change.getKey(), contents);
    }
    return growth;
  }

  private int contentsSize() {
    int size = 0;
    for (int offset = 0; offset < few.length; offset = serializer.end(few, offset)) {
      size += serializer.end(few, offset) - serializer.contents(few, offset);
    }
    return size;
  }

  /** Removes all entries. */
  void clear() {
    if (isStored) {
      stored.clear();
      isStored = false;
    }
    few = NO_BYTES;
  }

  /** What the experiment's record contains. */
  byte[] inRecord() {
    return few;
  }

  /** An estimate of the heap that the entries take, in bytes. */
  int weight() {
    return few.length;
  }
}
