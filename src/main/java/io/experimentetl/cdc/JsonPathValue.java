package io.experimentetl.cdc;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.experimentetl.model.Json;
import java.io.IOException;
import java.util.List;

/** Reads a value inside a JSON text, as PostgreSQL's operators {@code #>>} and {@code #>} do. */
final class JsonPathValue {
  private JsonPathValue() {}

  /**
   * The value at the path: null where the path leads nowhere, {@link RowReader#UNREADABLE} where
   * the text is not JSON.
   *
   * @param asJson the value as it stands in the text; else a string is its characters, and JSON's
   *     null is null
   */
  static Object of(String json, List<String> path, boolean asJson) {
    try (JsonParser parser = Json.FACTORY.createParser(json)) {
      JsonToken token = parser.nextToken();
      for (String key : path) {
        token = inside(parser, token, key);
        if (token == null) {
          return null;
        }
      }
      return value(parser, json, token, asJson);
    } catch (IOException notJson) {
      return RowReader.UNREADABLE;
    }
  }

  /** Enters the value of the key; null: there is none. */
  private static JsonToken inside(JsonParser parser, JsonToken token, String key)
      throws IOException {
    if (token == JsonToken.START_OBJECT) {
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        boolean isIt = parser.currentName().equals(key);
        JsonToken value = parser.nextToken();
        if (isIt) {
          return value;
        }
        parser.skipChildren();
      }
    } else if (token == JsonToken.START_ARRAY && key.matches("\\d{1,9}")) {
      int index = Integer.parseInt(key);
      for (JsonToken element = parser.nextToken();
          element != JsonToken.END_ARRAY;
          element = parser.nextToken()) {
        if (index-- == 0) {
          return element;
        }
        parser.skipChildren();
      }
    }
    return null;
  }

  private static String value(JsonParser parser, String json, JsonToken token, boolean asJson)
      throws IOException {
    if (token == null || (token == JsonToken.VALUE_NULL && !asJson)) {
      return null;
    }
    if (token == JsonToken.VALUE_STRING && !asJson) {
      return parser.getText();
    }
    int from = (int) parser.currentTokenLocation().getCharOffset();
    if (token.isStructStart()) {
      parser.skipChildren();
    } else {
      parser.finishToken();
    }
    return json.substring(from, (int) parser.currentLocation().getCharOffset());
  }
}
