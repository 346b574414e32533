package io.experimentetl.cdc;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.experimentetl.model.Json;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.ToIntFunction;

/** Several columns as one JSON object, in the text that PostgreSQL prints of the same jsonb. */
final class MappedObject {
  private static final ObjectMapper JSON =
      JsonMapper.builder(Json.FACTORY.copy())
          .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
          .enable(DeserializationFeature.USE_BIG_INTEGER_FOR_INTS)
          .build();

  /** Shorter keys first, and those of one length by their bytes. */
  private static final Comparator<String> KEY_ORDER =
      Comparator.<String>comparingInt(key -> key.getBytes(StandardCharsets.UTF_8).length)
          .thenComparing(
              (a, b) ->
                  Arrays.compareUnsigned(
                      a.getBytes(StandardCharsets.UTF_8), b.getBytes(StandardCharsets.UTF_8)));

  private final List<String> members;
  private final int[] columns;

  MappedObject(List<String> members, ToIntFunction<String> sources) {
    this.members = members.stream().sorted(KEY_ORDER).toList();
    this.columns = this.members.stream().mapToInt(sources).toArray();
  }

  Object value(MappedColumn.SourceValues row) {
    StringBuilder object = new StringBuilder("{");
    for (int i = 0; i < columns.length; i++) {
      Object value = row.of(columns[i]);
      if (value == RowReader.UNSENT || value == RowReader.UNREADABLE) {
        return value;
      }
      object.append(i == 0 ? "" : ", ");
      quote(members.get(i), object);
      object.append(": ");
      try {
        append(value, row.format(columns[i]), object);
      } catch (IOException notJson) {
        return RowReader.UNREADABLE;
      }
    }
    return object.append('}').toString();
  }

  private static void append(Object value, ValueFormat format, StringBuilder to)
      throws IOException {
    if (value == null) {
      to.append("null");
    } else if (format == ValueFormat.JSONB) {
      to.append(value);
    } else if (format == ValueFormat.JSON) {
      append(JSON.readTree(value.toString()), to);
    } else if (value instanceof Boolean || value instanceof Long) {
      to.append(value);
    } else if ((value instanceof Double || format == ValueFormat.NUMERIC) && isFinite(value)) {
      to.append(new BigDecimal(MappedValue.text(value, format)).toPlainString());
    } else if (value instanceof JsonNode node) {
      append(node, to);
    } else {
      quote(MappedValue.text(value, format), to);
    }
  }

  private static boolean isFinite(Object value) {
    return value instanceof Double number
        ? Double.isFinite(number)
        : Character.isDigit(value.toString().charAt(value.toString().length() - 1));
  }

  private static void append(JsonNode node, StringBuilder to) {
    if (node.isObject()) {
      to.append('{');
      String separator = "";
      for (Map.Entry<String, JsonNode> member :
          node.properties().stream().sorted(Map.Entry.comparingByKey(KEY_ORDER)).toList()) {
        to.append(separator);
        quote(member.getKey(), to);
        to.append(": ");
        append(member.getValue(), to);
        separator = ", ";
      }
      to.append('}');
    } else if (node.isArray()) {
      to.append('[');
      for (int i = 0; i < node.size(); i++) {
        to.append(i == 0 ? "" : ", ");
        append(node.get(i), to);
      }
      to.append(']');
    } else if (node.isNumber()) {
      to.append(node.decimalValue().toPlainString());
    } else if (node.isTextual()) {
      quote(node.textValue(), to);
    } else {
      to.append(node.asText());
    }
  }

  private static void quote(String text, StringBuilder to) {
    to.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> to.append("\\\"");
        case '\\' -> to.append("\\\\");
        case '\b' -> to.append("\\b");
        case '\f' -> to.append("\\f");
        case '\n' -> to.append("\\n");
        case '\r' -> to.append("\\r");
        case '\t' -> to.append("\\t");
        default -> {
          if (c < ' ') {
            to.append("\\u%04x".formatted((int) c));
          } else {
            to.append(c);
          }
        }
      }
    }
    to.append('"');
  }
}
