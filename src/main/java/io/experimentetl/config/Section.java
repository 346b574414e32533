package io.experimentetl.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * One level of the file while it is read. A getter names a key, its type and its default. A wrong
 * value becomes an error in the list and its default is used, so that one pass finds every error.
 */
final class Section {
  private final String path;
  private final JsonNode node;
  private final Reading reading;
  private final Set<String> known = new LinkedHashSet<>();
  private final Set<String> groups = new LinkedHashSet<>();

  /**
   * The objects that all levels of one file share.
   *
   * @param overrides of keys, by the name of the environment variable; none within a list
   * @param environment holds the secrets
   */
  private record Reading(
      Map<String, String> overrides,
      Map<String, String> environment,
      List<ConfigurationError> errors) {}

  private Section(String path, JsonNode node, Reading reading) {
    this.path = path;
    this.node = node;
    this.reading = reading;
  }

  /**
   * The top level of a file.
   *
   * @param errors is filled while the file is read
   * @throws JsonProcessingException when the text is not YAML
   */
  static Section parse(
      String yaml, Map<String, String> environment, List<ConfigurationError> errors)
      throws JsonProcessingException {
    JsonNode root = YamlText.parse(yaml);
    if (!root.isObject()) {
      errors.add(
          new ConfigurationError(
              "the file",
              "is not a group of keys.",
              "Begin it with source: or another documented key."));
    }
    return new Section(
        "",
        root.isObject() ? root : MissingNode.getInstance(),
        new Reading(overrides(environment), environment, errors));
  }

  /** A section without keys: each getter returns its default. */
  static Section empty(String path) {
    return new Section(
        path, MissingNode.getInstance(), new Reading(Map.of(), Map.of(), new ArrayList<>()));
  }

  /** The variables that override a key. Those of passwords do not: a password is not a key. */
  private static Map<String, String> overrides(Map<String, String> environment) {
    Map<String, String> overrides = new TreeMap<>();
    environment.forEach(
        (name, value) -> {
          if (name.startsWith("EXPERIMENT_ETL_")
              && !name.endsWith("_PASSWORD")
              && !name.endsWith("_MASK_KEY")) {
            overrides.put(name, value);
          }
        });
    return overrides;
  }

  /** EXPERIMENT_ETL_SOURCE_SPLIT_SIZE overrides {@code source.split-size}. */
  private static String variable(String path) {
    return "EXPERIMENT_ETL_" + path.toUpperCase(Locale.ROOT).replace('.', '_').replace('-', '_');
  }

  <T> T get(String key, ValueType<T> type, T defaultValue) {
    String remedy = "Use " + type.description() + ".";
    return parse(
        key,
        value(key, type.isText()),
        type,
        defaultValue,
        defaultValue == null
            ? remedy
            : remedy + " The default is " + type.print(defaultValue) + ".");
  }

  /** A setting without a default: null when the key is absent or null. */
  <T> T optional(String key, ValueType<T> type) {
    JsonNode value = value(key, type.isText());
    return value.isNull()
        ? null
        : parse(key, value, type, null, "Use " + type.description() + ", or null.");
  }

  /**
   * A setting that must be in the file.
   *
   * @param need is the remedy when it is not
   * @return null after an error
   */
  <T> T required(String key, ValueType<T> type, String need) {
    if (!node.has(key)) {
      known.add(key);
      error(key, "is missing.", need);
      return null;
    }
    return get(key, type, null);
  }

  /** A list of values, perhaps empty. */
  <T> List<T> list(String key, ValueType<T> type, List<T> defaultValue) {
    JsonNode value = value(key, false);
    if (value.isMissingNode()) {
      return defaultValue;
    }
    String remedy =
        "Use a list; each element is "
            + type.description()
            + ". The default is "
            + defaultValue
            + ".";
    if (!value.isArray()) {
      error(key, "is " + ValueType.describe(value) + ", not a list.", remedy);
      return defaultValue;
    }
    List<T> elements = new ArrayList<>();
    for (int i = 0; i < value.size(); i++) {
      T element = parse(key + "[" + i + "]", value.get(i), type, null, remedy);
      if (element != null) {
        elements.add(element);
      }
    }
    return elements;
  }

  private <T> T parse(
      String key, JsonNode value, ValueType<T> type, T defaultValue, String remedy) {
    if (value.isMissingNode()) {
      return defaultValue;
    }
    try {
      return type.parse(value);
    } catch (ValueType.InvalidValueException e) {
      error(key, e.getMessage(), (remedy + " " + e.hint()).strip());
      return defaultValue;
    }
  }

  /** A group of names that are not ours, each with a value that is kept as text. */
  SortedMap<String, String> properties(String key) {
    SortedMap<String, String> properties = new TreeMap<>();
    JsonNode value = value(key, false);
    if (!value.isMissingNode() && !value.isNull() && !value.isObject()) {
      error(
          key,
          "is " + ValueType.describe(value) + ", not a group of names.",
          "Write NAME: VALUE below it.");
    }
    for (Map.Entry<String, JsonNode> property : value.properties()) {
      if (property.getValue().isValueNode() && !property.getValue().isNull()) {
        properties.put(property.getKey(), property.getValue().asText());
      } else {
        error(
            key + "." + property.getKey(),
            "is " + ValueType.describe(property.getValue()) + ", not a string.",
            "Put the value on one line, in quotes.");
      }
    }
    return properties;
  }

  /** The section's password: from the file that {@code password-file} names, or the environment. */
  Secret password() {
    return secret("password", true);
  }

  /**
   * A secret: from the file that {@code KEY-file} names, or the environment.
   *
   * @param needed whether it is an error that there is none
   */
  Secret secret(String key, boolean needed) {
    String variable = variable(at(key));
    if (node.has(key)) {
      known.add(key);
      error(
          key,
          "is in the file, where a secret does not belong.",
          "Remove it, change the %s, and set the environment variable %s or the key %s-file."
              .formatted(key.replace('-', ' '), variable, at(key)));
    }
    String fileKey = key + "-file";
    String file = optional(fileKey, ValueType.text());
    Secret secret =
        file == null ? Secret.fromEnvironment(variable, fileKey) : Secret.fromFile(file);
    try {
      if (needed) {
        secret.value(reading.environment());
      }
    } catch (Secret.UnavailableException e) {
      error(file == null ? key : fileKey, e.problem(), e.remedy());
    }
    return secret;
  }

  /** A group of keys. */
  <T> T group(String key, Function<Section, T> reader) {
    known.add(key);
    groups.add(key);
    JsonNode child = requireGroup(key, node.path(key)) ? node.path(key) : MissingNode.getInstance();
    return read(new Section(at(key), child, reading), reader);
  }

  /** A group of keys: null when it is absent, null or no group. */
  <T> T optionalGroup(String key, Function<Section, T> reader) {
    return isEmpty(key) || !requireGroup(key, node.path(key)) ? null : group(key, reader);
  }

  private boolean requireGroup(String key, JsonNode child) {
    if (child.isMissingNode() || child.isNull() || child.isObject()) {
      return true;
    }
    error(
        key,
        "is " + ValueType.describe(child) + ", not a group of keys.",
        "Write its keys below it, indented.");
    return false;
  }

  /** A list of at least one group of keys. */
  <T> List<T> groups(String key, Function<Section, T> reader, List<T> defaultValue) {
    JsonNode value = value(key, false);
    if (value.isMissingNode()) {
      return defaultValue;
    }
    String remedy = "docs/configuration.md shows its form.";
    if (!value.isArray() || value.isEmpty()) {
      error(
          key,
          "is " + ValueType.describe(value) + ", not a list with at least one element.",
          remedy);
      return defaultValue;
    }
    List<T> elements = new ArrayList<>();
    for (int i = 0; i < value.size(); i++) {
      String element = key + "[" + i + "]";
      if (value.get(i).isObject()) {
        Reading withoutOverrides = new Reading(Map.of(), reading.environment(), reading.errors());
        elements.add(read(new Section(at(element), value.get(i), withoutOverrides), reader));
      } else {
        error(element, "is " + ValueType.describe(value.get(i)) + ", not a group of keys.", remedy);
      }
    }
    return elements;
  }

  /** A value of any form: a missing node when the key is absent. */
  JsonNode any(String key) {
    return value(key, false);
  }

  /** Whether a key is absent or null. */
  boolean isEmpty(String key) {
    known.add(key);
    return !node.has(key) || node.path(key).isNull();
  }

  void error(String key, String problem, String remedy) {
    String variable = variable(at(key));
    reading
        .errors()
        .add(
            new ConfigurationError(
                reading.overrides().containsKey(variable)
                    ? at(key) + " (by " + variable + ")"
                    : at(key),
                problem,
                remedy));
  }

  /** Reads a level, and then reports the keys and variables that no getter asked for. */
  static <T> T read(Section section, Function<Section, T> reader) {
    T value = reader.apply(section);
    section.reportUnknownKeys();
    section.reportUnknownVariables();
    return value;
  }

  private void reportUnknownKeys() {
    for (Iterator<String> names = node.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      if (!known.contains(name)) {
        error(
            name,
            "is not a key of " + (path.isEmpty() ? "this file" : path) + ".",
            ("Remove it, or use one of "
                    + String.join(", ", known)
                    + ". "
                    + NearestName.question(name, known))
                .strip());
      }
    }
  }

  private void reportUnknownVariables() {
    for (String name : reading.overrides().keySet()) {
      if (!path.isEmpty()
          && name.startsWith(variable(path) + "_")
          && known.stream().noneMatch(key -> variable(at(key)).equals(name))
          && groups.stream().noneMatch(key -> name.startsWith(variable(at(key)) + "_"))) {
        List<String> variables = known.stream().map(key -> variable(at(key))).toList();
        reading
            .errors()
            .add(
                new ConfigurationError(
                    name,
                    "overrides no key of " + path + ".",
                    ("Unset it, or correct its name. " + NearestName.question(name, variables))
                        .strip()));
      }
    }
  }

  /**
   * The key's value in the environment, or in the file.
   *
   * @param isText a value in the environment is a string without YAML's quotes
   */
  private JsonNode value(String key, boolean isText) {
    known.add(key);
    String override = reading.overrides().get(variable(at(key)));
    if (override == null) {
      return node.path(key);
    }
    if (isText) {
      return TextNode.valueOf(override);
    }
    try {
      JsonNode value = YamlText.value(override);
      return value.isMissingNode() ? NullNode.getInstance() : value;
    } catch (JsonProcessingException e) {
      error(key, YamlText.error(e).problem(), "Quote the value as in YAML.");
      return MissingNode.getInstance();
    }
  }

  private String at(String key) {
    return path.isEmpty() ? key : path + "." + key;
  }
}
