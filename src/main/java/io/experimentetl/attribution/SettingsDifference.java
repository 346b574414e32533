package io.experimentetl.attribution;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.StringJoiner;

/** What is different between the statistics settings of a savepoint and those of today. */
final class SettingsDifference {
  private SettingsDifference() {}

  /**
   * Names each key that differs, with both values.
   *
   * @param before a record as it prints itself
   * @param now a record of the same class
   */
  static String between(String before, String now) {
    Map<String, String> old = components(before);
    Map<String, String> present = components(now);
    StringJoiner text = new StringJoiner("; ");
    old.forEach(
        (name, value) -> {
          if (!Objects.equals(value, present.get(name))) {
            text.add(key(name) + " was " + value + " and is " + present.get(name));
          }
        });
    present.forEach(
        (name, value) -> {
          if (!old.containsKey(name)) {
            text.add(key(name) + " is new: " + value);
          }
        });
    return text.toString();
  }

  private static String key(String component) {
    return "statistics." + component.replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
  }

  /** {@code Name[a=1, b=[c, d]]} to a and b. */
  private static Map<String, String> components(String printed) {
    Map<String, String> components = new LinkedHashMap<>();
    int depth = 0;
    int from = printed.indexOf('[') + 1;
    for (int i = from; i < printed.length(); i++) {
      char c = printed.charAt(i);
      boolean ends = depth == 0 && (c == ']' || printed.startsWith(", ", i));
      if (ends) {
        String[] pair = printed.substring(from, i).strip().split("=", 2);
        components.put(pair[0], pair.length == 2 ? pair[1] : "");
        from = i + 1;
      }
      depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    }
    return components;
  }
}
