package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Messages of the plugin pgoutput, protocol version 1. */
class ReplicationMessageAdapterTest {
  private static final int UNKNOWN_TYPE = 90_001;
  private static final int UUID = 2950;
  private static final int VARCHAR = 1043;

  private final ReplicationMessageAdapter adapter = new ReplicationMessageAdapter();

  private record Column(String name, int type, int modifier) {}

  private static ByteBuffer message(Writing writing) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    // A message is a part of the driver's buffer.
    out.writeInt(0);
    writing.write(out);
    return ByteBuffer.wrap(bytes.toByteArray()).position(Integer.BYTES);
  }

  private interface Writing {
    void write(DataOutputStream out) throws IOException;
  }

  private static void name(DataOutputStream out, String name) throws IOException {
    out.write(name.getBytes(StandardCharsets.UTF_8));
    out.writeByte(0);
  }

  private static ByteBuffer relation(int id, String table, Column... columns) throws IOException {
    return message(
        out -> {
          out.writeByte('R');
          out.writeInt(id);
          name(out, "public");
          name(out, table);
          out.writeByte('d');
          out.writeShort(columns.length);
          for (Column column : columns) {
            out.writeByte(0);
            name(out, column.name());
            out.writeInt(column.type());
            out.writeInt(column.modifier());
          }
        });
  }

  /** Null: SQL's NULL. */
  private static void tuple(DataOutputStream out, char kind, String... values) throws IOException {
    out.writeByte(kind);
    out.writeShort(values.length);
    for (String value : values) {
      if (value == null) {
        out.writeByte('n');
      } else {
        out.writeByte('t');
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        out.writeInt(bytes.length);
        out.write(bytes);
      }
    }
  }

  private ByteBuffer adapted(ByteBuffer message) {
    return adapter.adapt(message, type -> type != UNKNOWN_TYPE);
  }

  private static String readName(ByteBuffer message) {
    StringBuilder name = new StringBuilder();
    for (byte next = message.get(); next != 0; next = message.get()) {
      name.append((char) next);
    }
    return name.toString();
  }

  private static List<Column> columns(ByteBuffer relation) {
    assertThat(relation.get()).isEqualTo((byte) 'R');
    relation.getInt();
    readName(relation);
    readName(relation);
    relation.get();
    List<Column> columns = new ArrayList<>();
    int count = relation.getShort();
    for (int i = 0; i < count; i++) {
      relation.get();
      columns.add(new Column(readName(relation), relation.getInt(), relation.getInt()));
    }
    assertThat(relation.hasRemaining()).isFalse();
    return columns;
  }

  private static List<String> values(ByteBuffer message, char kind) {
    assertThat(message.get()).isEqualTo((byte) kind);
    List<String> values = new ArrayList<>();
    int count = message.getShort();
    for (int i = 0; i < count; i++) {
      if (message.get() == 'n') {
        values.add(null);
      } else {
        byte[] bytes = new byte[message.getInt()];
        message.get(bytes);
        values.add(new String(bytes, StandardCharsets.UTF_8));
      }
    }
    return values;
  }

  @Test
  void relationGetsTheColumnThatFlagsKeysAndKeepsKnownTypes() throws IOException {
    ByteBuffer message =
        relation(5, "users", new Column("user_id", VARCHAR, 259), new Column("naïve", 16, -1));
    List<Column> columns = columns(adapted(message));
    assertThat(columns)
        .extracting(Column::type, Column::modifier)
        .containsExactly(
            org.assertj.core.groups.Tuple.tuple(VARCHAR, 259),
            org.assertj.core.groups.Tuple.tuple(16, -1),
            org.assertj.core.groups.Tuple.tuple(25, -1));
    assertThat(columns.get(2).name())
        .isEqualTo(ReplicationMessageAdapter.SENT_COLUMNS)
        .as("longer than any name in PostgreSQL")
        .hasSizeGreaterThan(63);
    assertThat(message.position()).isEqualTo(Integer.BYTES);
  }

  @Test
  void typeThatTheCatalogueNoLongerHasIsReplacedByTheDeclaredOne() throws IOException {
    assertThat(
            columns(
                adapted(
                    relation(
                        6,
                        "experiments",
                        new Column("id", UNKNOWN_TYPE, 7),
                        new Column("status", UNKNOWN_TYPE, 7),
                        new Column("starts_at", UNKNOWN_TYPE, 7),
                        new Column("of_the_platform", UNKNOWN_TYPE, 7)))))
        .extracting(Column::type)
        .containsExactly(20, 25, 1184, UNKNOWN_TYPE, 25);
    assertThat(columns(adapted(relation(7, "variants", new Column("is_control", UNKNOWN_TYPE, 7)))))
        .extracting(Column::type)
        .containsExactly(16, 25);
    assertThat(columns(adapted(relation(8, "elsewhere", new Column("id", UNKNOWN_TYPE, 7)))))
        .extracting(Column::type)
        .containsExactly(UNKNOWN_TYPE, 25);
  }

  @Test
  void deletedRowThatIsOnlyAKeyNamesTheColumnsThatWereSent() throws IOException {
    adapted(
        relation(
            9,
            "events",
            new Column("id", UUID, -1),
            new Column("timestamp", 1184, -1),
            new Column("user_id", VARCHAR, -1)));
    ByteBuffer delete =
        adapted(
            message(
                out -> {
                  out.writeByte('D');
                  out.writeInt(9);
                  tuple(out, 'K', "e", "2026-11-20 12:00:00+00", null);
                }));
    assertThat(delete.get()).isEqualTo((byte) 'D');
    assertThat(delete.getInt()).isEqualTo(9);
    assertThat(values(delete, 'K'))
        .containsExactly("e", "2026-11-20 12:00:00+00", null, "id\0timestamp\0");
    assertThat(delete.hasRemaining()).isFalse();
  }

  @Test
  void updatedRowWithAnOldKeyKeepsItsNewRow() throws IOException {
    adapted(relation(10, "variants", new Column("id", 20, -1), new Column("key", VARCHAR, -1)));
    ByteBuffer update =
        adapted(
            message(
                out -> {
                  out.writeByte('U');
                  out.writeInt(10);
                  tuple(out, 'K', "1", null);
                  tuple(out, 'N', "2", "ä");
                }));
    update.position(update.position() + 1 + Integer.BYTES);
    assertThat(values(update, 'K')).containsExactly("1", null, "id\0");
    assertThat(values(update, 'N')).containsExactly("2", "ä");
    assertThat(update.hasRemaining()).isFalse();
  }

  @Test
  void wholeRowsAndOtherMessagesAreNotCopied() throws IOException {
    adapted(relation(11, "users", new Column("user_id", VARCHAR, -1)));
    for (char kind : new char[] {'O', 'N'}) {
      ByteBuffer update =
          message(
              out -> {
                out.writeByte('U');
                out.writeInt(11);
                tuple(out, kind, "u");
              });
      assertThat(adapted(update)).isSameAs(update);
      assertThat(update.position()).isEqualTo(Integer.BYTES);
    }
    ByteBuffer commit = message(out -> out.writeByte('C'));
    assertThat(adapted(commit)).isSameAs(commit);
  }
}
