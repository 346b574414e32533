package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * The form of few entries in one record of keyed state: one behind the other, each as its length,
 * its key and its contents. An entry is found in the record as it is written.
 */
abstract class EntriesSerializer<K> {
  private static final VarHandle INT = view(int[].class);
  private static final VarHandle LONG = view(long[].class);

  /** Events by their id. */
  static final EntriesSerializer<EventId> EVENTS = new OfEvents();

  static final EntriesSerializer<FigureKey> FIGURES = new OfFigures();

  private static VarHandle view(Class<?> array) {
    return MethodHandles.byteArrayViewVarHandle(array, ByteOrder.BIG_ENDIAN);
  }

  /** The bytes of a key. */
  protected abstract int keySize(K key);

  /** The bytes of the key at the offset. */
  protected abstract int keySize(byte[] record, int offset);

  protected abstract void writeKey(K key, byte[] record, int offset);

  protected abstract K readKey(byte[] record, int offset);

  /** Whether the key is at the offset. */
  protected abstract boolean isKey(K key, byte[] record, int offset);

  /**
   * A filter's bit for the key; more bits: it shows nothing. A new event is not in the record,
   * which a filter says without a search.
   */
  protected abstract long filterOf(K key);

  /** The same for the key at the offset. */
  protected abstract long filterOf(byte[] record, int offset);

  /** The filter of the entry at the offset. */
  final long filterAt(byte[] record, int offset) {
    return filterOf(record, keyOf(record, offset));
  }

  /** Where the contents of the entry at the offset begin. */
  final int contents(byte[] record, int offset) {
    int key = keyOf(record, offset);
    return key + keySize(record, key);
  }

  private static int keyOf(byte[] record, int offset) {
    return offset + (record[offset] >= 0 ? 1 : numberSize(record, offset));
  }

  /** Where the entry at the offset ends: a search passes over the others by this alone. */
  final int end(byte[] record, int offset) {
    int size = record[offset];
    return size >= 0
        ? offset + 1 + size
        : offset + numberSize(record, offset) + (int) number(record, offset);
  }

  /** Whether the entry at the offset has this key. */
  final boolean isOf(K key, byte[] record, int offset) {
    return isKey(key, record, keyOf(record, offset));
  }

  /** The key of the entry at the offset. */
  final K keyAt(byte[] record, int offset) {
    return readKey(record, keyOf(record, offset));
  }

  /** The bytes of an entry. */
  final int size(K key, byte[] contents) {
    int size = keySize(key) + contents.length;
    return numberSize(size) + size;
  }

  final void write(K key, byte[] contents, byte[] record, int offset) {
    int size = keySize(key);
    writeNumber(size + contents.length, record, offset);
    int from = keyOf(record, offset);
    writeKey(key, record, from);
    System.arraycopy(contents, 0, record, from + size, contents.length);
  }

  /** The bytes of a number: seven bits a byte, the least significant ones first. */
  private static int numberSize(long number) {
    return (Long.SIZE - Long.numberOfLeadingZeros(number | 1) + 6) / 7;
  }

  private static int numberSize(byte[] record, int offset) {
    int end = offset;
    while (record[end] < 0) {
      end++;
    }
    return end + 1 - offset;
  }

  private static long number(byte[] record, int offset) {
    long number = 0;
    int at = offset;
    for (int shift = 0; ; shift += 7) {
      byte next = record[at++];
      number |= (next & 0x7FL) << shift;
      if (next >= 0) {
        return number;
      }
    }
  }

  private static void writeNumber(long number, byte[] record, int offset) {
    int at = offset;
    long rest = number;
    while ((rest & ~0x7FL) != 0) {
      record[at++] = (byte) (rest | 0x80);
      rest >>>= 7;
    }
    record[at] = (byte) rest;
  }

  private static final class OfEvents extends EntriesSerializer<EventId> {
    private static final int SIZE = 2 * Long.BYTES;

    /** An odd number whose product spreads the bits of an id (SplitMix64, Steele et al. 2014). */
    private static final long SPREAD = 0x9E3779B97F4A7C15L;

    @Override
    protected long filterOf(EventId id) {
      return filterOf(id.high(), id.low());
    }

    @Override
    protected long filterOf(byte[] record, int offset) {
      return filterOf(
          (long) LONG.get(record, offset), (long) LONG.get(record, offset + Long.BYTES));
    }

    private static long filterOf(long high, long low) {
      return 1L << (((high ^ low) * SPREAD) >>> 58);
    }

    @Override
    protected int keySize(EventId id) {
      return SIZE;
    }

    @Override
    protected int keySize(byte[] record, int offset) {
      return SIZE;
    }

    @Override
    protected void writeKey(EventId id, byte[] record, int offset) {
      LONG.set(record, offset, id.high());
      LONG.set(record, offset + Long.BYTES, id.low());
    }

    @Override
    protected EventId readKey(byte[] record, int offset) {
      return new EventId(
          (long) LONG.get(record, offset), (long) LONG.get(record, offset + Long.BYTES), null);
    }

    @Override
    protected boolean isKey(EventId id, byte[] record, int offset) {
      return (long) LONG.get(record, offset) == id.high()
          && (long) LONG.get(record, offset + Long.BYTES) == id.low();
    }
  }

  /** The kind, the day, the variant, and the name's length and bytes in UTF-8. */
  private static final class OfFigures extends EntriesSerializer<FigureKey> {
    private static final int DAY = 1;
    private static final int VARIANT = DAY + Integer.BYTES;

    /** Most figures that are looked up are there. */
    @Override
    protected long filterOf(FigureKey figure) {
      return -1;
    }

    @Override
    protected long filterOf(byte[] record, int offset) {
      return -1;
    }

    private static byte[] bytes(String name) {
      return name.getBytes(StandardCharsets.UTF_8);
    }

    @Override
    protected int keySize(FigureKey figure) {
      int name = nameSize(figure.name());
      return VARIANT + numberSize(figure.variantId()) + numberSize(name) + name;
    }

    private static int nameSize(String name) {
      for (int i = 0; i < name.length(); i++) {
        if (name.charAt(i) >= 0x80) {
          return bytes(name).length;
        }
      }
      return name.length();
    }

    @Override
    protected int keySize(byte[] record, int offset) {
      int length = length(record, offset);
      return length + numberSize(record, length) + (int) number(record, length) - offset;
    }

    /** Where the name's length is. */
    private static int length(byte[] record, int offset) {
      return offset + VARIANT + numberSize(record, offset + VARIANT);
    }

    @Override
    protected void writeKey(FigureKey figure, byte[] record, int offset) {
      byte[] name = bytes(figure.name());
      record[offset] = (byte) figure.kind();
      INT.set(record, offset + DAY, figure.day());
      writeNumber(figure.variantId(), record, offset + VARIANT);
      int length = length(record, offset);
      writeNumber(name.length, record, length);
      System.arraycopy(name, 0, record, length + numberSize(name.length), name.length);
    }

    @Override
    protected FigureKey readKey(byte[] record, int offset) {
      int length = length(record, offset);
      return new FigureKey(
          (char) record[offset],
          new String(
              record,
              length + numberSize(record, length),
              (int) number(record, length),
              StandardCharsets.UTF_8),
          number(record, offset + VARIANT),
          (int) INT.get(record, offset + DAY));
    }

    @Override
    protected boolean isKey(FigureKey figure, byte[] record, int offset) {
      if (record[offset] != figure.kind()
          || (int) INT.get(record, offset + DAY) != figure.day()
          || number(record, offset + VARIANT) != figure.variantId()) {
        return false;
      }
      int length = length(record, offset);
      return isName(
          figure.name(), record, length + numberSize(record, length), (int) number(record, length));
    }

    private static boolean isName(String name, byte[] record, int from, int size) {
      if (size < name.length()) {
        return false;
      }
      for (int i = 0; i < name.length(); i++) {
        char c = name.charAt(i);
        if (c >= 0x80) {
          return name.equals(new String(record, from, size, StandardCharsets.UTF_8));
        }
        if (record[from + i] != c) {
          return false;
        }
      }
      return size == name.length();
    }
  }
}
