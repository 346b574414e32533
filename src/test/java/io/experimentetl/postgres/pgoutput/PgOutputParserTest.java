package io.experimentetl.postgres.pgoutput;

import static io.experimentetl.postgres.pgoutput.PgOutputMessages.UNSENT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.postgres.pgoutput.Relation.Column;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/**
 * The messages are those of "Logical Replication Message Formats" in PostgreSQL's documentation.
 */
class PgOutputParserTest {
  private static final Relation CARTS =
      new Relation(70_001, "shop", "carts", List.of(new Column("id", 20), new Column("größe", 25)));

  private final List<String> seen = new ArrayList<>();

  private final PgOutputParser parser =
      new PgOutputParser(
          new PgOutputHandler() {
            @Override
            public void begin(long commitLsn, long committedAt, int xid) {
              seen.add("begin " + commitLsn + " " + committedAt + " " + xid);
            }

            @Override
            public void commit(long endLsn) {
              seen.add("commit " + endLsn);
            }

            @Override
            public void relation(Relation relation) {
              seen.add("relation " + relation);
            }

            @Override
            public void insert(Relation relation, Tuple row) {
              seen.add("insert " + relation.table() + " " + print(row));
            }

            @Override
            public void update(Relation relation, Tuple old, Tuple row) {
              seen.add("update " + (old == null ? "" : print(old) + " to ") + print(row));
            }

            @Override
            public void delete(Relation relation, Tuple old) {
              seen.add("delete " + print(old));
            }

            @Override
            public void truncate(List<Relation> relations) {
              seen.add("truncate " + relations.stream().map(Relation::table).toList());
            }
          });

  private static String print(Tuple row) {
    List<String> values = new ArrayList<>();
    for (int i = 0; i < row.columns(); i++) {
      values.add(
          row.isUnsent(i)
              ? "unsent"
              : row.isNull(i) ? "null" : (row.isBinary(i) ? "binary " : "") + row.text(i));
    }
    return (row.isKeyOnly() ? "key " : "") + values;
  }

  private void announce() {
    parser.parse(PgOutputMessages.relation(CARTS));
    seen.clear();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void transactionHasItsCommitTimeSince1970AndItsUnsignedId() {
    parser.parse(PgOutputMessages.begin(0x1_0000_0010L, 5, -1));
    parser.parse(PgOutputMessages.commit(0x1_0000_0040L));
    assertThat(seen).containsExactly("begin 4294967312 946684800000005 -1", "commit 4294967360");
  }

  @Test
  void rowsHaveTheColumnsOfTheirRelation() {
    parser.parse(PgOutputMessages.relation(CARTS));
    parser.parse(PgOutputMessages.insert(70_001, Arrays.asList("7", null)));
    parser.parse(
        PgOutputMessages.update(70_001, 'O', List.of("7", "a"), Arrays.asList("7", UNSENT)));
    parser.parse(PgOutputMessages.update(70_001, 'N', null, List.of("7", bytes("ä"))));
    parser.parse(PgOutputMessages.delete(70_001, 'K', Arrays.asList("7", null)));
    parser.parse(PgOutputMessages.truncate(70_001));
    assertThat(seen)
        .containsExactly(
            "relation " + CARTS,
            "insert carts [7, null]",
            "update [7, a] to [7, unsent]",
            "update [7, binary ä]",
            "delete key [7, unsent]",
            "truncate [carts]");
  }

  @Test
  void relationReplacesTheFormerOne() {
    announce();
    Relation wider =
        new Relation(70_001, "shop", "carts", List.of(new Column("id", 20), new Column("n", 23)));
    parser.parse(PgOutputMessages.relation(wider));
    parser.parse(
        PgOutputMessages.relation(new Relation(8, "shop", "other", List.of(new Column("id", 20)))));
    parser.parse(PgOutputMessages.insert(70_001, List.of("1", "2")));
    assertThat(seen).last().isEqualTo("insert carts [1, 2]");
  }

  @Test
  void originsTypesAndLogicalMessagesAreNoRows() {
    parser.parse(PgOutputMessages.other('O', bytes("01234567origin\0")));
    parser.parse(PgOutputMessages.other('Y', bytes("0123public\0status\0")));
    parser.parse(PgOutputMessages.other('M', bytes("anything")));
    assertThat(seen).isEmpty();
  }

  @Test
  void unknownMessageIsRefused() {
    assertThatThrownBy(() -> parser.parse(PgOutputMessages.other('S', (byte) 1)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("The replication stream has a message of the unknown kind 'S'.");
    assertThatThrownBy(() -> parser.parse(ByteBuffer.allocate(0)))
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void rowOfAnUnknownRelationIsRefused() {
    announce();
    for (ByteBuffer message :
        List.of(
            PgOutputMessages.insert(9, List.of("1")),
            PgOutputMessages.update(9, 'N', null, List.of("1")),
            PgOutputMessages.delete(9, 'O', List.of("1")),
            PgOutputMessages.truncate(70_001, 9))) {
      assertThatThrownBy(() -> parser.parse(message))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage(
              "The replication stream has a row of the relation 9, which it has not announced.");
    }
    assertThat(seen).isEmpty();
  }

  @Test
  void rowWithMoreOrFewerColumnsThanItsRelationIsRefused() {
    announce();
    for (List<Object> row :
        List.<List<Object>>of(List.of(), List.of("1"), List.of("1", "2", "3"))) {
      assertThatThrownBy(() -> parser.parse(PgOutputMessages.insert(70_001, row)))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("a row of carts with " + row.size() + " columns");
    }
  }

  @Test
  void truncatedMessageIsRefused() {
    announce();
    for (ByteBuffer whole :
        List.of(
            PgOutputMessages.begin(1, 2, 3),
            PgOutputMessages.commit(4),
            PgOutputMessages.relation(CARTS),
            PgOutputMessages.insert(70_001, List.of("1", "text")),
            PgOutputMessages.update(70_001, 'O', List.of("1", "a"), List.of("1", "b")),
            PgOutputMessages.delete(70_001, 'K', Arrays.asList("1", null)),
            PgOutputMessages.truncate(70_001))) {
      // Behind the commit's LSN lies its time, which begin has told.
      int needed = whole.get(0) == 'C' ? whole.limit() - Long.BYTES : whole.limit();
      for (int length = 1; length < needed; length++) {
        ByteBuffer part = whole.duplicate().limit(length);
        assertThatThrownBy(() -> parser.parse(part))
            .as("%s bytes of %s", length, (char) whole.get(0))
            .isInstanceOf(IllegalStateException.class)
            .hasMessageContaining("ends too early");
      }
    }
    assertThat(seen).isEmpty();
  }

  /** A message that was damaged on its way is read or refused; nothing else happens. */
  @Property(tries = 2000)
  void damagedMessageIsReadOrRefused(@ForAll long seed) {
    PgOutputParserTest fresh = new PgOutputParserTest();
    fresh.announce();
    Random random = new Random(seed);
    ByteBuffer message =
        PgOutputMessages.update(70_001, 'O', List.of("1", "a"), List.of("1", bytes("b")));
    for (int i = 0; i <= random.nextInt(3); i++) {
      message.put(random.nextInt(message.limit()), (byte) random.nextInt(256));
    }
    try {
      fresh.parser.parse(message);
    } catch (IllegalStateException refused) {
      assertThat(refused).hasMessageContaining("replication stream");
    }
  }
}
