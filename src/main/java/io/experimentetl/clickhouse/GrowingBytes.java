package io.experimentetl.clickhouse;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/** A buffer that grows as ClickHouse's values are written to it, little-endian. */
final class GrowingBytes {
  private static final VarHandle SHORT = view(short[].class);
  private static final VarHandle INT = view(int[].class);
  private static final VarHandle LONG = view(long[].class);
  private static final int MAX_CAPACITY = Integer.MAX_VALUE - 16;

  /** The bytes that several buffers have on the heap, used or not. */
  static final class Held {
    private long bytes;

    long bytes() {
      return bytes;
    }

    void add(long more) {
      bytes += more;
    }
  }

  private final Held held;
  private byte[] bytes;
  private int size;

  GrowingBytes(int initialCapacity) {
    this(initialCapacity, new Held());
  }

  /**
   * Creates an empty buffer.
   *
   * @param held counts it
   */
  GrowingBytes(int initialCapacity, Held held) {
    this.held = held;
    bytes = new byte[initialCapacity];
    held.add(initialCapacity);
  }

  private static VarHandle view(Class<?> array) {
    return MethodHandles.byteArrayViewVarHandle(array, ByteOrder.LITTLE_ENDIAN);
  }

  void putByte(int value) {
    reserve(1);
    bytes[size++] = (byte) value;
  }

  void putShort(short value) {
    reserve(Short.BYTES);
    SHORT.set(bytes, size, value);
    size += Short.BYTES;
  }

  void putInt(int value) {
    reserve(Integer.BYTES);
    INT.set(bytes, size, value);
    size += Integer.BYTES;
  }

  void putLong(long value) {
    reserve(Long.BYTES);
    LONG.set(bytes, size, value);
    size += Long.BYTES;
  }

  void putZeros(int count) {
    reserve(count);
    Arrays.fill(bytes, size, size + count, (byte) 0);
    size += count;
  }

  void putAll(GrowingBytes other) {
    reserve(other.size);
    System.arraycopy(other.bytes, 0, bytes, size, other.size);
    size += other.size;
  }

  int intAt(int index) {
    return (int) INT.get(bytes, index * Integer.BYTES);
  }

  /** A length: seven bits a byte, the least significant ones first. */
  void putVarInt(int value) {
    reserve(5);
    int rest = value;
    while (rest > 0x7F) {
      bytes[size++] = (byte) (rest | 0x80);
      rest >>>= 7;
    }
    bytes[size++] = (byte) rest;
  }

  /**
   * The text's length in UTF-8 and its bytes.
   *
   * @throws UnencodableValueException if it has half of a surrogate pair; nothing is written
   */
  void putString(String value) {
    int length = value.length();
    reserve(5 + 3L * length);
    if (length < 128 && putShortAscii(value, length)) {
      return;
    }
    putVarInt(utf8Length(value));
    byte[] out = bytes;
    int offset = size;
    for (int i = 0; i < length; i++) {
      char c = value.charAt(i);
      if (c < 0x80) {
        out[offset++] = (byte) c;
      } else if (c < 0x800) {
        out[offset++] = (byte) (0xC0 | (c >> 6));
        out[offset++] = continuation(c);
      } else if (Character.isSurrogate(c)) {
        int code = Character.toCodePoint(c, value.charAt(++i));
        out[offset++] = (byte) (0xF0 | (code >> 18));
        out[offset++] = continuation(code >> 12);
        out[offset++] = continuation(code >> 6);
        out[offset++] = continuation(code);
      } else {
        out[offset++] = (byte) (0xE0 | (c >> 12));
        out[offset++] = continuation(c >> 6);
        out[offset++] = continuation(c);
      }
    }
    size = offset;
  }

  private boolean putShortAscii(String value, int length) {
    byte[] out = bytes;
    int offset = size + 1;
    for (int i = 0; i < length; i++) {
      char c = value.charAt(i);
      if (c >= 0x80) {
        return false;
      }
      out[offset + i] = (byte) c;
    }
    out[size] = (byte) length;
    size = offset + length;
    return true;
  }

  private static byte continuation(int bits) {
    return (byte) (0x80 | (bits & 0x3F));
  }

  private static int utf8Length(String value) {
    int length = value.length();
    int utf8 = length;
    for (int i = 0; i < length; i++) {
      char c = value.charAt(i);
      if (c < 0x80) {
        continue;
      }
      if (c < 0x800) {
        utf8++;
      } else if (!Character.isSurrogate(c)) {
        utf8 += 2;
      } else if (Character.isHighSurrogate(c)
          && i + 1 < length
          && Character.isLowSurrogate(value.charAt(i + 1))) {
        utf8 += 2;
        i++;
      } else {
        throw new UnencodableValueException(
            "a text with half a surrogate pair at character " + i + " is not valid UTF-8");
      }
    }
    return utf8;
  }

  private void reserve(long more) {
    long needed = size + more;
    if (needed > bytes.length) {
      if (needed > MAX_CAPACITY) {
        throw new UnencodableValueException("a row is larger than 2 GiB");
      }
      int before = bytes.length;
      bytes = Arrays.copyOf(bytes, (int) Math.min(MAX_CAPACITY, Math.max(needed, 2L * before)));
      held.add(bytes.length - before);
    }
  }

  int size() {
    return size;
  }

  /** The buffer itself, valid up to {@link #size} until the next write. */
  byte[] buffer() {
    return bytes;
  }

  /** Keeps only the first {@code length} bytes. */
  void truncate(int length) {
    size = length;
  }

  /** Gives a buffer of more bytes back to the heap, with what it holds. */
  void freeAbove(int maxCapacity) {
    if (bytes.length > maxCapacity) {
      size = 0;
      held.add(-bytes.length);
      bytes = new byte[0];
    }
  }

  byte[] toByteArray() {
    return Arrays.copyOf(bytes, size);
  }
}
