package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import io.experimentetl.postgres.pgoutput.Relation;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DriftedColumnsTest {
  /** The number of a column's type is its format's place in this list. */
  private static final List<ValueFormat> FORMATS = List.of(ValueFormat.values());

  private static final long SEEN_AT = 5;

  private final DriftedColumns columns = new DriftedColumns();
  private final ObjectMapper json = new ObjectMapper();

  /** Columns as PostgreSQL sends them, with some replaced, added or omitted. */
  private static TupleRowReader columns(
      SourceTable table, Map<String, ValueFormat> others, String... omitted) {
    Map<String, ValueFormat> formats = new LinkedHashMap<>();
    for (SourceColumn<?> column : table.columns().all()) {
      formats.put(column.name(), formatOf(column.type()));
    }
    formats.putAll(others);
    formats.keySet().removeAll(List.of(omitted));
    return new TupleRowReader(
        TableBinding.defaults(table, "public"),
        new Relation(
            1,
            "public",
            table.tableName(),
            formats.entrySet().stream()
                .map(
                    column ->
                        new Relation.Column(column.getKey(), FORMATS.indexOf(column.getValue())))
                .toList()),
        FORMATS::get);
  }

  private static ValueFormat formatOf(ColumnType type) {
    return switch (type) {
      case BIGINT, INT, NUMBER -> ValueFormat.INTEGER;
      case EVENT_ID -> ValueFormat.UUID;
      case TEXT, LABEL -> ValueFormat.TEXT;
      case JSON -> ValueFormat.JSONB;
      case BOOL -> ValueFormat.BOOL;
      case TIMESTAMP -> ValueFormat.TIMESTAMPTZ;
    };
  }

  private List<SchemaDrift> drifts(TupleRowReader reader) {
    return columns.of(reader, SEEN_AT);
  }

  @ParameterizedTest
  @EnumSource
  void tablesAsDeclaredHaveNotDrifted(SourceTable table) {
    assertThat(drifts(columns(table, Map.of()))).isEmpty();
  }

  @Test
  void missingColumnAndColumnOfAnotherTypeAreReportedOnce() {
    TupleRowReader drifted =
        columns(
            SourceTable.USERS,
            Map.of("user_id", ValueFormat.INTEGER, "created_at", ValueFormat.INTEGER),
            "email");
    assertThat(drifts(drifted))
        .extracting(SchemaDrift::reason)
        .containsExactly(
            "The column user_id of users is not a text.",
            "The column email of users is missing: it counts as NULL.",
            "The column created_at of users is not a timestamp.");
    assertThat(drifts(drifted)).isEmpty();
    assertThat(drifts(columns(SourceTable.USERS, Map.of(), "email", "name")))
        .extracting(SchemaDrift::column, SchemaDrift::seenAt)
        .containsExactly(org.assertj.core.groups.Tuple.tuple("name", SEEN_AT));
  }

  @Test
  void missingOptionalColumnAndUndeclaredColumnAreNoDrift() {
    TupleRowReader sent =
        columns(SourceTable.EVENTS, Map.of("note", ValueFormat.TEXT), "device_id");
    assertThat(drifts(sent)).isEmpty();
  }

  @Test
  void optionalColumnThatTheTableHadIsReportedOnceWhenItGoes() {
    assertThat(drifts(columns(SourceTable.EVENTS, Map.of()))).isEmpty();
    TupleRowReader without = columns(SourceTable.EVENTS, Map.of(), "device_id");
    assertThat(drifts(without))
        .extracting(SchemaDrift::reason)
        .containsExactly(
            "The column device_id of events is no longer there: it counts as NULL in the rows that are written from now on.");
    assertThat(drifts(without)).isEmpty();
  }

  @Test
  void optionalColumnOfAnotherTypeIsReported() {
    TupleRowReader sent = columns(SourceTable.EVENTS, Map.of("device_id", ValueFormat.BOOL));
    assertThat(drifts(sent))
        .extracting(SchemaDrift::reason)
        .containsExactly("The column device_id of events is not a text.");
  }

  @Test
  void eventIdMayBeTextOrInteger() {
    assertThat(drifts(columns(SourceTable.EVENTS, Map.of("id", ValueFormat.INTEGER)))).isEmpty();
  }

  @Test
  void dateIsNoInteger() {
    assertThat(drifts(columns(SourceTable.ASSIGNMENTS, Map.of("version", ValueFormat.OTHER))))
        .extracting(SchemaDrift::reason)
        .containsExactly(
            "The column version of assignments is not " + ColumnType.INT.inWords() + ".");
  }

  @Test
  void rowWithoutSchemaShowsTypesByItsValuesAndNullShowsNone() {
    ObjectNode row =
        json.createObjectNode()
            .put("id", "1")
            .put("experiment_id", 1)
            .put("key", 2)
            .put("name", "n")
            .putNull("description")
            .put("is_control", "f")
            .put("allocation_pct", 50)
            .put("created_at", 1)
            .putNull("updated_at")
            .put("extra", 1);
    assertThat(columns.of(TableBinding.defaults(SourceTable.VARIANTS, "public"), row, SEEN_AT))
        .extracting(SchemaDrift::column)
        .containsExactly("id", "key", "is_control", "config", "created_at");
    assertThat(columns.of(TableBinding.defaults(SourceTable.VARIANTS, "public"), row, SEEN_AT))
        .isEmpty();
  }
}
