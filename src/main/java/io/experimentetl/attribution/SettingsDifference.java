package io.experimentetl.attribution;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.StringJoiner;

/** The difference between the settings of a savepoint and those of this start, as a text. */
final class SettingsDifference {
  private SettingsDifference() {}

  /**
   * Names each key that differs, with both values; empty where none does.
   *
   * @param group the keys' group in the configuration file
   */
  static String between(String group, ObjectNode before, ObjectNode now) {
    StringJoiner text = new StringJoiner("; ");
    before
        .properties()
        .forEach(
            entry -> {
              String key = group + "." + entry.getKey();
              JsonNode present = now.get(entry.getKey());
              if (present == null) {
                text.add(key + " was " + print(entry.getValue()) + " and is not given");
              } else if (!present.equals(entry.getValue())) {
                text.add(key + " was " + print(entry.getValue()) + " and is " + print(present));
              }
            });
    now.properties()
        .forEach(
            entry -> {
              if (!before.has(entry.getKey())) {
                text.add(group + "." + entry.getKey() + " is new: " + print(entry.getValue()));
              }
            });
    return text.toString();
  }

  private static String print(JsonNode value) {
    return value.isTextual() ? value.asText() : value.toString();
  }
}
