package io.experimentetl.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;

/**
 * An answer of ClickHouse, as it was given.
 *
 * @param columns names, in order
 */
record Figures(List<String> columns, List<Row> rows) {

  /** One row of the answer, by column. */
  record Row(Map<String, JsonNode> values) {
    JsonNode get(String column) {
      JsonNode value = values.get(column);
      if (value == null) {
        throw new IllegalArgumentException("the answer has no column " + column);
      }
      return value;
    }

    boolean has(String column) {
      return values.containsKey(column);
    }

    /** Empty where the value is NULL. */
    String text(String column) {
      return get(column).isNull() ? "" : get(column).asText();
    }

    /** Null where the value is NULL, or no finite number. */
    Double number(String column) {
      JsonNode value = get(column);
      // Whether 64-bit integers and decimals come in quotes is a setting of the server.
      if (value.isTextual()) {
        try {
          double number = Double.parseDouble(value.textValue());
          return Double.isFinite(number) ? (Double) number : null;
        } catch (NumberFormatException e) {
          return null;
        }
      }
      return value.isNumber() ? (Double) value.doubleValue() : null;
    }

    boolean isTrue(String column) {
      return get(column).asBoolean();
    }
  }
}
