package io.experimentetl.attribution;

import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.StringJoiner;

/** What is different between settings of a savepoint and those of today. */
final class SettingsDifference {
  private SettingsDifference() {}

  /**
   * Names each key that differs, with both values; empty: none does.
   *
   * @param group the keys' group in the file
   * @param before a record as it prints itself
   * @param now a record of the same class
   */
  static String between(String group, String before, String now) {
    Map<String, String> old = PrintedRecord.components(before);
    Map<String, String> present = PrintedRecord.components(now);
    StringJoiner text = new StringJoiner("; ");
    old.forEach(
        (name, value) -> {
          if (!present.containsKey(name)) {
            text.add(key(group, name) + " was " + value + " and is not given");
          } else if (!Objects.equals(value, present.get(name))) {
            text.add(key(group, name) + " was " + value + " and is " + present.get(name));
          }
        });
    present.forEach(
        (name, value) -> {
          if (!old.containsKey(name)) {
            text.add(key(group, name) + " is new: " + value);
          }
        });
    return text.toString();
  }

  private static String key(String group, String component) {
    return group + "." + component.replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
  }
}
