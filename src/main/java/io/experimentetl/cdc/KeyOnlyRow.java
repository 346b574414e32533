package io.experimentetl.cdc;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.List;

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
  static JsonNode of(SourceTable table, JsonNode key, JsonNode old) {
    List<SourceColumn<?>> filled = new ArrayList<>();
    for (SourceColumn<?> column : table.columns().all()) {
      if (!column.isNullable() && !key.has(column.name()) && old.has(column.name())) {
        filled.add(column);
      }
    }
    boolean hasTime = filled.stream().anyMatch(column -> column.type() == ColumnType.TIMESTAMP);
    boolean isKeyOnly =
        !filled.isEmpty()
            && filled.stream()
                .filter(column -> !hasTime || column.type() == ColumnType.TIMESTAMP)
                .allMatch(column -> isFill(column.type(), old.get(column.name())));
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
    if (value.isNull()) {
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
