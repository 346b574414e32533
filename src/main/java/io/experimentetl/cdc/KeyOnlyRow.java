package io.experimentetl.cdc;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/**
 * Recognises an old row in Debezium's JSON that holds only its key. Without REPLICA IDENTITY FULL
 * Debezium fills a column that is NOT NULL with its default, or with 0, "", false or 1970-01-01.
 * The topics do not flag such a row.
 */
final class KeyOnlyRow {
  /** Longer than any name of a column in PostgreSQL (63 bytes), so that it can be none. */
  private static final String MARK =
      "experiment_etl_mark_of_an_old_row_in_which_only_the_columns_of_the_key_were_sent";

  private KeyOnlyRow() {}

  /**
   * The old row, or, if all its other columns hold fill values, a row of its key alone.
   *
   * <p>A time of 1970 in every required column is enough: the other columns may hold the defaults
   * of the table, which the topics do not name.
   *
   * @param key the record's key: the columns of the table's primary key
   */
  static JsonNode of(TableBinding table, JsonNode key, JsonNode old) {
    Map<String, ColumnType> filled = new HashMap<>();
    for (SourceColumn<?> column : table.table().columns().all()) {
      ColumnBinding bound = column.isNullable() ? null : table.column(column);
      for (String name : bound == null ? Set.<String>of() : bound.origin().columns()) {
        if (!key.has(name) && old.has(name)) {
          filled.put(name, column.type());
        }
      }
    }
    boolean hasTime = filled.containsValue(ColumnType.TIMESTAMP);
    boolean isKeyOnly =
        !filled.isEmpty()
            && filled.entrySet().stream()
                .filter(column -> !hasTime || column.getValue() == ColumnType.TIMESTAMP)
                .allMatch(column -> isFill(column.getValue(), old.get(column.getKey())));
    if (!isKeyOnly) {
      return old;
    }
    ObjectNode row = JsonNodeFactory.instance.objectNode();
    key.fieldNames().forEachRemaining(name -> row.set(name, old.path(name)));
    return row.put(MARK, true);
  }

  /** Whether {@link #of} found only a key. */
  static boolean isMarked(JsonNode row) {
    return row.has(MARK);
  }

  private static boolean isFill(ColumnType type, JsonNode value) {
    // The type of a mapped column may be another than ours.
    if (value.isNull() || (value.isTextual() && value.textValue().isEmpty())) {
      return true;
    }
    return switch (type) {
      case NUMBER -> value.asDouble(1) == 0;
      case BIGINT, INT -> value.isNumber() && value.asLong() == 0;
      case BOOL -> value.isBoolean();
      case TIMESTAMP -> isEpoch(value);
      case EVENT_ID, TEXT, LABEL -> value.isTextual() && value.textValue().isEmpty();
      case JSON ->
          value.isTextual() && (value.textValue().isEmpty() || value.textValue().equals("{}"));
    };
  }

  private static boolean isEpoch(JsonNode time) {
    return time.isTextual()
        ? time.textValue().startsWith("1970-01-01T00:00:00")
        : time.isNumber() && time.asLong() == 0;
  }
}
