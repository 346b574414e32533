package io.experimentetl.postgres.pgoutput;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The values of one row, as they lie in a message. It is valid until the next message is read: the
 * parser fills the same tuple again.
 */
public final class Tuple {
  private static final int SMALL = 32;

  private byte[] message = new byte[0];
  private int columns;
  private boolean keyOnly;
  private byte[] kinds = new byte[SMALL];
  private int[] offsets = new int[SMALL];
  private int[] lengths = new int[SMALL];

  Tuple() {}

  /** Starts a row of that many columns in the message. */
  void start(byte[] inMessage, int count, boolean ofKeyOnly) {
    message = inMessage;
    keyOnly = ofKeyOnly;
    columns = count;
    if (kinds.length < count) {
      kinds = Arrays.copyOf(kinds, count);
      offsets = Arrays.copyOf(offsets, count);
      lengths = Arrays.copyOf(lengths, count);
    }
  }

  void set(int column, byte kind, int offset, int length) {
    kinds[column] = kind;
    offsets[column] = offset;
    lengths[column] = length;
  }

  /** The number of columns. */
  public int columns() {
    return columns;
  }

  /** Whether this is an old row of which only the table's replica identity was sent. */
  public boolean isKeyOnly() {
    return keyOnly;
  }

  /**
   * Whether the row has a value that was not sent: a large one that the update did not change, or
   * one that is not of the key in an old row that is only a key.
   */
  public boolean isUnsent(int column) {
    // The columns of a replica identity are NOT NULL.
    return kinds[column] == 'u' || (keyOnly && kinds[column] == 'n');
  }

  /** Whether the value is NULL. */
  public boolean isNull(int column) {
    return kinds[column] == 'n' && !keyOnly;
  }

  /** Whether the value is in its type's binary form; else it is its text. */
  public boolean isBinary(int column) {
    return kinds[column] == 'b';
  }

  /** The value's bytes in UTF-8, as a text. */
  public String text(int column) {
    return new String(message, offsets[column], lengths[column], StandardCharsets.UTF_8);
  }

  /** Whether both have the same bytes as the value of a column. */
  public boolean hasSameValue(Tuple other, int column) {
    return kinds[column] == other.kinds[column]
        && Arrays.equals(
            message,
            offsets[column],
            offsets[column] + lengths[column],
            other.message,
            other.offsets[column],
            other.offsets[column] + other.lengths[column]);
  }

  /**
   * The value in the form that {@link ValueFormat} gives.
   *
   * @throws IllegalArgumentException the bytes are none of a value of this format
   */
  public Object value(int column, ValueFormat format) {
    return isBinary(column)
        ? BinaryValue.read(format, message, offsets[column], lengths[column])
        : TextValue.read(format, text(column));
  }
}
