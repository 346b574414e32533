package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.OutboxRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.types.Either;
import org.apache.flink.util.Collector;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;
import org.junit.jupiter.api.Test;

/** Records of the snapshot as Debezium makes them. PostgresChangesIT reads a real server. */
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

  private static SourceRecord record(String table, Schema row, Struct after) {
    Schema envelope = envelope(row);
    Struct value =
        new Struct(envelope)
            .put("after", after)
            .put("source", new Struct(SOURCE).put("table", table))
            .put("op", "r");
    return new SourceRecord(Map.of(), Map.of("lsn", 100L, "ts_usec", 5L), "topic", envelope, value);
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
  void snapshotRowHasATimeAndNoPosition() {
    assertThat(read(record("users", USER, user("u", "{}"))).right())
        .isEqualTo(
            new Change(
                SourceTable.USERS,
                ChangeKind.READ,
                0,
                new SourcePosition(0, 0, 0, 0, 5),
                null,
                new UserRow("u", null, null, "{}", true, 1795176000000001L, 1795176000000000L)));
  }

  @Test
  void nullIsNullEvenWhereTheColumnHasADefault() {
    Change change = read(record("users", USER, user("u", null))).right();
    assertThat(((UserRow) change.after()).properties()).isNull();
  }

  @Test
  void nullInARequiredColumnIsAFindingAboutThatRowOnly() {
    Struct row = user("u", null).put("updated_at", null);
    assertThat(read(record("users", USER, row)).right().after())
        .isEqualTo(
            new UnreadableRow(
                SourceTable.USERS,
                Subject.user("u"),
                null,
                FindingCode.S_NULL_REQUIRED,
                "updated_at",
                "The column updated_at is NULL."));
    assertThat(read(record("users", USER, user("v", null))).right().after())
        .isInstanceOf(UserRow.class);
  }

  @Test
  void invalidTimestampIsAFindingWithoutTheValue() {
    Struct row = user("u", null).put("created_at", "secret-nonsense");
    assertThat(read(record("users", USER, row)).right().after())
        .isInstanceOfSatisfying(
            UnreadableRow.class,
            unreadable -> {
              assertThat(unreadable.column()).isEqualTo("created_at");
              assertThat(unreadable.reason()).doesNotContain("secret");
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
    assertThat(read(record("outbox_events", outbox, row)).right().after())
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
    read(record("users", USER, user("u", null)));
    Struct row =
        new Struct(wider)
            .put("extra", "x")
            .put("user_id", "u")
            .put("is_active", false)
            .put("created_at", "2026-11-20T12:00:00Z")
            .put("updated_at", "2026-11-20T12:00:00Z");
    Change change = read(record("users", wider, row)).right();
    assertThat(change.after())
        .isEqualTo(new UserRow("u", null, null, null, false, 1795176000000000L, 1795176000000000L));
    assertThat(change.after()).isNotInstanceOf(EventRow.class);
    assertThat(drifts)
        .extracting(SchemaDrift::column)
        .containsExactly("email", "name", "properties");
    assertThat(drifts).extracting(SchemaDrift::seenAt).containsOnly(5L);
  }
}
