package io.experimentetl.cdc;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.experimentetl.model.Json;
import java.io.IOException;
import java.util.List;

/** Reads a value inside a JSON text, as PostgreSQL's operators {@code #>>} and {@code #>} do. */
final class JsonPathValue {
  private final JsonParser parser;
  private final String json;
  private final List<String> path;
  private final boolean asJson;
  private final boolean keysAreUnique;
  private boolean isFound;
  private String found;

  private JsonPathValue(
      JsonParser parser, String json, List<String> path, boolean asJson, boolean keysAreUnique) {
    this.parser = parser;
    this.json = json;
    this.path = path;
    this.asJson = asJson;
    this.keysAreUnique = keysAreUnique;
  }

  /**
   * The value at the path: null where the path leads nowhere, {@link RowReader#UNREADABLE} where
   * the text is not JSON.
   *
   * @param asJson the value as it stands in the text; else a string is its characters, and JSON's
   *     null is null
   * @param keysAreUnique whether no object has a key twice, as in jsonb; else the last one counts
   */
  static Object of(String json, List<String> path, boolean asJson, boolean keysAreUnique) {
    try (JsonParser parser = Json.FACTORY.createParser(json)) {
      JsonPathValue reader = new JsonPathValue(parser, json, path, asJson, keysAreUnique);
      reader.read(parser.nextToken(), 0);
      if (!reader.isDone() && parser.nextToken() != null) {
        return RowReader.UNREADABLE;
      }
      return reader.found;
    } catch (IOException notJson) {
      return RowReader.UNREADABLE;
    }
  }

  private boolean isDone() {
    return isFound && keysAreUnique;
  }

  /** Reads a value; behind it, unless it is done, the parser is at its end. */
  private void read(JsonToken token, int depth) throws IOException {
    if (depth == path.size()) {
      found = value(token);
      isFound = true;
    } else if (token == JsonToken.START_OBJECT) {
      while (!isDone() && parser.nextToken() == JsonToken.FIELD_NAME) {
        boolean isIt = parser.currentName().equals(path.get(depth));
        JsonToken member = parser.nextToken();
        if (isIt) {
          read(member, depth + 1);
        } else {
          parser.skipChildren();
        }
      }
    } else if (token == JsonToken.START_ARRAY) {
      int index =
          path.get(depth).matches("\\d{1,9}")
              ? Integer.parseInt(path.get(depth))
              : Integer.MIN_VALUE;
      while (!isDone()) {
        JsonToken element = parser.nextToken();
        if (element == JsonToken.END_ARRAY) {
          return;
        } else if (index-- == 0) {
          read(element, depth + 1);
        } else {
          parser.skipChildren();
        }
      }
    }
  }

  private String value(JsonToken token) throws IOException {
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
