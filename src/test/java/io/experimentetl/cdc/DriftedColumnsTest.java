package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.model.DriftedColumn;
import io.experimentetl.model.SourceTable;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DriftedColumnsTest {
  private final DriftedColumns columns = new DriftedColumns();
  private final ObjectMapper json = new ObjectMapper();

  /** A schema as Debezium makes it, but for the columns that are other, more, or omitted. */
  private static Schema schema(SourceTable table, Map<String, Schema> others, String... omitted) {
    SchemaBuilder schema = SchemaBuilder.struct();
    BiConsumer<String, ColumnType> add =
        (column, type) ->
            schema.field(
                column,
                others.getOrDefault(
                    column,
                    switch (type) {
                      case INTEGER -> Schema.OPTIONAL_INT32_SCHEMA;
                      case TEXT -> Schema.OPTIONAL_STRING_SCHEMA;
                      case TRUTH -> Schema.OPTIONAL_BOOLEAN_SCHEMA;
                      case TIME ->
                          SchemaBuilder.int64().optional().name(MicrosConverter.SCHEMA).build();
                    }));
    RowReader.COLUMNS
        .get(table)
        .forEach(
            (column, type) -> {
              if (!List.of(omitted).contains(column)) {
                add.accept(column, type);
              }
            });
    others.forEach(
        (column, other) -> {
          if (schema.field(column) == null) {
            schema.field(column, other);
          }
        });
    return schema.build();
  }

  @ParameterizedTest
  @EnumSource
  void theTablesAsTheyAreHaveNotDrifted(SourceTable table) {
    assertThat(columns.of(table, schema(table, Map.of()))).isEmpty();
  }

  @Test
  void aColumnThatIsUnknownMissingOrOfAnotherTypeIsToldOnce() {
    Schema drifted =
        schema(
            SourceTable.USERS,
            Map.of(
                "nickname",
                Schema.STRING_SCHEMA,
                "user_id",
                Schema.INT64_SCHEMA,
                "created_at",
                Schema.INT64_SCHEMA),
            "email");
    assertThat(columns.of(SourceTable.USERS, drifted))
        .extracting(DriftedColumn::reason)
        .containsExactly(
            "The column user_id of users is not a text.",
            "The column email of users is missing: it counts as NULL.",
            "The column created_at of users is not a timestamp.",
            "The column nickname of users is unknown to the product, which does not read it.");
    assertThat(columns.of(SourceTable.USERS, drifted)).isEmpty();
    assertThat(columns.of(SourceTable.USERS, schema(SourceTable.USERS, Map.of(), "email", "name")))
        .extracting(DriftedColumn::column)
        .containsExactly("name");
  }

  @Test
  void aDateInTheFormOfANumberIsNoInteger() {
    Schema date = SchemaBuilder.int32().name("io.debezium.time.Date").build();
    assertThat(
            columns.of(
                SourceTable.VARIANTS, schema(SourceTable.VARIANTS, Map.of("allocation_pct", date))))
        .extracting(DriftedColumn::reason)
        .containsExactly("The column allocation_pct of variants is not an integer.");
  }

  @Test
  void ofARowWithoutSchemaTheValuesTellTheTypeAndNullTellsNone() {
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
    assertThat(columns.of(SourceTable.VARIANTS, row))
        .extracting(DriftedColumn::column)
        .containsExactly("id", "key", "is_control", "config", "created_at", "extra");
    assertThat(columns.of(SourceTable.VARIANTS, row)).isEmpty();
  }

  @Test
  void ofATopicThatInventsColumnsNoMoreAreToldThanATableCanHave() {
    ObjectNode row = json.createObjectNode().put("writer", "w").putNull("beat_at");
    for (int i = 0; i <= DriftedColumns.MOST; i++) {
      row.put("c" + i, i);
    }
    assertThat(columns.of(SourceTable.ETL_HEARTBEAT, row)).hasSize(DriftedColumns.MOST);
  }

  @Test
  void aNameIsCutAndHalfOfASurrogatePairReplaced() {
    ObjectNode row = json.createObjectNode().put("writer", "w").putNull("beat_at");
    row.put("x".repeat(62) + "\ud83d\ude00", 1);
    assertThat(columns.of(SourceTable.ETL_HEARTBEAT, row))
        .extracting(DriftedColumn::column)
        .containsExactly("x".repeat(62) + "?");
  }
}
