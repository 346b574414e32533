package io.experimentetl.postgres.pgoutput;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/**
 * Reads the rows of {@code COPY … TO STDOUT (FORMAT binary)} (PostgreSQL's documentation, "COPY",
 * "Binary Format"). One instance reads one COPY.
 */
public final class CopyParser {
  private static final byte[] SIGNATURE =
      "PGCOPY\n\377\r\n\0".getBytes(StandardCharsets.ISO_8859_1);
  private static final short END = -1;

  private final boolean[] isText;
  private final Tuple row = new Tuple();
  private boolean headerRead;

  /**
   * A COPY of these columns.
   *
   * @param isText by column: whether its values are texts, because their type has no binary form
   *     that can be read
   */
  public CopyParser(boolean... isText) {
    this.isText = isText.clone();
  }

  /**
   * Reads one message, and passes on its rows. A row is valid until the next one is read.
   *
   * @throws IllegalStateException the message is none of such a COPY
   */
  public void parse(byte[] message, Consumer<Tuple> rows) {
    ByteBuffer content = ByteBuffer.wrap(message);
    try {
      if (!headerRead) {
        readHeader(content);
        headerRead = true;
      }
      while (content.hasRemaining()) {
        short columns = content.getShort();
        if (columns == END) {
          return;
        }
        rows.accept(read(columns, message, content));
      }
    } catch (BufferUnderflowException | IllegalArgumentException e) {
      throw new IllegalStateException("A message of a COPY ends too early.", e);
    }
  }

  private static void readHeader(ByteBuffer content) {
    for (byte expected : SIGNATURE) {
      if (content.get() != expected) {
        throw new IllegalStateException(
            "A COPY does not begin with the binary format's signature.");
      }
    }
    // Flags: none is set by the versions that are supported.
    content.getInt();
    int extension = content.getInt();
    content.position(content.position() + extension);
  }

  private Tuple read(short columns, byte[] message, ByteBuffer content) {
    if (columns != isText.length) {
      throw new IllegalStateException(
          "A COPY has a row with %d columns in the place of %d.".formatted(columns, isText.length));
    }
    row.start(message, columns, false);
    for (int i = 0; i < columns; i++) {
      int length = content.getInt();
      if (length < 0) {
        row.set(i, (byte) 'n', 0, 0);
      } else {
        row.set(i, (byte) (isText[i] ? 't' : 'b'), content.position(), length);
        content.position(content.position() + length);
      }
    }
    return row;
  }
}
