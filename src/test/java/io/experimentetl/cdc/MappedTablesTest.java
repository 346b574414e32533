package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.JobConfig;
import io.experimentetl.mapping.EntityNumber;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;
import io.experimentetl.postgres.pgoutput.PgOutputMessages;
import io.experimentetl.postgres.pgoutput.Relation;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import org.apache.flink.types.Either;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Rows of tables that {@code source.tables} binds, as the stream and Debezium's topics send them.
 */
class MappedTablesTest {
  private static final int TABLE = 700;

  /** By the number that stands for the type. */
  private static final List<ValueFormat> FORMATS = List.of(ValueFormat.values());

  private static final long NOON = 1_795_176_000_000_000L;

  @TempDir Path folder;

  private final List<Either<ReaderNotice, Change>> output = new ArrayList<>();
  private StreamDecoder decoder;
  private Map<String, ValueFormat> columns;

  private SourceMapping mapping(String tables) {
    Path file = folder.resolve("etl.yaml");
    try {
      Files.writeString(file, "source:\n  tables:\n" + tables.indent(4));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
    return JobConfig.load(
            file,
            Map.of(
                "EXPERIMENT_ETL_SOURCE_PASSWORD", "p", "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "p"))
        .source()
        .tables();
  }

  /** A stream of one table. Columns are written {@code name FORMAT, …}. */
  private void stream(String schema, String table, String written, String tables) {
    columns = new LinkedHashMap<>();
    for (String column : written.split(", ", -1)) {
      String[] parts = column.split(" ", -1);
      columns.put(parts[0], ValueFormat.valueOf(parts[1]));
    }
    decoder = new StreamDecoder(mapping(tables), FORMATS::get, output::add);
    decoder.startStream(false);
    decoder.decode(
        PgOutputMessages.relation(
            new Relation(
                TABLE,
                schema,
                table,
                columns.entrySet().stream()
                    .map(
                        column ->
                            new Relation.Column(
                                column.getKey(), FORMATS.indexOf(column.getValue())))
                    .toList())),
        1);
    decoder.decode(PgOutputMessages.begin(1000, 5, 77), 10);
  }

  private SourceRow inserted(Object... values) {
    output.clear();
    decoder.decode(PgOutputMessages.insert(TABLE, Arrays.asList(values)), 20);
    return changes().get(0).after();
  }

  private List<Change> updated(List<Object> old, Object... values) {
    output.clear();
    decoder.decode(PgOutputMessages.update(TABLE, 'O', old, Arrays.asList(values)), 30);
    return changes();
  }

  private List<Change> changes() {
    return output.stream().filter(Either::isRight).map(Either::right).toList();
  }

  @Test
  void otherNamesOtherSchemaAndRenamedValues() {
    stream(
        "A/B",
        "Test's",
        "Nr INTEGER, Slug TEXT, state TEXT, begin TIMESTAMPTZ, extra TEXT",
        """
        experiments:
          table: '"A/B"."Test''s"'
          columns: {id: Nr, key: Slug, status: state, starts_at: begin}
          values: {status: {RUNNING: ACTIVE}}
        """);
    assertThat(inserted("7", "checkout", "RUNNING", "2026-11-20 12:00:00+00", "x"))
        .isEqualTo(
            new ExperimentRow(
                7, "checkout", "checkout", null, "ACTIVE", null, 1, null, NOON, null, 0, 0));
    assertThat(((ExperimentRow) inserted("8", "k", "odd", null, null)).status()).isEqualTo("odd");
    assertThat(output.stream().filter(Either::isLeft)).isEmpty();
  }

  /** A condition {@code deleted_at: null} would be met by every row. */
  @Test
  void rowsWithoutTheFiltersColumnAreNeitherReadNorDropped() {
    stream(
        "public",
        "log",
        "id INTEGER, timestamp TIMESTAMPTZ, experiment_id INTEGER, user_id TEXT, event_type TEXT, state TEXT",
        "events: {table: log, where: {deleted_at: null, state: [paid]}}");
    UnreadableRow row =
        (UnreadableRow) inserted("1", "2026-11-20 12:00:00+00", "5", "u", "buy", "paid");
    assertThat(row.code()).isEqualTo(FindingCode.S_NULL_REQUIRED);
    assertThat(row.reason())
        .isEqualTo(
            "The table public.log has no column deleted_at, by which source.tables.events selects rows: correct it there, redeploy, and replay the row.");
    output.clear();
    decoder.decode(
        PgOutputMessages.insert(
            TABLE, Arrays.asList("2", "2026-11-20 12:00:00+00", "5", "u", "buy", "open")),
        25);
    assertThat(changes()).isEmpty();
    output.clear();
    stream(
        "public",
        "log",
        "id INTEGER, timestamp TIMESTAMPTZ, experiment_id INTEGER, user_id TEXT, event_type TEXT",
        "events: {table: log, where: {deleted_at: null}}");
    inserted("1", "2026-11-20 12:00:00+00", "5", "u", "buy");
    assertThat(
            output.stream()
                .filter(Either::isLeft)
                .map(notice -> notice.left().drift())
                .filter(drift -> drift != null)
                .map(SchemaDrift::reason))
        .containsExactly(
            "The column deleted_at of public.log is not there, and source.tables.events selects rows by it: no row can be judged.");
  }

  @Test
  void epochsLocalTimesAndDates() {
    stream(
        "public",
        "experiments",
        "id INTEGER, key TEXT, s INTEGER, e DATE, c INTEGER, u TIMESTAMP",
        """
        experiments:
          columns:
            starts_at: {column: s, unit: s}
            ends_at: {column: e, zone: America/New_York}
            created_at: {column: c, unit: ms}
            updated_at: {column: u, zone: Europe/Berlin}
        """);
    ExperimentRow row =
        (ExperimentRow)
            inserted("1", "k", "1795176000", "2026-11-20", "1795176000123", "2026-11-20 13:00:00");
    assertThat(row.startsAt()).isEqualTo(NOON);
    assertThat(row.endsAt()).isEqualTo(NOON - 7 * 3_600_000_000L);
    assertThat(row.createdAt()).isEqualTo(NOON + 123_000);
    assertThat(row.updatedAt()).isEqualTo(NOON);
    // A fraction of a microsecond is cut off towards the past, also before 1970.
    stream(
        "public",
        "assignments",
        "id INTEGER, experiment_id INTEGER, user_id TEXT, variant_id INTEGER, at NUMERIC",
        "assignments: {columns: {assigned_at: {column: at, unit: s}}}");
    assertThat(((AssignmentRow) inserted("1", "2", "u", "3", "-0.0000001")).assignedAt())
        .isEqualTo(-1);
    assertThat(((AssignmentRow) inserted("1", "2", "u", "3", "1795176000.000001")).createdAt())
        .isEqualTo(NOON + 1);
    assertThat(((UnreadableRow) inserted("1", "2", "u", "3", "NaN")).code())
        .isEqualTo(FindingCode.S_UNPARSEABLE);
  }

  @Test
  void valuesFromJsonConstantsAndSeveralColumns() {
    stream(
        "public",
        "raw",
        "id UUID, payload JSONB, kind TEXT, nr INTEGER, amount NUMERIC, ok BOOL, extra JSON, at TIMESTAMPTZ",
        """
        events:
          table: raw
          columns:
            timestamp: payload.at
            experiment_id: payload.tests.1.id
            user_id: [{constant: User}, kind, nr]
            event_type: {constant: purchase}
            session_id: payload.session
          properties: [nr, ok, kind, amount, extra, at]
        """);
    EventRow row =
        (EventRow)
            inserted(
                "00000000-0000-0000-0000-00000000000a",
                "{\"at\": \"2026-11-20T13:00:00+01:00\", \"tests\": [{\"id\": 5}, {\"id\": 6}], \"session\": {\"a\": 1}}",
                "a:b\\c",
                "42",
                "1.50",
                "t",
                "{\"zz\":1e2, \"b\":[true ,null]}",
                "2026-11-20 12:00:00.5+00");
    assertThat(row.occurredAt()).isEqualTo(NOON);
    assertThat(row.experimentId()).isEqualTo(6);
    assertThat(row.userId()).isEqualTo("User:a\\:b\\\\c:42");
    assertThat(row.eventType()).isEqualTo("purchase");
    assertThat(row.sessionId()).isEqualTo("{\"a\": 1}");
    assertThat(row.properties())
        .isEqualTo(
            "{\"at\": \"2026-11-20T12:00:00.500000Z\", \"nr\": 42, \"ok\": true, \"kind\": \"a:b\\\\c\", \"extra\": {\"b\": [true, null], \"zz\": 100}, \"amount\": 1.50}");
    UnreadableRow missing =
        (UnreadableRow)
            inserted(
                "00000000-0000-0000-0000-00000000000a", "{}", "k", "1", null, null, null, null);
    assertThat(missing.code()).isEqualTo(FindingCode.S_NULL_REQUIRED);
    assertThat(missing.column()).isEqualTo("payload");
    assertThat(missing.reason()).isEqualTo("The column payload is NULL.");
  }

  @Test
  void booleansAsTextsAndWeightsAsFloats() {
    stream(
        "public",
        "arms",
        "id INTEGER, experiment_id INTEGER, key TEXT, weight FLOAT, holdout TEXT",
        "variants: {table: arms, columns: {allocation_pct: weight, is_control: holdout}}");
    VariantRow row = (VariantRow) inserted("1", "2", "b", "0.125", "yes");
    assertThat(row.control()).isTrue();
    assertThat(row.allocation()).isEqualTo(0.125);
    assertThat(row.name()).isEqualTo("b");
    assertThat(((VariantRow) inserted("1", "2", "b", "3", "OFF")).control()).isFalse();
    assertThat(((UnreadableRow) inserted("1", "2", "b", "3", "maybe")).reason())
        .isEqualTo("The column holdout is not a boolean.");
    stream(
        "public",
        "arms",
        "id INTEGER, experiment_id INTEGER, key TEXT, weight FLOAT",
        "variants: {table: arms, columns: {allocation_pct: weight}, control: {key: [control, 'off']}}");
    assertThat(((VariantRow) inserted("1", "2", "off", "1")).control()).isTrue();
    assertThat(((VariantRow) inserted("1", "2", "b", "1")).control()).isFalse();
  }

  @Test
  void idsOfAnyType() {
    String tables = "assignments: {}";
    for (Map.Entry<ValueFormat, String> id :
        Map.of(
                ValueFormat.UUID, "00000000-0000-0000-0000-00000000000a",
                ValueFormat.TEXT, "asg-7",
                ValueFormat.NUMERIC, "18446744073709551616")
            .entrySet()) {
      stream(
          "public",
          "assignments",
          "id %1$s, experiment_id %1$s, user_id UUID, variant_id INTEGER, assigned_at TIMESTAMPTZ"
              .formatted(id.getKey()),
          tables);
      AssignmentRow row =
          (AssignmentRow)
              inserted(
                  id.getValue(),
                  id.getValue(),
                  "00000000-0000-0000-0000-00000000000b",
                  "3",
                  "2026-11-20 12:00:00+00");
      assertThat(row.id()).isEqualTo(EntityNumber.of(SourceTable.ASSIGNMENTS, id.getValue()));
      assertThat(row.experimentId())
          .isEqualTo(EntityNumber.of(SourceTable.EXPERIMENTS, id.getValue()));
      assertThat(row.userId()).isEqualTo("00000000-0000-0000-0000-00000000000b");
    }
    stream(
        "public",
        "assignments",
        "id NUMERIC, experiment_id TEXT, user_id INTEGER, variant_id INTEGER, assigned_at TIMESTAMPTZ",
        tables);
    AssignmentRow row = (AssignmentRow) inserted("42.00", "7", "5", "3", "2026-11-20 12:00:00+00");
    assertThat(row.id()).isEqualTo(42);
    assertThat(row.experimentId()).isEqualTo(7);
    assertThat(row.userId()).isEqualTo("5");
    assertThat(inserted("42.5", "7", "5", "3", "2026-11-20 12:00:00+00"))
        .isInstanceOf(UnreadableRow.class);
  }

  @Test
  void filterIsJudgedBeforeRequiredColumnsAndOnBothSidesOfAnUpdate() {
    stream(
        "public",
        "people",
        "user_id TEXT, state TEXT, gone TIMESTAMPTZ",
        "users: {table: people, where: {state: [active, trial], gone: null}}");
    List<Object> active = Arrays.asList("u", "active", null);
    List<Object> closed = Arrays.asList("u", "closed", null);
    assertThat(inserted("u", "trial", null)).isInstanceOf(UserRow.class);
    output.clear();
    decoder.decode(PgOutputMessages.insert(TABLE, Arrays.asList(null, "closed", null)), 20);
    assertThat(changes()).isEmpty();
    assertThat(updated(active, "u", "trial", null))
        .extracting(Change::kind)
        .containsExactly(ChangeKind.UPDATE);
    List<Change> stopped = updated(active, "u", "closed", null);
    assertThat(stopped).extracting(Change::kind).containsExactly(ChangeKind.DELETE);
    assertThat(((UserRow) stopped.get(0).before()).userId()).isEqualTo("u");
    assertThat(stopped.get(0).after()).isNull();
    assertThat(updated(active, "u", "active", "2026-11-20 12:00:00+00"))
        .extracting(Change::kind)
        .containsExactly(ChangeKind.DELETE);
    List<Change> began = updated(closed, "u", "active", null);
    assertThat(began).extracting(Change::kind).containsExactly(ChangeKind.INSERT);
    assertThat(began.get(0).before()).isNull();
    assertThat(updated(closed, "u", "closed", null)).isEmpty();
    output.clear();
    decoder.decode(PgOutputMessages.delete(TABLE, 'O', closed), 40);
    assertThat(changes()).isEmpty();
    decoder.decode(PgOutputMessages.delete(TABLE, 'O', active), 41);
    assertThat(changes()).extracting(Change::kind).containsExactly(ChangeKind.DELETE);
  }

  @Test
  void oneTableInSeveralEntries() {
    stream(
        "public",
        "log",
        "id INTEGER, at TIMESTAMPTZ, test INTEGER, who TEXT, what TEXT",
        """
        exposures: {table: log, columns: {timestamp: at, experiment_id: test, user_id: who}, where: {what: view}}
        events: {table: log, columns: {timestamp: at, experiment_id: test, user_id: who, event_type: what}}
        """);
    inserted("5", "2026-11-20 12:00:00+00", "9", "u", "view");
    assertThat(changes())
        .extracting(change -> ((EventRow) change.after()).eventType())
        .containsExactly("exposure", "view");
    assertThat(changes())
        .extracting(change -> ((EventRow) change.after()).id())
        .containsExactly(EventId.ofEntry("exposures", "5"), EventId.of("5"));
    assertThat(changes())
        .extracting(change -> change.position().indexAtLsn())
        .containsExactly(0, 1);
    inserted("6", "2026-11-20 12:00:00+00", "9", "u", "buy");
    assertThat(changes()).hasSize(1);
  }

  @Test
  void referencesByKeyHaveTheNumbersOfTheRowsThatTheyName() {
    String tables =
        """
        experiments: {columns: {key: slug}}
        variants: {columns: {experiment_id: {key: test}}}
        assignments: {columns: {experiment_id: {key: test}, variant_id: {key: arm}}}
        events: none
        """;
    stream("public", "experiments", "id UUID, slug TEXT, status TEXT", tables);
    ExperimentRow experiment =
        (ExperimentRow) inserted("00000000-0000-0000-0000-00000000000a", "checkout", "ACTIVE");
    stream(
        "public",
        "variants",
        "id INTEGER, test TEXT, key TEXT, allocation_pct INTEGER, is_control BOOL",
        tables);
    VariantRow variant = (VariantRow) inserted("3", "checkout", "b", "50", "f");
    stream(
        "public",
        "assignments",
        "id INTEGER, test TEXT, arm TEXT, user_id TEXT, assigned_at TIMESTAMPTZ",
        tables);
    AssignmentRow assignment =
        (AssignmentRow) inserted("1", "checkout", "b", "u", "2026-11-20 12:00:00+00");
    assertThat(experiment.id()).isEqualTo(EntityNumber.of(SourceTable.EXPERIMENTS, "checkout"));
    assertThat(variant.experimentId()).isEqualTo(experiment.id());
    assertThat(assignment.experimentId()).isEqualTo(experiment.id());
    assertThat(assignment.variantId()).isEqualTo(variant.id()).isNotEqualTo(3);
    assertThat(
            ((AssignmentRow) inserted("1", "other", "b", "u", "2026-11-20 12:00:00+00"))
                .variantId())
        .isNotEqualTo(variant.id());
  }

  private List<SchemaDrift> drifts() {
    return output.stream()
        .filter(each -> each.isLeft() && each.left().drift() != null)
        .map(each -> each.left().drift())
        .toList();
  }

  @Test
  void messageNamesTheSourcesOwnTableAndColumn() {
    stream(
        "crm",
        "people",
        "uid TEXT",
        "users: {table: crm.people, columns: {user_id: uid, email: mail}}");
    assertThat(drifts()).isEmpty();
    inserted("u");
    assertThat(drifts())
        .extracting(SchemaDrift::reason)
        .containsExactly("The column mail of crm.people is missing: it counts as NULL.");
    assertThat(((UnreadableRow) inserted((Object) null)).reason())
        .isEqualTo("The column uid is NULL.");
  }

  private Change topic(DebeziumDecoder topics, String topic, String envelope) {
    String source =
        ",\"source\":{\"connector\":\"postgresql\",\"ts_ms\":1700000000123,\"txId\":7,\"lsn\":500,\"sequence\":\"[\\\"400\\\",\\\"500\\\"]\"}}";
    return topics
        .decode(
            new ConsumerRecord<>(
                topic,
                0,
                1,
                0,
                TimestampType.CREATE_TIME,
                0,
                0,
                "{\"nr\":1}".getBytes(StandardCharsets.UTF_8),
                (envelope.replace('\'', '"') + source).getBytes(StandardCharsets.UTF_8),
                new RecordHeaders(),
                Optional.empty()))
        .change();
  }

  @Test
  void topicsAreReadThroughTheMapping() {
    DebeziumDecoder topics =
        new DebeziumDecoder(
            new KafkaSourceSettings(
                new Properties(),
                "t_",
                mapping(
                    """
                    assignments:
                      table: ab.joins
                      columns: {id: nr, experiment_id: p.test, user_id: [kind, who], variant_id: arm, assigned_at: {column: at, unit: ms}}
                      where: {on: true}
                    """),
                false));
    String row =
        "{'nr':'x1','p':'{\\'test\\': 9}','kind':'A','who':5,'arm':3,'at':1795176000001,'on':%s}";
    String on = row.formatted("true");
    String off = row.formatted("false");
    Change inserted = topic(topics, "t_joins", "{'op':'c','before':null,'after':" + on);
    AssignmentRow assignment = (AssignmentRow) inserted.after();
    assertThat(assignment.id()).isEqualTo(EntityNumber.of(SourceTable.ASSIGNMENTS, "x1"));
    assertThat(assignment.experimentId()).isEqualTo(9);
    assertThat(assignment.userId()).isEqualTo("A:5");
    assertThat(assignment.assignedAt()).isEqualTo(NOON + 1000);
    assertThat(topic(topics, "t_joins", "{'op':'c','before':null,'after':" + off)).isNull();
    assertThat(topic(topics, "t_joins", "{'op':'u','before':" + on + ",'after':" + off).kind())
        .isEqualTo(ChangeKind.DELETE);
    assertThat(topic(topics, "t_joins", "{'op':'u','before':" + off + ",'after':" + on).kind())
        .isEqualTo(ChangeKind.INSERT);
    assertThat(topic(topics, "t_joins", "{'op':'d','before':" + off + ",'after':null")).isNull();
  }
}
