package io.experimentetl.cdc;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;

/**
 * Reads rows of Debezium's JSON without schemas: a timestamp is an ISO text; numbers and booleans
 * are JSON's; everything else is a text.
 */
final class JsonRowReader extends RowReader<JsonNode> {

  /** What Debezium writes in place of a large value that an update did not change. */
  private static final String PLACEHOLDER = "__debezium_unavailable_value";

  JsonRowReader(SourceTable table) {
    super(table);
  }

  @Override
  Object sent(JsonNode row, SourceColumn<?> column) {
    JsonNode value = row.path(column.name());
    return switch (value.getNodeType()) {
      case MISSING -> KeyOnlyRow.isMarked(row) ? UNSENT : null;
      case NULL -> null;
      // JSON can hold half of a surrogate pair, which is no text.
      case STRING ->
          NativeWriter.fitsString(value.textValue()) ? (Object) value.textValue() : value;
      case BOOLEAN -> value.booleanValue();
      case NUMBER ->
          value.canConvertToExactIntegral() && value.canConvertToLong()
              ? (Object) value.longValue()
              : value;
      default -> value;
    };
  }

  /**
   * The topics have no flag for a value that was not sent, only Debezium's placeholder, which is
   * also a possible text. It counts as written where the old value is absent, NULL or equal;
   * otherwise the old value stands.
   */
  @Override
  Object sent(JsonNode row, JsonNode before, SourceColumn<?> column) {
    Object value = sent(row, column);
    if (before != null && PLACEHOLDER.equals(value)) {
      Object old = sent(before, column);
      return old == null || old == UNSENT ? value : old;
    }
    return value;
  }

  @Override
  boolean has(JsonNode row, SourceColumn<?> column) {
    return row.has(column.name());
  }

  /** Without a schema the unit of a number is not known: a time that is a number is refused. */
  @Override
  Unit unit(SourceColumn<?> column) {
    return Unit.NONE;
  }
}
