package io.experimentetl.attribution;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * One user's events or figures in one experiment. While they are few, the record of the experiment
 * contains them, and is read with them. Beyond a number of bytes each is an entry of keyed state,
 * so that a change costs the same however many there are.
 *
 * <p>Few entries are on the heap as the record has them: most users wait for their next row, and
 * objects that wait cost the collector of the heap more than the bytes cost a reader.
 */
final class FactEntries<K> {
  static final byte[] NO_BYTES = {};

  private static final int NOT_FOUND = -1;

  /** Room for further entries, so that the bytes of most users stay where they are. */
  private static final int ROOM = 64;

  private final Entries<K> stored;
  private final EntriesSerializer<K> serializer;
  private final int maxBytes;

  /** The entries, while they are few, as the record contains them; room behind them. */
  private byte[] few;

  /** Where the entries end. */
  private int end;

  /** A bit that is not set here is of no key among the few. */
  private long filter;

  /** Whether keyed state may hold the same array. */
  private boolean isShared = true;

  private boolean isStored;

  /** What {@link #takeChanges} will return, and where it ends. */
  private byte[] changes = NO_BYTES;

  private int changesEnd;

  /** Whether {@link #changes} do not tell all. */
  private boolean isRewritten;

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
    this.end = inRecord.length;
    this.isStored = isStored;
    for (int offset = 0; offset < end; offset = serializer.end(few, offset)) {
      filter |= serializer.filterAt(few, offset);
    }
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
    int offset = find(key);
    return offset == NOT_FOUND ? null : contentsAt(few, offset);
  }

  private int find(K key) {
    if ((filter & serializer.filterOf(key)) == 0) {
      return NOT_FOUND;
    }
    for (int offset = 0; offset < end; offset = serializer.end(few, offset)) {
      if (serializer.isOf(key, few, offset)) {
        return offset;
      }
    }
    return NOT_FOUND;
  }

  private byte[] contentsAt(byte[] record, int offset) {
    return Arrays.copyOfRange(
        record, serializer.contents(record, offset), serializer.end(record, offset));
  }

  /** Passes all entries on, in no order. */
  void forEach(BiConsumer<K, byte[]> consumer) {
    if (isStored) {
      stored.forEach(consumer);
      return;
    }
    for (int offset = 0; offset < end; offset = serializer.end(few, offset)) {
      consumer.accept(serializer.keyAt(few, offset), contentsAt(few, offset));
    }
  }

  /** Writes the entries that have changed. */
  void write(List<? extends HeldEntry<K>> entries) {
    if (isStored) {
      Map<K, byte[]> changed = new HashMap<>();
      for (HeldEntry<K> entry : entries) {
        if (entry.isChanged()) {
          changed.put(entry.key(), entry.contents());
        }
      }
      if (!changed.isEmpty()) {
        stored.put(changed);
      }
      return;
    }
    for (HeldEntry<K> entry : entries) {
      if (entry.isChanged()) {
        write(entry.key(), entry.contents(), entry.isNew());
      }
    }
    if (end > maxBytes && contentsSize() > maxBytes) {
      Map<K, byte[]> many = new HashMap<>();
      forEach(many::put);
      stored.put(many);
      isStored = true;
      isRewritten = true;
      forgetFew();
    }
  }

  private void write(K key, byte[] contents, boolean isNew) {
    int offset = isNew ? NOT_FOUND : find(key);
    if (contents == null) {
      if (offset != NOT_FOUND) {
        makeOwn(0);
        remove(offset);
        isRewritten = true;
      }
      return;
    }
    int size = serializer.size(key, contents);
    makeOwn(size);
    if (offset != NOT_FOUND && serializer.end(few, offset) - offset != size) {
      remove(offset);
      offset = NOT_FOUND;
    }
    if (offset == NOT_FOUND) {
      offset = end;
      end += size;
      filter |= serializer.filterOf(key);
    }
    serializer.write(key, contents, few, offset);
    note(offset, size);
  }

  private void remove(int offset) {
    int behind = serializer.end(few, offset);
    System.arraycopy(few, behind, few, offset, end - behind);
    end -= behind - offset;
  }

  /** Sees to it that the array is not shared and has room for this many bytes. */
  private void makeOwn(int size) {
    if (end + size > few.length) {
      few = Arrays.copyOf(few, end + size + Math.max(ROOM, end / 4));
    } else if (isShared) {
      few = few.clone();
    }
    isShared = false;
  }

  private void note(int offset, int size) {
    if (stored == null || isRewritten) {
      return;
    }
    if (changesEnd + size > changes.length) {
      changes = Arrays.copyOf(changes, changesEnd + size + changesEnd);
    }
    System.arraycopy(few, offset, changes, changesEnd, size);
    changesEnd += size;
  }

  /**
   * The entries that were written since the last call, in the form of {@link #inRecord}, which
   * {@link #apply} takes. Null: they are not all that has changed in the record.
   */
  byte[] takeChanges() {
    byte[] taken = isRewritten ? null : exactly(changes, changesEnd);
    changes = NO_BYTES;
    changesEnd = 0;
    isRewritten = false;
    return taken;
  }

  /** Applies what {@link #takeChanges} returned to the record as it was before. */
  void apply(byte[] taken) {
    for (int offset = 0; offset < taken.length; offset = serializer.end(taken, offset)) {
      write(serializer.keyAt(taken, offset), contentsAt(taken, offset), false);
    }
    changesEnd = 0;
  }

  private int contentsSize() {
    int size = 0;
    for (int offset = 0; offset < end; offset = serializer.end(few, offset)) {
      size += serializer.end(few, offset) - serializer.contents(few, offset);
    }
    return size;
  }

  /** Removes all entries. */
  void clear() {
    if (isStored) {
      stored.clear();
      isStored = false;
      isRewritten = true;
    }
    isRewritten |= end > 0;
    forgetFew();
  }

  private void forgetFew() {
    few = NO_BYTES;
    end = 0;
    filter = 0;
    isShared = true;
  }

  /** What the experiment's record contains; a copy. */
  byte[] inRecord() {
    return end == 0 ? NO_BYTES : Arrays.copyOf(few, end);
  }

  private static byte[] exactly(byte[] bytes, int length) {
    return length == bytes.length ? bytes : Arrays.copyOf(bytes, length);
  }

  /** An estimate of the heap that the entries take, in bytes. */
  int weight() {
    return few.length;
  }
}
