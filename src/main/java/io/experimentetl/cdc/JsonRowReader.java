package io.experimentetl.cdc;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.clickhouse.RowBinaryWriter;
import io.experimentetl.model.SourceTable;

/**
 * Rows as Debezium's JSON without schemas: times are ISO texts, all but numbers and truths text.
 */
final class JsonRowReader extends RowReader<JsonNode> {
  private final String[] names;

  JsonRowReader(SourceTable table) {
    super(table);
    names = columnNames(table);
  }

  @Override
  Object sent(JsonNode row, int index) {
    JsonNode value = row.path(names[index]);
    return switch (value.getNodeType()) {
      case MISSING, NULL -> null;
      // Half of a surrogate pair, which JSON can name, is no text.
      case STRING ->
          RowBinaryWriter.fitsString(value.textValue()) ? (Object) value.textValue() : value;
      case BOOLEAN -> value.booleanValue();
      case NUMBER ->
          value.canConvertToExactIntegral() && value.canConvertToLong()
              ? (Object) value.longValue()
              : value;
      default -> value;
    };
  }

  @Override
  boolean has(JsonNode row, int index) {
    return row.has(names[index]);
  }

  /** Without a schema nothing says what a number counts: a time that is a number is refused. */
  @Override
  Unit unit(int index) {
    return Unit.AS_SENT;
  }
}
