package io.experimentetl.cdc;

import static io.experimentetl.postgres.pgoutput.PgOutputMessages.UNSENT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import io.experimentetl.postgres.pgoutput.PgOutputMessages;
import io.experimentetl.postgres.pgoutput.Relation;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Messages as PostgreSQL writes them. PostgresChangesIT reads a real server. */
class StreamDecoderTest {
  private static final int BOOL = 16;
  private static final int INT8 = 20;
  private static final int TEXT = 25;
  private static final int JSONB = 3802;
  private static final int TIMESTAMPTZ = 1184;
  private static final int INET = 869;
  private static final int GONE = 99_999;

  private static final Map<Integer, ValueFormat> FORMATS =
      Map.of(
          BOOL, ValueFormat.BOOL,
          INT8, ValueFormat.INTEGER,
          TEXT, ValueFormat.TEXT,
          JSONB, ValueFormat.JSONB,
          TIMESTAMPTZ, ValueFormat.TIMESTAMPTZ,
          INET, ValueFormat.OTHER);

  private static final int USERS = 501;
  private static final int ASSIGNMENTS = 502;
  private static final int EVENTS = 503;

  /** Microseconds since 2000. */
  private static final long COMMITTED_AT = 1_000_000;

  private static final long COMMITTED_SINCE_1970 = 946_684_801_000_000L;
  private static final String CREATED = "2026-11-20 12:00:00+00";
  private static final long CREATED_MICROS = 1_795_176_000_000_000L;

  private final List<Either<ReaderNotice, Change>> output = new ArrayList<>();
  private final StreamDecoder decoder =
      new StreamDecoder(SourceMapping.defaults("public"), FORMATS::get, output::add);

  private static Relation.Column column(String name, int type) {
    return new Relation.Column(name, type);
  }

  private static Relation relation(int id, SourceTable table, Relation.Column... columns) {
    return new Relation(id, "public", table.tableName(), List.of(columns));
  }

  @BeforeEach
  void announceUsers() {
    decoder.startStream(true);
    decode(1, announcedUsers());
  }

  private static ByteBuffer announcedUsers() {
    return PgOutputMessages.relation(
        relation(
            USERS,
            SourceTable.USERS,
            column("user_id", TEXT),
            column("email", TEXT),
            column("name", TEXT),
            column("properties", JSONB),
            column("is_active", BOOL),
            column("created_at", TIMESTAMPTZ),
            column("updated_at", TIMESTAMPTZ)));
  }

  private void decode(long lsn, ByteBuffer message) {
    decoder.decode(message, lsn);
  }

  private void begin(int xid) {
    decode(10, PgOutputMessages.begin(1000, COMMITTED_AT, xid));
  }

  private static List<Object> user(Object id, Object name, Object properties) {
    return Arrays.asList(id, null, name, properties, new byte[] {1}, CREATED, CREATED);
  }

  private static UserRow userRow(String id, String name, String properties) {
    return new UserRow(id, null, name, properties, true, CREATED_MICROS, CREATED_MICROS);
  }

  private List<Change> changes() {
    return output.stream().filter(Either::isRight).map(Either::right).toList();
  }

  private Change last() {
    return changes().get(changes().size() - 1);
  }

  private List<ReaderNotice> notices() {
    return output.stream().filter(Either::isLeft).map(Either::left).toList();
  }

  @Test
  void rowHasItsPositionAndRowsOfOnePageAreCounted() {
    begin(77);
    decode(100, PgOutputMessages.insert(USERS, user("u", "N", "{\"a\": 1}")));
    decode(100, PgOutputMessages.insert(USERS, user("v", "N", null)));
    decode(140, PgOutputMessages.insert(USERS, user("w", "N", null)));
    decode(200, PgOutputMessages.commit(200));
    begin(78);
    decode(140, PgOutputMessages.delete(USERS, 'O', user("v", "N", null)));
    assertThat(changes())
        .extracting(Change::position)
        .containsExactly(
            new SourcePosition(0, 100, 77, 0, COMMITTED_SINCE_1970),
            new SourcePosition(0, 100, 77, 1, COMMITTED_SINCE_1970),
            new SourcePosition(0, 140, 77, 0, COMMITTED_SINCE_1970),
            new SourcePosition(200, 140, 78, 0, COMMITTED_SINCE_1970));
    assertThat(changes().get(0))
        .isEqualTo(
            new Change(
                SourceTable.USERS,
                ChangeKind.INSERT,
                0,
                changes().get(0).position(),
                null,
                userRow("u", "N", "{\"a\": 1}")));
    assertThat(decoder.isInTransaction()).isTrue();
    assertThat(decoder.lastCommit()).isEqualTo(200);
  }

  @Test
  void endOfATransactionIsReportedUnlessItOnlyInsertedRows() {
    begin(77);
    decode(100, PgOutputMessages.insert(USERS, user("u", "N", null)));
    decode(200, PgOutputMessages.commit(200));
    assertThat(notices()).isEmpty();
    begin(78);
    decode(210, PgOutputMessages.update(USERS, 'N', null, user("u", "M", null)));
    decode(300, PgOutputMessages.commit(300));
    begin(79);
    decode(310, PgOutputMessages.truncate(USERS));
    decode(400, PgOutputMessages.commit(400));
    assertThat(notices())
        .containsExactly(
            ReaderNotice.of(new ReaderProgress(false, 300, 300)),
            ReaderNotice.of(new ReaderProgress(false, 400, 400)));
  }

  @Test
  void unsentLargeValueIsTakenFromTheOldRow() {
    begin(77);
    decode(
        100,
        PgOutputMessages.update(
            USERS, 'O', user("u", "N", "{\"large\": 1}"), user("u", "N", UNSENT)));
    assertThat(((UserRow) last().after()).properties()).isEqualTo("{\"large\": 1}");
    assertThat(last().isBeforeWhole()).isTrue();

    decode(110, PgOutputMessages.update(USERS, 'N', null, user("u", "N", UNSENT)));
    assertThat(last().after())
        .isInstanceOfSatisfying(
            UnreadableRow.class,
            row -> {
              assertThat(row.code()).isEqualTo(FindingCode.S_INCOMPLETE_ROW);
              assertThat(row.reason()).contains("ALTER TABLE users REPLICA IDENTITY FULL");
            });
  }

  @ParameterizedTest
  @ValueSource(strings = {"__debezium_unavailable_value", "not sent", ""})
  void textLikeAnyPlaceholderIsDeliveredAsWritten(String written) {
    begin(77);
    decode(
        100,
        PgOutputMessages.update(USERS, 'O', user("u", "former", null), user("u", written, null)));
    assertThat(((UserRow) last().after()).name()).isEqualTo(written);
  }

  @Test
  void keyOnlyOldRowOfAUserHasItsKeyAndNoInventedValue() {
    begin(77);
    List<Object> key = Arrays.asList("u", null, null, null, null, null, null);
    decode(100, PgOutputMessages.delete(USERS, 'K', key));
    assertThat(last().isBeforeWhole()).isFalse();
    assertThat(last().before())
        .isEqualTo(new UserRow("u", null, null, null, false, Long.MAX_VALUE, Long.MAX_VALUE));
  }

  @Test
  void keyOnlyOldRowOfAnAssignmentIsRefusedAsIncomplete() {
    decode(
        90,
        PgOutputMessages.relation(
            relation(
                ASSIGNMENTS,
                SourceTable.ASSIGNMENTS,
                column("id", INT8),
                column("experiment_id", INT8),
                column("user_id", TEXT))));
    begin(77);
    decode(100, PgOutputMessages.delete(ASSIGNMENTS, 'K', Arrays.asList("7", null, null)));
    assertThat(last().before())
        .isInstanceOfSatisfying(
            UnreadableRow.class,
            row -> {
              assertThat(row.code()).isEqualTo(FindingCode.S_INCOMPLETE_ROW);
              assertThat(row.subject()).isEqualTo(Subject.assignment(7));
              assertThat(row.reason()).contains("ALTER TABLE assignments REPLICA IDENTITY FULL");
            });
  }

  @Test
  void changedKeyIsOneUpdateOfAWholeRowAndTwoChangesOfAKey() {
    begin(77);
    decode(100, PgOutputMessages.update(USERS, 'O', user("u", "N", null), user("v", "N", null)));
    List<Object> oldKey = Arrays.asList("v", null, null, null, null, null, null);
    decode(110, PgOutputMessages.update(USERS, 'K', oldKey, user("w", "N", null)));
    // A large key is sent with each update.
    List<Object> sameKey = Arrays.asList("w", null, null, null, null, null, null);
    decode(120, PgOutputMessages.update(USERS, 'K', sameKey, user("w", "M", null)));
    decode(130, PgOutputMessages.update(USERS, 'K', sameKey, user(UNSENT, "O", null)));
    assertThat(changes())
        .extracting(Change::kind)
        .containsExactly(
            ChangeKind.UPDATE,
            ChangeKind.KEY_CHANGE,
            ChangeKind.INSERT,
            ChangeKind.UPDATE,
            ChangeKind.UPDATE);
    assertThat(changes().subList(1, 3))
        .extracting(Change::position)
        .containsExactly(
            new SourcePosition(0, 110, 77, 0, COMMITTED_SINCE_1970),
            new SourcePosition(0, 110, 77, 1, COMMITTED_SINCE_1970));
    assertThat(((UserRow) changes().get(1).before()).userId()).isEqualTo("v");
    assertThat(changes().get(2).after()).isEqualTo(userRow("w", "N", null));
    assertThat(((UserRow) last().after()).userId()).isEqualTo("w");
  }

  private static ByteBuffer announcedEvents() {
    return PgOutputMessages.relation(
        relation(
            EVENTS,
            SourceTable.EVENTS,
            column("session_id", TEXT),
            column("id", TEXT),
            column("timestamp", TIMESTAMPTZ),
            column("experiment_id", INT8),
            column("user_id", TEXT),
            column("event_type", TEXT)));
  }

  /** The replica identity is an index of a column that is not of the key. */
  @Test
  void changedColumnOfAnotherReplicaIdentityIsAnUpdateOfTheRow() {
    begin(77);
    List<Object> formerEmail = Arrays.asList(null, "old@x.org", null, null, null, null, null);
    decode(100, PgOutputMessages.update(USERS, 'K', formerEmail, user("u", "N", null)));
    List<Object> both = Arrays.asList("u", "old@x.org", null, null, null, null, null);
    decode(110, PgOutputMessages.update(USERS, 'K', both, user("u", "M", null)));
    decode(120, announcedEvents());
    decode(
        130,
        PgOutputMessages.update(
            EVENTS,
            'K',
            Arrays.asList("s1", "e", CREATED, null, null, null),
            List.of("s2", "e", CREATED, "1", "u", "t")));
    assertThat(changes())
        .extracting(Change::kind)
        .containsExactly(ChangeKind.UPDATE, ChangeKind.UPDATE, ChangeKind.UPDATE);
    assertThat(changes().get(0).before()).isNull();
    assertThat(changes().get(0).after()).isEqualTo(userRow("u", "N", null));
    assertThat(((UserRow) changes().get(1).before()).userId()).isEqualTo("u");
    assertThat(changes()).extracting(Change::isBeforeWhole).containsOnly(false);
  }

  @Test
  void largePartOfAChangedKeyThatWasNotSentIsThatOfTheOldRow() {
    decode(90, announcedEvents());
    begin(77);
    decode(
        100,
        PgOutputMessages.update(
            EVENTS,
            'K',
            Arrays.asList(null, "large id", CREATED, null, null, null),
            Arrays.asList(null, UNSENT, "2026-11-21 12:00:00+00", "1", "u", "t")));
    decode(
        110,
        PgOutputMessages.update(
            EVENTS,
            'K',
            Arrays.asList(null, "other id", CREATED, null, null, null),
            Arrays.asList(UNSENT, UNSENT, "2026-11-21 12:00:00+00", "1", "u", "t")));
    assertThat(changes())
        .extracting(Change::kind)
        .containsExactly(
            ChangeKind.KEY_CHANGE, ChangeKind.INSERT, ChangeKind.KEY_CHANGE, ChangeKind.INSERT);
    assertThat(changes().get(1).after().toString()).contains(EventId.of("large id").toString());
    // A large value that is not of the key is nowhere.
    assertThat(((UnreadableRow) last().after()).code()).isEqualTo(FindingCode.S_INCOMPLETE_ROW);
    assertThat(((UnreadableRow) last().after()).column()).isEqualTo("session_id");
  }

  @Test
  void newColumnsOfATableAreBoundAgainAndReportedBeforeTheFirstRow() {
    decode(
        50,
        PgOutputMessages.relation(
            relation(
                USERS,
                SourceTable.USERS,
                column("extra", TEXT),
                column("user_id", TEXT),
                column("is_active", INT8),
                column("created_at", TIMESTAMPTZ),
                column("updated_at", TIMESTAMPTZ))));
    begin(77);
    assertThat(notices())
        .extracting(ReaderNotice::gap)
        .containsExactly(
            new StreamGap(USERS, "email"),
            new StreamGap(USERS, "name"),
            new StreamGap(USERS, "properties"));
    decode(100, PgOutputMessages.insert(USERS, List.of("x", "u", "1", CREATED, CREATED)));
    assertThat(notices())
        .filteredOn(notice -> notice.drift() != null)
        .extracting(notice -> notice.drift().column())
        .containsExactly("email", "name", "properties", "is_active");
    assertThat(output.get(7).isRight()).isTrue();
    assertThat(((UnreadableRow) last().after()).column()).isEqualTo("is_active");
  }

  @Test
  void typeThatTheCatalogueNoLongerHasIsReadAsDeclaredAndInText() {
    ByteBuffer assignments =
        PgOutputMessages.relation(
            relation(
                ASSIGNMENTS,
                SourceTable.ASSIGNMENTS,
                column("id", GONE),
                column("experiment_id", GONE),
                column("user_id", GONE),
                column("variant_id", GONE),
                column("version", GONE),
                column("source", GONE),
                column("context", GONE),
                column("assigned_at", GONE),
                column("enrolled_at", GONE),
                column("created_at", GONE),
                column("updated_at", GONE)));
    assertThatThrownBy(() -> decode(90, assignments.duplicate()))
        .isInstanceOf(StreamDecoder.BinaryFormException.class)
        .hasMessageContaining("assignments.id");

    decoder.startStream(false);
    decode(90, assignments.duplicate());
    begin(77);
    decode(
        100,
        PgOutputMessages.insert(
            ASSIGNMENTS,
            Arrays.asList("7", "8", "ü", "9", "2", "hash", "{}", CREATED, null, CREATED, CREATED)));
    assertThat(notices()).isEmpty();
    assertThat(last().after().toString())
        .contains("id=7", "experimentId=8", "userId=ü", "version=2", "source=hash");
  }

  @Test
  void valueThatIsNoneOfItsTypeIsAFindingWithoutTheValue() {
    begin(77);
    decode(
        100,
        PgOutputMessages.insert(
            USERS,
            Arrays.asList("u", null, null, null, new byte[] {1}, "secret-nonsense", CREATED)));
    assertThat(last().after())
        .isInstanceOfSatisfying(
            UnreadableRow.class,
            unreadable -> {
              assertThat(unreadable.code()).isEqualTo(FindingCode.S_UNPARSEABLE);
              assertThat(unreadable.column()).isEqualTo("created_at");
              assertThat(unreadable.reason()).doesNotContain("secret");
            });
  }

  private static ByteBuffer usersWithAnAddressAsName() {
    return PgOutputMessages.relation(
        relation(
            USERS,
            SourceTable.USERS,
            column("user_id", TEXT),
            column("email", TEXT),
            column("name", INET),
            column("properties", JSONB),
            column("is_active", BOOL),
            column("created_at", TIMESTAMPTZ),
            column("updated_at", TIMESTAMPTZ)));
  }

  @Test
  void unknownBinaryFormEndsTheStreamAndTextGoesOnBehindTheLastRow() {
    begin(77);
    decode(100, PgOutputMessages.insert(USERS, user("u", "N", null)));
    decode(100, PgOutputMessages.insert(USERS, user("v", "N", null)));
    assertThatThrownBy(() -> decode(110, usersWithAnAddressAsName()))
        .isInstanceOf(StreamDecoder.BinaryFormException.class)
        .hasMessageContaining("users.name");

    decoder.startStream(false);
    begin(77);
    decode(100, announcedUsers());
    decode(100, PgOutputMessages.insert(USERS, user("u", "N", null)));
    decode(100, PgOutputMessages.insert(USERS, user("v", "N", null)));
    decode(110, usersWithAnAddressAsName());
    decode(120, PgOutputMessages.insert(USERS, user("w", "10.0.0.0/8", null)));
    decode(200, PgOutputMessages.commit(200));
    begin(78);
    decode(210, PgOutputMessages.insert(USERS, user("x", "::1", null)));
    assertThat(changes())
        .extracting(Change::after)
        .containsExactly(
            userRow("u", "N", null),
            userRow("v", "N", null),
            userRow("w", "10.0.0.0/8", null),
            userRow("x", "::1", null));
    assertThat(changes().get(2).position())
        .isEqualTo(new SourcePosition(0, 120, 77, 0, COMMITTED_SINCE_1970));
  }

  @Test
  void otherTablesAndSchemasAreNotCaptured() {
    decode(
        1,
        PgOutputMessages.relation(
            new Relation(9, "audit", "users", List.of(column("user_id", TEXT)))));
    decode(
        1,
        PgOutputMessages.relation(
            new Relation(10, "public", "carts", List.of(column("user_id", TEXT)))));
    begin(77);
    decode(100, PgOutputMessages.insert(9, List.of("u")));
    decode(110, PgOutputMessages.delete(10, 'O', List.of("u")));
    decode(120, PgOutputMessages.truncate(9, 10));
    decode(200, PgOutputMessages.commit(200));
    assertThat(changes()).isEmpty();
    assertThat(decoder.lastCommit()).isEqualTo(200);
  }
}
