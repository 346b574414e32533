package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.OutboxRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.types.Either;
import org.apache.flink.util.Collector;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Records as Debezium makes them. PostgresChangesIT tests the records of a real server. */
class ChangeDeserializerTest {

  private static final Schema SOURCE =
      SchemaBuilder.struct().field("table", Schema.STRING_SCHEMA).build();

  private static final Schema TIMESTAMP =
      SchemaBuilder.string().optional().name("io.debezium.time.ZonedTimestamp").build();

  private static final Schema USER =
      SchemaBuilder.struct()
          .field("user_id", Schema.OPTIONAL_STRING_SCHEMA)
          .field("email", Schema.OPTIONAL_STRING_SCHEMA)
          .field("name", Schema.OPTIONAL_STRING_SCHEMA)
          .field("properties", SchemaBuilder.string().optional().defaultValue("{}").build())
          .field("is_active", SchemaBuilder.bool().optional().defaultValue(true).build())
          .field("created_at", TIMESTAMP)
          .field("updated_at", TIMESTAMP)
          .optional()
          .build();

  private final ChangeDeserializer deserializer = new ChangeDeserializer();

  private final List<SchemaDrift> drifts = new ArrayList<>();

  private static Schema envelope(Schema row) {
    return SchemaBuilder.struct()
        .field("before", row)
        .field("after", row)
        .field("source", SOURCE)
        .field("op", Schema.STRING_SCHEMA)
        .build();
  }

  private static Struct user(String id, String properties) {
    return new Struct(USER)
        .put("user_id", id)
        .put("properties", properties)
        .put("is_active", true)
        .put("created_at", "2026-11-20T12:00:00.000001Z")
        .put("updated_at", "2026-11-20T12:00:00Z");
  }

  private static SourceRecord record(
      String table, Schema row, String operation, Struct before, Struct after, long lsn) {
    Schema envelope = envelope(row);
    Struct value =
        new Struct(envelope)
            .put("before", before)
            .put("after", after)
            .put("source", new Struct(SOURCE).put("table", table))
            .put("op", operation);
    Map<String, Object> offset = new HashMap<>();
    offset.put("lsn", lsn);
    offset.put("txId", 77L);
    offset.put("ts_usec", 5L);
    offset.put("lsn_commit", null);
    return new SourceRecord(Map.of(), offset, "topic", envelope, value);
  }

  private Either<ReaderNotice, Change> read(SourceRecord record) {
    List<Either<ReaderNotice, Change>> out = new ArrayList<>();
    deserializer.deserialize(
        record,
        new Collector<>() {
          @Override
          public void collect(Either<ReaderNotice, Change> value) {
            if (value.isLeft() && value.left().drift() != null) {
              assertThat(out).as("before the row").isEmpty();
              drifts.add(value.left().drift());
            } else {
              out.add(value);
            }
          }

          @Override
          public void close() {}
        });
    assertThat(out).hasSize(1);
    return out.get(0);
  }

  @Test
  void rowHasItsPositionAndRowsOfOnePageAreCounted() {
    Change first = read(record("users", USER, "c", null, user("u", "{\"a\":1}"), 100)).right();
    assertThat(first)
        .isEqualTo(
            new Change(
                SourceTable.USERS,
                ChangeKind.INSERT,
                0,
                new SourcePosition(0, 100, 77, 0, 5),
                null,
                new UserRow(
                    "u", null, null, "{\"a\":1}", true, 1795176000000001L, 1795176000000000L)));
    assertThat(read(record("users", USER, "c", null, user("v", null), 100)).right().position())
        .isEqualTo(new SourcePosition(0, 100, 77, 1, 5));
    assertThat(read(record("users", USER, "d", user("v", null), null, 140)).right().position())
        .isEqualTo(new SourcePosition(0, 140, 77, 0, 5));
  }

  @Test
  void snapshotRowHasATimeAndNoPosition() {
    assertThat(read(record("users", USER, "r", null, user("u", "{}"), 100)).right().position())
        .isEqualTo(new SourcePosition(0, 0, 0, 0, 5));
  }

  @Test
  void nullIsNullEvenWhereTheColumnHasADefault() {
    Change change = read(record("users", USER, "c", null, user("u", null), 1)).right();
    assertThat(((UserRow) change.after()).properties()).isNull();
  }

  @Test
  void nullInARequiredColumnIsAFindingAboutThatRowOnly() {
    Struct row = user("u", null).put("updated_at", null);
    assertThat(read(record("users", USER, "c", null, row, 1)).right().after())
        .isEqualTo(
            new UnreadableRow(
                SourceTable.USERS,
                Subject.user("u"),
                null,
                FindingCode.S_NULL_REQUIRED,
                "updated_at",
                "The column updated_at is NULL."));
    assertThat(read(record("users", USER, "c", null, user("v", null), 2)).right().after())
        .isInstanceOf(UserRow.class);
  }

  @Test
  void unsentLargeValueIsTakenFromTheBeforeImage() {
    Struct before = user("u", "{\"large\":1}");
    Struct after = user("u", StructRowReader.UNSENT_TEXT);
    Change change = read(record("users", USER, "u", before, after, 1)).right();
    assertThat(((UserRow) change.after()).properties()).isEqualTo("{\"large\":1}");

    assertThat(read(record("users", USER, "u", null, after, 2)).right().after())
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
    Struct before = user("u", "{}").put("name", "former");
    Struct after = user("u", "{}").put("name", written).put("email", written);
    assertThat(read(record("users", USER, "c", null, after, 1)).right().after())
        .isInstanceOfSatisfying(UserRow.class, row -> assertThat(row.name()).isEqualTo(written));
    assertThat(read(record("users", USER, "u", before, after, 2)).right().after())
        .isInstanceOfSatisfying(
            UserRow.class,
            row -> {
              assertThat(row.name()).isEqualTo(written);
              assertThat(row.email()).isEqualTo(written);
            });
  }

  /** A table's schema with the column that flags an old row which is only a key. */
  private static Schema flagged(Schema row) {
    SchemaBuilder schema = SchemaBuilder.struct();
    row.fields().forEach(field -> schema.field(field.name(), field.schema()));
    return schema
        .field(ReplicationMessageAdapter.SENT_COLUMNS, Schema.OPTIONAL_STRING_SCHEMA)
        .optional()
        .build();
  }

  private static Struct keyOnly(Schema flagged, String column, Object value) {
    return new Struct(flagged)
        .put(column, value)
        .put(ReplicationMessageAdapter.SENT_COLUMNS, column + ReplicationMessageAdapter.SEPARATOR);
  }

  @Test
  void keyOnlyOldRowOfAUserHasItsKeyAndNoInventedValue() {
    Schema schema = flagged(USER);
    Struct before =
        keyOnly(schema, "user_id", "u")
            .put("is_active", true)
            .put("created_at", "1970-01-01T00:00:00Z")
            .put("updated_at", "1970-01-01T00:00:00Z");
    Change change = read(record("users", schema, "d", before, null, 1)).right();
    assertThat(change.isBeforeWhole()).isFalse();
    assertThat(change.before())
        .isEqualTo(new UserRow("u", null, null, null, false, Long.MAX_VALUE, Long.MAX_VALUE));
    Struct whole =
        new Struct(schema)
            .put("user_id", "u")
            .put("is_active", true)
            .put("created_at", "1970-01-01T00:00:00Z")
            .put("updated_at", "1970-01-01T00:00:00Z");
    Change delete = read(record("users", schema, "d", whole, null, 2)).right();
    assertThat(delete.isBeforeWhole()).as("a row of 1970 that was sent whole").isTrue();
    assertThat(delete.before()).isEqualTo(new UserRow("u", null, null, null, true, 0, 0));
  }

  @Test
  void keyOnlyOldRowOfAnAssignmentIsRefusedAsIncomplete() {
    Schema assignment =
        flagged(
            SchemaBuilder.struct()
                .field("id", Schema.INT64_SCHEMA)
                .field("experiment_id", SchemaBuilder.int64().optional().build())
                .field("user_id", Schema.OPTIONAL_STRING_SCHEMA)
                .build());
    Struct before = keyOnly(assignment, "id", 7L).put("experiment_id", 0L).put("user_id", "");
    assertThat(read(record("assignments", assignment, "d", before, null, 1)).right().before())
        .isInstanceOfSatisfying(
            UnreadableRow.class,
            row -> {
              assertThat(row.code()).isEqualTo(FindingCode.S_INCOMPLETE_ROW);
              assertThat(row.subject()).isEqualTo(Subject.assignment(7));
              assertThat(row.reason()).contains("ALTER TABLE assignments REPLICA IDENTITY FULL");
            });
  }

  @Test
  void invalidTimestampIsAFindingWithoutTheValue() {
    Struct row = user("u", null).put("created_at", "secret-nonsense");
    assertThat(read(record("users", USER, "c", null, row, 1)).right().after())
        .isInstanceOfSatisfying(
            UnreadableRow.class,
            unreadable -> {
              assertThat(unreadable.column()).isEqualTo("created_at");
              assertThat(unreadable.reason()).doesNotContain("secret");
            });
  }

  @Test
  void keyOnlyOldRowOfAnEventIsRefusedWithARemedy() {
    Schema event =
        flagged(
            SchemaBuilder.struct()
                .field("id", Schema.OPTIONAL_STRING_SCHEMA)
                .field("timestamp", TIMESTAMP)
                .field("experiment_id", SchemaBuilder.int64().optional().build())
                .field("user_id", Schema.OPTIONAL_STRING_SCHEMA)
                .build());
    Struct before =
        new Struct(event)
            .put("id", "e1")
            .put("timestamp", "2026-11-20T12:00:00Z")
            .put("experiment_id", 0L)
            .put("user_id", "")
            .put(ReplicationMessageAdapter.SENT_COLUMNS, "id\0timestamp\0");
    assertThat(read(record("events", event, "d", before, null, 1)).right().before())
        .isInstanceOfSatisfying(
            UnreadableRow.class,
            row -> {
              assertThat(row.subject())
                  .isEqualTo(Subject.event(EventId.of("e1"), 1_795_176_000_000_000L));
              assertThat(row.eventId().sourceId()).isEqualTo("e1");
              assertThat(row.column()).isEqualTo("experiment_id");
              assertThat(row.code()).isEqualTo(FindingCode.S_INCOMPLETE_ROW);
              assertThat(row.reason()).contains("REPLICA IDENTITY FULL", "partitions");
            });
  }

  @Test
  void narrowIntegersAndTimestampsWithoutZoneAreRead() {
    Schema outbox =
        SchemaBuilder.struct()
            .field("id", Schema.INT32_SCHEMA)
            .field("aggregate_id", Schema.STRING_SCHEMA)
            .field("aggregate_type", Schema.STRING_SCHEMA)
            .field("event_type", Schema.STRING_SCHEMA)
            .field("payload", Schema.STRING_SCHEMA)
            .field(
                "created_at", SchemaBuilder.int64().name("io.debezium.time.MicroTimestamp").build())
            .field(
                "processed_at",
                SchemaBuilder.int64().optional().name("io.debezium.time.Timestamp").build())
            .optional()
            .build();
    Struct row =
        new Struct(outbox)
            .put("id", 7)
            .put("aggregate_id", "a")
            .put("aggregate_type", "t")
            .put("event_type", "EVENT_CREATED")
            .put("payload", "{}")
            .put("created_at", 12L)
            .put("processed_at", 3L);
    assertThat(read(record("outbox_events", outbox, "c", null, row, 1)).right().after())
        .isEqualTo(new OutboxRow(7, "a", "t", "EVENT_CREATED", "{}", 12, 3000L));
  }

  @Test
  void newSchemaOfATableIsBoundAgain() {
    Schema wider =
        SchemaBuilder.struct()
            .field("extra", Schema.OPTIONAL_STRING_SCHEMA)
            .field("user_id", Schema.STRING_SCHEMA)
            .field("is_active", Schema.BOOLEAN_SCHEMA)
            .field("created_at", TIMESTAMP)
            .field("updated_at", TIMESTAMP)
            .optional()
            .build();
    read(record("users", USER, "c", null, user("u", null), 1));
    Struct row =
        new Struct(wider)
            .put("extra", "x")
            .put("user_id", "u")
            .put("is_active", false)
            .put("created_at", "2026-11-20T12:00:00Z")
            .put("updated_at", "2026-11-20T12:00:00Z");
    Change change = read(record("users", wider, "u", null, row, 2)).right();
    assertThat(change.after())
        .isEqualTo(new UserRow("u", null, null, null, false, 1795176000000000L, 1795176000000000L));
    assertThat(change.after()).isNotInstanceOf(EventRow.class);
    assertThat(drifts)
        .extracting(SchemaDrift::column)
        .containsExactly("email", "name", "properties");
    assertThat(drifts).extracting(SchemaDrift::seenAt).containsOnly(5L);
  }

  @Test
  void heartbeatReportsHowFarTheStreamWasRead() {
    Schema heartbeat =
        SchemaBuilder.struct().name("io.debezium.connector.common.Heartbeat").build();
    SourceRecord record =
        new SourceRecord(
            Map.of(),
            Map.of("lsn", 500L, "lsn_commit", 500L),
            "topic",
            heartbeat,
            new Struct(heartbeat));
    assertThat(read(record).left()).isEqualTo(ReaderNotice.of(new ReaderProgress(false, 500, 500)));
  }
}
