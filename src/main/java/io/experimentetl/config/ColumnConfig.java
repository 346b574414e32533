package io.experimentetl.config;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.RowFilter;
import io.experimentetl.mapping.TimeUnit;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads where a column of ours comes from: {@code column}, {@code column.path.in.json}, a list of
 * several as one key, or a group with exactly one of column, constant and key.
 */
final class ColumnConfig {
  private static final String NOT_NULL = "not null";
  private static final List<String> KEYS =
      List.of("column", "path", "constant", "key", "unit", "zone", "values");
  private static final String FORMS =
      "Write a column, a column and the path in its JSON (payload.user.id), a list of these as one key, or one of {column: NAME}, {constant: VALUE}, {key: COLUMN}.";

  private final Section section;
  private final String key;
  private final boolean isTime;
  private final SourceTable entity;

  /**
   * The reader of one column.
   *
   * @param key the column's key in the section, for errors
   * @param isTime whether it is a column of times
   * @param entity what the column refers to; null: nothing
   */
  ColumnConfig(Section section, String key, boolean isTime, SourceTable entity) {
    this.section = section;
    this.key = key;
    this.isTime = isTime;
    this.entity = entity;
  }

  /** Null after an error. */
  ColumnBinding binding(JsonNode value) {
    if (!value.isObject()) {
      Origin origin = origin(value, key);
      return origin == null ? null : ColumnBinding.of(origin);
    }
    reportUnknownKeys(value);
    Origin origin = group(value, key, true);
    TimeUnit unit = unit(value.path("unit"));
    String zone = zone(value.path("zone"));
    if (!isTime && (unit != null || zone != null)) {
      section.error(
          key, "has a unit or a zone, and is no column of times.", "Remove unit and zone.");
    }
    Map<String, String> values =
        value.has("values") ? renames(section, key + ".values", value.get("values")) : Map.of();
    if (origin instanceof Origin.Constant && (unit != null || zone != null || !values.isEmpty())) {
      section.error(
          key,
          "is a constant with a unit, a zone or values.",
          "Write the constant as it shall be; a time as 2026-01-31T00:00:00Z.");
    }
    return origin == null ? null : new ColumnBinding(origin, values, unit, zone, null);
  }

  private void reportUnknownKeys(JsonNode group) {
    for (Iterator<String> names = group.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      if (!KEYS.contains(name)) {
        section.error(
            key + "." + name,
            "is not a key of a column.",
            ("Use one of " + String.join(", ", KEYS) + ". " + NearestName.question(name, KEYS))
                .strip());
      }
    }
  }

  /** A name, or several as one key. */
  private Origin origin(JsonNode value, String at) {
    if (value.isTextual()) {
      return named(value.asText(), at);
    }
    if (!value.isArray() || value.isEmpty()) {
      section.error(at, "is " + ValueType.describe(value) + ", not a column.", FORMS);
      return null;
    }
    List<Origin> parts = new ArrayList<>();
    for (int i = 0; i < value.size(); i++) {
      JsonNode part = value.get(i);
      String partAt = at + "[" + i + "]";
      if (part.isObject()) {
        parts.add(group(part, partAt, false));
      } else if (part.isTextual()) {
        parts.add(named(part.asText(), partAt));
      } else {
        section.error(partAt, "is " + ValueType.describe(part) + ", not a column.", FORMS);
      }
    }
    parts.removeIf(part -> part == null);
    return parts.size() < value.size() ? null : new Origin.Key(parts);
  }

  private Origin named(String text, String at) {
    List<String> parts = DottedName.parse(text);
    if (parts == null) {
      section.error(
          at,
          "\"" + text + "\" is not the name of a column.",
          "Put a name with a dot in double quotes. " + FORMS);
      return null;
    }
    return parts.size() == 1
        ? new Origin.Column(parts.get(0))
        : path(parts.get(0), parts.subList(1, parts.size()), at);
  }

  /** One of column, constant and key. */
  private Origin group(JsonNode group, String at, boolean whole) {
    List<String> given = List.of("column", "constant", "key").stream().filter(group::has).toList();
    if (given.size() != 1) {
      section.error(
          at,
          given.isEmpty()
              ? "has none of column, constant and key."
              : "has " + String.join(" and ", given) + ", which contradict each other.",
          FORMS);
      return null;
    }
    if (group.has("path") && !group.has("column")) {
      section.error(at + ".path", "stands without column.", "Name the JSON column.");
    }
    return switch (given.get(0)) {
      case "column" -> column(group, at);
      case "constant" -> constant(group.get("constant"), at);
      default -> reference(group.get("key"), at, whole);
    };
  }

  private Origin column(JsonNode group, String at) {
    JsonNode name = group.get("column");
    if (!name.isTextual() || name.asText().isEmpty()) {
      section.error(
          at + ".column", "is " + ValueType.describe(name) + ", not a string.", "Name a column.");
      return null;
    }
    JsonNode path = group.path("path");
    if (path.isMissingNode()) {
      // A name in a group is taken as it is: it may hold dots and quotes.
      return new Origin.Column(name.asText());
    }
    List<String> parts = path.isTextual() ? DottedName.parse(path.asText()) : null;
    if (parts == null) {
      section.error(
          at + ".path",
          "is " + ValueType.describe(path) + ", not a path.",
          "Write the keys with dots between them, such as user.id.");
      return null;
    }
    return path(name.asText(), parts, at + ".path");
  }

  private Origin path(String column, List<String> keys, String at) {
    if (keys.stream().anyMatch(key -> key.matches("-\\d+"))) {
      section.error(at, "counts from the end of a list, which is not supported.", "Count from 0.");
    }
    return new Origin.JsonPath(column, keys);
  }

  private Origin constant(JsonNode value, String at) {
    if (!value.isValueNode() || value.isNull()) {
      section.error(
          at + ".constant",
          "is " + ValueType.describe(value) + ", not a value.",
          "Write a text, a number, true or false.");
      return null;
    }
    return new Origin.Constant(value.asText());
  }

  private Origin reference(JsonNode value, String at, boolean whole) {
    if (entity == null || !whole) {
      section.error(
          at + ".key",
          "stands where nothing refers to an experiment or a variant.",
          "Use it in experiment_id and variant_id only.");
      return null;
    }
    Origin text = value.isObject() ? group(value, at + ".key", false) : origin(value, at + ".key");
    return text == null ? null : new Origin.Number(entity, text, true);
  }

  private TimeUnit unit(JsonNode value) {
    if (value.isMissingNode()) {
      return null;
    }
    List<String> units = Arrays.stream(TimeUnit.values()).map(TimeUnit::text).toList();
    int index = units.indexOf(value.asText());
    if (index < 0) {
      section.error(
          key + ".unit",
          "is " + ValueType.describe(value) + ", which is not one of its values.",
          "Use one of " + String.join(", ", units) + ".");
      return null;
    }
    return TimeUnit.values()[index];
  }

  private String zone(JsonNode value) {
    if (value.isMissingNode()) {
      return null;
    }
    try {
      return ValueType.timeZone().parse(value);
    } catch (ValueType.InvalidValueException e) {
      section.error(
          key + ".zone",
          e.getMessage(),
          ("Use " + ValueType.timeZone().description() + ". " + e.hint()).strip());
      return null;
    }
  }

  /** Values of the source, and what each is called here. */
  static Map<String, String> renames(Section section, String key, JsonNode group) {
    Map<String, String> renames = new HashMap<>();
    if (!group.isObject() || group.isEmpty()) {
      section.error(
          key,
          "is " + ValueType.describe(group) + ", not a group of values.",
          "Write VALUE OF THE SOURCE: VALUE HERE below it.");
    }
    for (Map.Entry<String, JsonNode> rename : group.properties()) {
      if (rename.getValue().isValueNode() && !rename.getValue().isNull()) {
        renames.put(rename.getKey(), rename.getValue().asText());
      } else {
        section.error(
            key + "." + rename.getKey(),
            "is " + ValueType.describe(rename.getValue()) + ", not a value.",
            "Write the value that it has here.");
      }
    }
    return renames;
  }

  /** Conditions on columns of the source; without the key, every row passes. */
  static RowFilter filter(Section section, String key) {
    JsonNode group = section.any(key);
    if (group.isMissingNode() || group.isNull()) {
      return RowFilter.ALL;
    }
    if (!group.isObject() || group.isEmpty()) {
      section.error(
          key,
          "is " + ValueType.describe(group) + ", not a group of columns.",
          "Write COLUMN: VALUE below it; a value, a list of values, null or not null.");
      return RowFilter.ALL;
    }
    List<RowFilter.Condition> conditions = new ArrayList<>();
    for (Map.Entry<String, JsonNode> condition : group.properties()) {
      List<String> name = DottedName.parse(condition.getKey());
      String at = key + "." + condition.getKey();
      if (name == null || name.size() != 1) {
        section.error(
            at, "is not the name of a column.", "Put a name with a dot in double quotes.");
      } else {
        conditions.add(condition(section, at, name.get(0), condition.getValue()));
      }
    }
    return new RowFilter(conditions);
  }

  private static RowFilter.Condition condition(
      Section section, String at, String column, JsonNode value) {
    Set<String> values = new HashSet<>();
    boolean matchesNull = false;
    boolean matchesAnyValue = false;
    List<JsonNode> elements = new ArrayList<>();
    if (value.isArray()) {
      value.forEach(elements::add);
    } else {
      elements.add(value);
    }
    for (JsonNode element : elements) {
      if (element.isNull()) {
        matchesNull = true;
      } else if (element.isTextual() && element.asText().equals(NOT_NULL)) {
        matchesAnyValue = true;
      } else if (element.isValueNode()) {
        values.add(element.asText());
      } else {
        section.error(
            at,
            "has " + ValueType.describe(element) + ", not a value.",
            "Write a value, a list of values, null or not null.");
      }
    }
    if (elements.isEmpty() || (matchesNull && matchesAnyValue)) {
      section.error(
          at,
          elements.isEmpty() ? "is an empty list, which no value meets." : "is met by every value.",
          "Write a value, a list of values, null or not null.");
    }
    return new RowFilter.Condition(column, values, matchesNull, matchesAnyValue);
  }
}
