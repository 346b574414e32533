package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * The form of few entries in one record of keyed state: one behind the other, each as its key, the
 * length of its contents, and the contents. An entry is found in the record as it is written.
 */
abstract class EntriesSerializer<K> {
  private static final VarHandle SHORT = view(short[].class);
  private static final VarHandle INT = view(int[].class);
  private static final VarHandle LONG = view(long[].class);

  /** Events by their id. */
  static final EntriesSerializer<EventId> EVENTS = new OfEvents();

  static final EntriesSerializer<FigureKey> FIGURES = new OfFigures();

  private static VarHandle view(Class<?> array) {
    return MethodHandles.byteArrayViewVarHandle(array, ByteOrder.BIG_ENDIAN);
  }

  /** The bytes of a key. */
  abstract int keySize(K key);

  /** The bytes of the key at the offset. */
  abstract int keySize(byte[] record, int offset);

  abstract void writeKey(K key, byte[] record, int offset);

  abstract K readKey(byte[] record, int offset);

  /** Whether the key is at the offset. */
  abstract boolean isKey(K key, byte[] record, int offset);

  /** Where the contents of the entry at the offset begin. */
  final int contents(byte[] record, int offset) {
    return offset + keySize(record, offset) + Integer.BYTES;
  }

  /** The bytes of the contents that begin at the offset. */
  static int contentsSize(byte[] record, int contents) {
    return (int) INT.get(record, contents - Integer.BYTES);
  }

  /** The bytes of an entry. */
  final int size(K key, byte[] contents) {
    return keySize(key) + Integer.BYTES + contents.length;
  }

  final void write(K key, byte[] contents, byte[] record, int offset) {
    writeKey(key, record, offset);
    int from = offset + keySize(key) + Integer.BYTES;
    INT.set(record, from - Integer.BYTES, contents.length);
    System.arraycopy(contents, 0, record, from, contents.length);
  }

  private static final class OfEvents extends EntriesSerializer<EventId> {
    private static final int SIZE = 2 * Long.BYTES;

    @Override
    int keySize(EventId id) {
      return SIZE;
    }

    @Override
    int keySize(byte[] record, int offset) {
      return SIZE;
    }

    @Override
    void writeKey(EventId id, byte[] record, int offset) {
      LONG.set(record, offset, id.high());
      LONG.set(record, offset + Long.BYTES, id.low());
    }

    @Override
    EventId readKey(byte[] record, int offset) {
      return new EventId(
          (long) LONG.get(record, offset), (long) LONG.get(record, offset + Long.BYTES), null);
    }

    @Override
    boolean isKey(EventId id, byte[] record, int offset) {
      return (long) LONG.get(record, offset) == id.high()
          && (long) LONG.get(record, offset + Long.BYTES) == id.low();
    }
  }

  /** The kind, the variant, the day, and the name's length and bytes in UTF-8. */
  private static final class OfFigures extends EntriesSerializer<FigureKey> {
    private static final int VARIANT = 1;
    private static final int DAY = VARIANT + Long.BYTES;
    private static final int LENGTH = DAY + Integer.BYTES;
    private static final int NAME = LENGTH + Short.BYTES;

    @Override
    int keySize(FigureKey figure) {
      return NAME + bytes(figure.name()).length;
    }

    private static byte[] bytes(String name) {
      return name.getBytes(StandardCharsets.UTF_8);
    }

    @Override
    int keySize(byte[] record, int offset) {
      return NAME + nameSize(record, offset);
    }

    private static int nameSize(byte[] record, int offset) {
      return Short.toUnsignedInt((short) SHORT.get(record, offset + LENGTH));
    }

    @Override
    void writeKey(FigureKey figure, byte[] record, int offset) {
      byte[] name = bytes(figure.name());
      record[offset] = (byte) figure.kind();
      LONG.set(record, offset + VARIANT, figure.variantId());
      INT.set(record, offset + DAY, figure.day());
      SHORT.set(record, offset + LENGTH, (short) name.length);
      System.arraycopy(name, 0, record, offset + NAME, name.length);
    }

    @Override
    FigureKey readKey(byte[] record, int offset) {
      return new FigureKey(
          (char) record[offset],
          new String(
              record, offset + NAME, nameSize(record, offset), StandardCharsets.UTF_8),
          (long) LONG.get(record, offset + VARIANT),
          (int) INT.get(record, offset + DAY));
    }

    @Override
    boolean isKey(FigureKey figure, byte[] record, int offset) {
      return record[offset] == figure.kind()
          && (int) INT.get(record, offset + DAY) == figure.day()
          && (long) LONG.get(record, offset + VARIANT) == figure.variantId()
          && isName(figure.name(), record, offset + NAME, nameSize(record, offset));
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
