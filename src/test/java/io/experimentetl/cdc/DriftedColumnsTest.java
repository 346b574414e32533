package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DriftedColumnsTest {
  private static final long SEEN_AT = 5;

  private final DriftedColumns columns = new DriftedColumns();
  private final ObjectMapper json = new ObjectMapper();

  /** A schema as Debezium builds it, with some columns replaced, added or omitted. */
  private static Schema schema(SourceTable table, Map<String, Schema> others, String... omitted) {
    SchemaBuilder schema = SchemaBuilder.struct();
    for (SourceColumn<?> column : table.columns().all()) {
      if (!List.of(omitted).contains(column.name())) {
        schema.field(column.name(), others.getOrDefault(column.name(), schemaOf(column.type())));
      }
    }
    others.forEach(
        (column, other) -> {
          if (schema.field(column) == null) {
            schema.field(column, other);
          }
        });
    return schema.build();
  }

  private static Schema schemaOf(ColumnType type) {
    return switch (type) {
      case BIGINT, INT, NUMBER -> Schema.OPTIONAL_INT32_SCHEMA;
      case EVENT_ID, TEXT, LABEL, JSON -> Schema.OPTIONAL_STRING_SCHEMA;
      case BOOL -> Schema.OPTIONAL_BOOLEAN_SCHEMA;
      case TIMESTAMP -> SchemaBuilder.int64().optional().name(MicrosConverter.SCHEMA).build();
    };
  }

  private List<SchemaDrift> drifts(SourceTable table, Schema schema) {
    return columns.of(TableBinding.defaults(table, "public"), schema, SEEN_AT);
  }

  @ParameterizedTest
  @EnumSource
  void tablesAsDeclaredHaveNotDrifted(SourceTable table) {
    assertThat(drifts(table, schema(table, Map.of()))).isEmpty();
  }

  @Test
  void missingColumnAndColumnOfAnotherTypeAreReportedOnce() {
    Schema drifted =
        schema(
            SourceTable.USERS,
            Map.of("user_id", Schema.INT64_SCHEMA, "created_at", Schema.INT64_SCHEMA),
            "email");
    assertThat(drifts(SourceTable.USERS, drifted))
        .extracting(SchemaDrift::reason)
        .containsExactly(
            "The column user_id of users is not a text.",
            "The column email of users is missing: it counts as NULL.",
            "The column created_at of users is not a timestamp.");
    assertThat(drifts(SourceTable.USERS, drifted)).isEmpty();
    assertThat(drifts(SourceTable.USERS, schema(SourceTable.USERS, Map.of(), "email", "name")))
        .extracting(SchemaDrift::column, SchemaDrift::seenAt)
        .containsExactly(org.assertj.core.groups.Tuple.tuple("name", SEEN_AT));
  }

  @Test
  void missingOptionalColumnAndUndeclaredColumnAreNoDrift() {
    Schema schema =
        schema(SourceTable.EVENTS, Map.of("note", Schema.OPTIONAL_STRING_SCHEMA), "device_id");
    assertThat(drifts(SourceTable.EVENTS, schema)).isEmpty();
  }

  @Test
  void optionalColumnOfAnotherTypeIsReported() {
    Schema schema = schema(SourceTable.EVENTS, Map.of("device_id", Schema.OPTIONAL_BOOLEAN_SCHEMA));
    assertThat(drifts(SourceTable.EVENTS, schema))
        .extracting(SchemaDrift::reason)
        .containsExactly("The column device_id of events is not a text.");
  }

  @Test
  void eventIdMayBeTextOrInteger() {
    assertThat(
            drifts(
                SourceTable.EVENTS, schema(SourceTable.EVENTS, Map.of("id", Schema.INT64_SCHEMA))))
        .isEmpty();
  }

  @Test
  void dateSentAsNumberIsNoInteger() {
    Schema date = SchemaBuilder.int32().name("io.debezium.time.Date").build();
    assertThat(
            drifts(
                SourceTable.VARIANTS, schema(SourceTable.VARIANTS, Map.of("allocation_pct", date))))
        .extracting(SchemaDrift::reason)
        .containsExactly("The column allocation_pct of variants is not a number.");
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
