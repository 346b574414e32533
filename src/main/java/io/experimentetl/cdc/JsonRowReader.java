package io.experimentetl.cdc;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.postgres.pgoutput.ValueFormat;

/**
 * Reads rows of Debezium's JSON without schemas: a timestamp is an ISO text; numbers and booleans
 * are JSON's; everything else is a text.
 */
final class JsonRowReader extends RowReader<JsonNode> {

  /** What Debezium writes in place of a large value that an update did not change. */
  private static final String PLACEHOLDER = "__debezium_unavailable_value";

  JsonRowReader(TableBinding binding) {
    super(binding);
    bind();
  }

  private Object sent(JsonNode row, int source) {
    JsonNode value = row.path(sources().get(source));
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
  Object sent(JsonNode row, JsonNode before, int source) {
    Object value = sent(row, source);
    if (before != null && PLACEHOLDER.equals(value)) {
      Object old = sent(before, source);
      return old == null || old == UNSENT ? value : old;
    }
    return value;
  }

  @Override
  boolean has(JsonNode row, int source) {
    return row.has(sources().get(source)) || KeyOnlyRow.isMarked(row);
  }

  /** Only a row shows which columns the table has. */
  @Override
  boolean isAbsent(int source) {
    return false;
  }

  /** The topics do not name the types of columns. */
  @Override
  ValueFormat format(int source) {
    return null;
  }

  /** Without a schema the unit of a number is not known: a time that is a number is refused. */
  @Override
  Unit unit(int source) {
    return Unit.NONE;
  }
}
