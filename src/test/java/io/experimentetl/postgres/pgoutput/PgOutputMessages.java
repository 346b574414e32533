package io.experimentetl.postgres.pgoutput;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Messages as the plugin pgoutput writes them. */
public final class PgOutputMessages {

  /** A large value that an update did not change. */
  public static final Object UNSENT = new Object();

  private interface Body {
    void writeTo(DataOutputStream out) throws IOException;
  }

  private PgOutputMessages() {}

  private static ByteBuffer message(char kind, Body body) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      // As in a message of the driver, the content begins behind a header.
      out.writeLong(0);
      out.writeByte(kind);
      body.writeTo(out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return ByteBuffer.wrap(bytes.toByteArray()).position(Long.BYTES).slice();
  }

  /** Times are microseconds since 2000. */
  public static ByteBuffer begin(long commitLsn, long committedAt, int xid) {
    return message(
        'B',
        out -> {
          out.writeLong(commitLsn);
          out.writeLong(committedAt);
          out.writeInt(xid);
        });
  }

  public static ByteBuffer commit(long endLsn) {
    return message(
        'C',
        out -> {
          out.writeByte(0);
          out.writeLong(endLsn - 8);
          out.writeLong(endLsn);
          out.writeLong(0);
        });
  }

  public static ByteBuffer relation(Relation relation) {
    return message(
        'R',
        out -> {
          out.writeInt(relation.id());
          name(out, relation.schema());
          name(out, relation.table());
          out.writeByte('f');
          out.writeShort(relation.columns().size());
          for (Relation.Column column : relation.columns()) {
            out.writeByte(1);
            name(out, column.name());
            out.writeInt(column.type());
            out.writeInt(-1);
          }
        });
  }

  public static ByteBuffer insert(int relation, List<Object> row) {
    return message(
        'I',
        out -> {
          out.writeInt(relation);
          tuple(out, 'N', row);
        });
  }

  /**
   * An update.
   *
   * @param oldKind O: the whole old row, K: its key
   * @param old null: it is not sent
   */
  public static ByteBuffer update(int relation, char oldKind, List<Object> old, List<Object> row) {
    return message(
        'U',
        out -> {
          out.writeInt(relation);
          if (old != null) {
            tuple(out, oldKind, old);
          }
          tuple(out, 'N', row);
        });
  }

  public static ByteBuffer delete(int relation, char oldKind, List<Object> old) {
    return message(
        'D',
        out -> {
          out.writeInt(relation);
          tuple(out, oldKind, old);
        });
  }

  public static ByteBuffer truncate(int... relations) {
    return message(
        'T',
        out -> {
          out.writeInt(relations.length);
          out.writeByte(1);
          for (int relation : relations) {
            out.writeInt(relation);
          }
        });
  }

  /** A message of another kind. */
  public static ByteBuffer other(char kind, byte... content) {
    return message(kind, out -> out.write(content));
  }

  private static void name(DataOutputStream out, String name) throws IOException {
    out.write(name.getBytes(StandardCharsets.UTF_8));
    out.writeByte(0);
  }

  /** A value is a text, the bytes of a binary form, {@link #UNSENT} or null. */
  private static void tuple(DataOutputStream out, char kind, List<Object> row) throws IOException {
    out.writeByte(kind);
    out.writeShort(row.size());
    for (Object value : row) {
      if (value == null) {
        out.writeByte('n');
      } else if (value instanceof byte[] binary) {
        out.writeByte('b');
        out.writeInt(binary.length);
        out.write(binary);
      } else if (value instanceof String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        out.writeByte('t');
        out.writeInt(bytes.length);
        out.write(bytes);
      } else {
        out.writeByte('u');
      }
    }
  }
}
