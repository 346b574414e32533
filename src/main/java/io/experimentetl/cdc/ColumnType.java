package io.experimentetl.cdc;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.model.SourceTable;
import org.apache.kafka.connect.data.Schema;

/** What a column's values are to the product. A number's width is of no account. */
enum ColumnType {
  INTEGER("an integer"),
  TEXT("a text"),
  TRUTH("a boolean"),
  TIME("a timestamp");

  /** In words, with article. */
  final String noun;

  ColumnType(String noun) {
    this.noun = noun;
  }

  /** The type of one of {@link RowReader#columnNames}. */
  static ColumnType of(SourceTable table, String column) {
    return switch (column) {
      case "id" -> table == SourceTable.EVENTS ? TEXT : INTEGER;
      case "experiment_id", "variant_id", "version", "allocation_pct" -> INTEGER;
      case "is_control", "is_active" -> TRUTH;
      case "timestamp",
              "starts_at",
              "ends_at",
              "assigned_at",
              "enrolled_at",
              "assignment_at",
              "processed_at",
              "beat_at",
              "created_at",
              "updated_at" ->
          TIME;
      default -> TEXT;
    };
  }

  boolean fits(Schema schema) {
    return switch (this) {
      case INTEGER ->
          schema.name() == null
              && switch (schema.type()) {
                case INT16, INT32, INT64 -> true;
                default -> false;
              };
      case TEXT -> schema.type() == Schema.Type.STRING;
      case TRUTH -> schema.type() == Schema.Type.BOOLEAN;
      case TIME ->
          StructRowReader.unit(schema) != RowReader.Unit.AS_SENT
              || "io.debezium.time.ZonedTimestamp".equals(schema.name());
    };
  }

  /** NULL fits every type. */
  boolean fits(JsonNode value) {
    return value.isNull()
        || switch (this) {
          case INTEGER -> value.isNumber();
          case TEXT, TIME -> value.isTextual();
          case TRUTH -> value.isBoolean();
        };
  }
}
