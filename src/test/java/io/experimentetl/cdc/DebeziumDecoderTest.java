package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.JobConfig;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HeartbeatRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.TestEvent;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DebeziumDecoderTest {
  private static final String SOURCE =
      "'source':{'connector':'postgresql','ts_ms':1700000000123,'txId':7,'lsn':500,'sequence':'[\\\"400\\\",\\\"500\\\"]','table':'events'}";

  private DebeziumDecoder decoder =
      new DebeziumDecoder(
          new KafkaSourceSettings(
              new Properties(), "experiments_", SourceMapping.defaults("public"), true));

  private DebeziumRecord decode(String topic, String key, String value) {
    return decode(topic, key, value, new RecordHeaders());
  }

  private DebeziumRecord decode(String topic, String key, String value, RecordHeaders headers) {
    return decoder.decode(
        new ConsumerRecord<>(
            topic,
            3,
            17,
            1_700_000_000_999L,
            TimestampType.CREATE_TIME,
            0,
            0,
            bytes(key),
            bytes(value),
            headers,
            Optional.empty()));
  }

  private static byte[] bytes(String text) {
    return text == null ? null : text.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
  }

  private static String event(String timestamp) {
    return "{'id':'e','timestamp':"
        + timestamp
        + ",'experiment_id':1,'user_id':'u','variant_id':null,"
        + "'event_type':'purchase','assignment_at':null,'properties':'{}','session_id':null,'request_id':null,'more':1.5}";
  }

  @Test
  void changeOfTheStreamHasItsPlaceInCommitOrder() {
    DebeziumRecord record =
        decode(
            "experiments_events",
            "{'id':'e'}",
            "{'before':null,'after':"
                + event("'2023-11-14T22:13:20.123456Z'")
                + ","
                + SOURCE
                + ",'op':'c','ts_ms':1}");
    assertThat(record.commitBefore()).isEqualTo(400);
    assertThat(record.within()).isEqualTo(500);
    assertThat(record.key()).isEqualTo("events{\"id\":\"e\"}");
    assertThat(record.change().kind()).isEqualTo(ChangeKind.INSERT);
    assertThat(record.change().position())
        .isEqualTo(new SourcePosition(400, 500, 7, 0, 1_700_000_000_123_000L));
    assertThat(record.change().after())
        .isEqualTo(
            TestEvent.of(EventId.of("e"), 1_700_000_000_123_456L, 1, "u", "purchase")
                .with("properties", "{}")
                .row());
  }

  @Test
  void missingColumnIsReportedOnceBesideTheRow() {
    String value =
        "{'after':"
            + event("'2023-11-14T22:13:20Z'").replace(",'request_id':null", "")
            + ","
            + SOURCE
            + ",'op':'c','ts_ms':1}";
    assertThat(decode("experiments_events", "{'id':'e'}", value).drifts())
        .containsExactly(
            new SchemaDrift(
                "events",
                "request_id",
                "The column request_id of events is missing: it counts as NULL.",
                1_700_000_000_123_000L));
    assertThat(decode("experiments_events", "{'id':'e'}", value).drifts()).isEmpty();
  }

  @Test
  void optionalColumnIsReadWhereTheTableHasIt() {
    String value =
        "{'after':"
            + event("'2023-11-14T22:13:20Z'").replace("'more':1.5", "'device_id':'d'")
            + ","
            + SOURCE
            + ",'op':'c','ts_ms':1}";
    assertThat(decode("experiments_events", "{'id':'e'}", value).change().after())
        .isInstanceOfSatisfying(EventRow.class, row -> assertThat(row.deviceId()).isEqualTo("d"));
  }

  @Test
  void unknownAndMissingOptionalColumnsAreNoDrift() {
    String value =
        "{'after':" + event("'2023-11-14T22:13:20Z'") + "," + SOURCE + ",'op':'c','ts_ms':1}";
    assertThat(value).contains("'more'").doesNotContain("device_id");
    assertThat(decode("experiments_events", "{'id':'e'}", value).drifts()).isEmpty();
  }

  @Test
  void rowOfTheSnapshotHasNoLsn() {
    DebeziumRecord record =
        decode(
            "experiments_etl_heartbeat",
            "{'writer':'w'}",
            "{'after':{'writer':'w','beat_at':'2023-11-14T22:13:20Z'}," + SOURCE + ",'op':'r'}");
    assertThat(record.commitBefore()).isEqualTo(-1);
    assertThat(record.change().position())
        .isEqualTo(new SourcePosition(0, 0, 0, 0, 1_700_000_000_123_000L));
    assertThat(record.change().after()).isEqualTo(new HeartbeatRow("w", 1_700_000_000_000_000L));
  }

  @Test
  void tombstoneOfDebeziumIsIgnored() {
    assertThat(decode("experiments_users", "{}", null).change()).isNull();
  }

  @Test
  void unsentLargeValueOfARecordIsTakenFromTheBeforeImage() {
    DebeziumRecord record =
        decode(
            "experiments_events",
            "{'id':'e'}",
            "{'before':"
                + event("'2023-11-14T22:13:20Z'")
                + ",'after':"
                + event("'2023-11-14T22:13:20Z'").replace("'{}'", "'__debezium_unavailable_value'")
                + ","
                + SOURCE
                + ",'op':'u'}");
    assertThat(((EventRow) record.change().after()).properties()).isEqualTo("{}");
  }

  private static final String PLACEHOLDER = "__debezium_unavailable_value";

  /** An update of {@code session_id}; null: the record has no old row. */
  private EventRow updated(String oldSession) {
    String old =
        oldSession == null
            ? "null"
            : event("'2023-11-14T22:13:20Z'")
                .replace("'session_id':null", "'session_id':" + oldSession);
    return (EventRow)
        decode(
                "experiments_events",
                "{'id':'e','timestamp':'2023-11-14T22:13:20Z'}",
                "{'before':"
                    + old
                    + ",'after':"
                    + event("'2023-11-14T22:13:20Z'")
                        .replace("'session_id':null", "'session_id':'" + PLACEHOLDER + "'")
                    + ","
                    + SOURCE
                    + ",'op':'u'}")
            .change()
            .after();
  }

  @Test
  void placeholderCountsAsWrittenWhereTheOldValueIsAbsentNullOrEqual() {
    assertThat(updated(null).sessionId()).as("no old row").isEqualTo(PLACEHOLDER);
    assertThat(updated("null").sessionId()).as("old value NULL").isEqualTo(PLACEHOLDER);
    assertThat(updated("'" + PLACEHOLDER + "'").sessionId()).isEqualTo(PLACEHOLDER);
    assertThat(updated("'s1'").sessionId()).as("not sent").isEqualTo("s1");
    EventRow inserted =
        (EventRow)
            decode(
                    "experiments_events",
                    "{'id':'e'}",
                    "{'after':"
                        + event("'2023-11-14T22:13:20Z'")
                            .replace("'request_id':null", "'request_id':'" + PLACEHOLDER + "'")
                        + ","
                        + SOURCE
                        + ",'op':'c'}")
                .change()
                .after();
    assertThat(inserted.requestId()).as("inserted").isEqualTo(PLACEHOLDER);
  }

  private Change deleted(String table, String key, String before) {
    return decode(
            "experiments_" + table,
            key,
            "{'before':" + before + ",'after':null," + SOURCE + ",'op':'d'}")
        .change();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "events | {'id':'e','timestamp':'2023-11-14T22:13:20Z'} | {'id':'e','timestamp':'2023-11-14T22:13:20Z','experiment_id':0,'user_id':'','variant_id':null,'event_type':'','properties':null}",
        "assignments | {'id':7} | {'id':7,'experiment_id':0,'user_id':'','variant_id':0,'version':1,'source':'hash','assigned_at':'1970-01-01T00:00:00Z','enrolled_at':null,'created_at':'1970-01-01T00:00:00Z','updated_at':'1970-01-01T00:00:00.000000Z'}",
        "assignments | {'schema':{},'payload':{'id':7}} | {'id':7,'experiment_id':0,'user_id':'','assigned_at':'1970-01-01T00:00:00Z'}",
        "variants | {'id':3} | {'id':3,'experiment_id':0,'key':'','name':'','allocation_pct':0,'is_control':false,'created_at':'1970-01-01T00:00:00Z','updated_at':'1970-01-01T00:00:00Z'}",
      })
  void deletedRowOfFillValuesIsRefusedAsIncomplete(String table, String key, String before) {
    Change change = deleted(table, key, before);
    assertThat(change.isBeforeWhole()).isFalse();
    assertThat(change.before())
        .isInstanceOfSatisfying(
            UnreadableRow.class,
            row -> {
              assertThat(row.code().code()).isEqualTo("S-INCOMPLETE-ROW");
              assertThat(row.reason()).contains("ALTER TABLE " + table + " REPLICA IDENTITY FULL");
            });
  }

  @Test
  void deletedUserOfFillValuesIsKnownByItsKey() {
    Change change =
        deleted(
            "users",
            "{'user_id':'u'}",
            "{'user_id':'u','email':null,'is_active':true,'created_at':'1970-01-01T00:00:00Z','updated_at':'1970-01-01T00:00:00Z'}");
    assertThat(change.isBeforeWhole()).isFalse();
    assertThat(change.before())
        .isEqualTo(new UserRow("u", null, null, null, false, Long.MAX_VALUE, Long.MAX_VALUE));
  }

  @Test
  void deletedRowWithOneRealValueIsWhole() {
    Change event =
        deleted(
            "events",
            "{'id':'e','timestamp':'1970-01-01T00:00:00Z'}",
            "{'id':'e','timestamp':'1970-01-01T00:00:00Z','experiment_id':0,'user_id':'u','event_type':''}");
    assertThat(event.isBeforeWhole()).isTrue();
    assertThat(((EventRow) event.before()).userId()).isEqualTo("u");
    Change user =
        deleted(
            "users",
            "{'user_id':'u'}",
            "{'user_id':'u','is_active':false,'created_at':'1970-01-01T00:00:00Z','updated_at':'2023-11-14T22:13:20Z'}");
    assertThat(user.isBeforeWhole()).isTrue();
  }

  @Test
  void numericTimeIsRefusedAndTheRowIsNamed() {
    DebeziumRecord record =
        decode(
            "experiments_events",
            "{'id':'e'}",
            "{'after':" + event("1700000000123456") + "," + SOURCE + ",'op':'c'}");
    assertThat(record.change().after())
        .isInstanceOfSatisfying(
            UnreadableRow.class,
            row -> {
              assertThat(row.column()).isEqualTo("timestamp");
              assertThat(row.code()).isEqualTo(FindingCode.S_UNPARSEABLE);
            });
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "{                                        | value.converter",
        "[1]                                      | not a JSON object",
        "{'schema':{},'payload':{}}               | schemas.enable=false",
        "{'id':1}                                 | ExtractNewRecordState",
        "{'op':'c','source':{'connector':'mysql'}} | PostgreSQL connector",
        "{'op':'m','source':{'connector':'postgresql'}} | none of r, c, u, d, t",
        "{'op':'c','after':{},'source':{'connector':'postgresql'}} | no number ts_ms",
        "{'op':'c','after':null,'source':{'connector':'postgresql','ts_ms':1}} | row is missing",
        "{'op':'d','before':null,'source':{'connector':'postgresql','ts_ms':1}} | REPLICA IDENTITY FULL",
        "{'op':'c','after':{},'source':{'connector':'postgresql','ts_ms':1,'lsn':2,'txId':3}} | no sequence",
      })
  void brokenRecordIsAFindingWithItsPlaceAndRemedy(String value, String remedy) {
    DebeziumRecord record = decode("experiments_users", "{'user_id':'u'}", value);
    assertThat(record.change().after())
        .isInstanceOfSatisfying(
            UnreadableRow.class,
            row -> {
              assertThat(row.subject()).isEqualTo(Subject.kafkaRecord("experiments_users", 3, 17));
              assertThat(row.reason()).contains(remedy);
            });
    assertThat(record.change().position().lsn()).isZero();
  }

  /** Debezium 1.9 sends both rows as null, later releases leave them out. */
  @ParameterizedTest
  @ValueSource(strings = {"'before':null,'after':null,", ""})
  void truncateHasNoKeyAndNoRow(String rows) {
    DebeziumRecord record =
        decode("experiments_events", null, "{" + rows + SOURCE + ",'op':'t','ts_ms':1}");
    assertThat(record.change().table()).isEqualTo(SourceTable.EVENTS);
    assertThat(record.change().kind()).isEqualTo(ChangeKind.TRUNCATE);
    assertThat(record.change().before()).isNull();
    assertThat(record.change().after()).isNull();
    assertThat(record.change().position())
        .isEqualTo(new SourcePosition(400, 500, 7, 0, 1_700_000_000_123_000L));
    assertThat(record.commitBefore()).isEqualTo(400);
    assertThat(record.within()).isEqualTo(500);
    assertThat(record.key()).isEqualTo("events");
  }

  @Test
  void recordWithoutAPlaceTakesThatOfThePreviousOne() {
    decode("experiments_users", "{'user_id':'u'}", "{'after':{}," + SOURCE + ",'op':'c'}");
    assertThat(decode("experiments_users", null, "broken").commitBefore()).isEqualTo(400);
  }

  /** As the connector sends UPDATE users SET user_id = 'b': each half has the other's key. */
  @Test
  void halvesOfAChangedKeyAreKnownByTheirHeaderAndInOrder() {
    String user =
        "{'user_id':'%s','email':null,'name':'n','properties':'{}','is_active':true,'created_at':'2026-01-01T00:00:00Z','updated_at':'2026-01-01T00:00:00Z'}";
    RecordHeaders ofDelete = new RecordHeaders();
    ofDelete.add("__debezium.newkey", bytes("{'user_id':'b'}"));
    RecordHeaders ofInsert = new RecordHeaders();
    ofInsert.add("__debezium.oldkey", bytes("{'user_id':'a'}"));

    DebeziumRecord delete =
        decode(
            "experiments_users",
            "{'user_id':'a'}",
            "{'before':" + user.formatted("a") + ",'after':null," + SOURCE + ",'op':'d'}",
            ofDelete);
    DebeziumRecord insert =
        decode(
            "experiments_users",
            "{'user_id':'b'}",
            "{'before':null,'after':" + user.formatted("b") + "," + SOURCE + ",'op':'c'}",
            ofInsert);

    assertThat(delete.change().kind()).isEqualTo(ChangeKind.KEY_CHANGE);
    assertThat(insert.change().kind()).isEqualTo(ChangeKind.INSERT);
    assertThat(insert.change().position()).isEqualTo(delete.change().position());
    // Their topic partitions may differ, and then nothing but the order of both decides.
    assertThat(DebeziumRecord.IN_COMMIT_ORDER.compare(delete, insert)).isNegative();
  }

  @Test
  void rowThatErasesItsUserIsNotRead() {
    SourceMapping mapping =
        JobConfig.parse(
                "file",
                "source: {tables: {users: {columns: {user_id: uid}, erased_when: {state: deleted}}}}",
                Map.of(
                    "EXPERIMENT_ETL_SOURCE_PASSWORD", "-",
                    "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "-"))
            .source()
            .tables();
    decoder =
        new DebeziumDecoder(
            new KafkaSourceSettings(new Properties(), "experiments_", mapping, true));
    String live = "{'uid':'u','state':'live','created_at':'2026-01-01T00:00:00Z'}";
    // Without the time that every other row must have.
    String deleted = "{'uid':'u','state':'deleted'}";
    assertThat(ofUser("r", "null", deleted)).isEqualTo("ERASE u");
    assertThat(ofUser("c", "null", deleted)).isEqualTo("ERASE u");
    assertThat(ofUser("u", live, deleted)).isEqualTo("ERASE u");
    assertThat(ofUser("u", deleted, live)).isEqualTo("INSERT u");
    assertThat(ofUser("d", deleted, "null")).isEqualTo("DELETE u");
    assertThat(
            decode(
                    "experiments_users",
                    "{'uid':'u'}",
                    "{'before':" + deleted + ",'after':" + deleted + "," + SOURCE + ",'op':'u'}")
                .change())
        .isNull();
  }

  private String ofUser(String operation, String before, String after) {
    Change change =
        decode(
                "experiments_users",
                "{'uid':'u'}",
                "{'before':%s,'after':%s,%s,'op':'%s'}".formatted(before, after, SOURCE, operation))
            .change();
    return change.kind() + " " + ((UserRow) change.row()).userId();
  }
}
