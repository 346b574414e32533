package io.experimentetl.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.math.BigDecimal;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One level of the file while it is read. Each getter names a key, its default and its limits; what
 * is wrong is collected and the default stands in for it, so that one pass finds every error.
 */
final class Section {
  private static final Pattern DURATION = Pattern.compile("(\\d{1,9}) ?(ms|s|m|h|d)");
  private static final Pattern SIZE = Pattern.compile("(\\d{1,12}) ?(B|KiB|MiB|GiB)");

  private final String path;
  private final JsonNode node;
  private final Map<String, String> overrides;
  private final List<ConfigurationError> errors;
  private final Set<String> known = new LinkedHashSet<>();
  private final Set<String> groups = new LinkedHashSet<>();

  /**
   * @param path with dots; empty at the top
   * @param overrides values by the name of the environment variable
   */
  Section(
      String path, JsonNode node, Map<String, String> overrides, List<ConfigurationError> errors) {
    this.path = path;
    this.node = node;
    this.overrides = overrides;
    this.errors = errors;
  }

  /**
   * {@code source.heartbeat-interval} is overridden by {@code
   * EXPERIMENT_ETL_SOURCE_HEARTBEAT_INTERVAL}.
   */
  static String variable(String path) {
    return "EXPERIMENT_ETL_" + path.toUpperCase(Locale.ROOT).replace('.', '_').replace('-', '_');
  }

  Section section(String key) {
    known.add(key);
    groups.add(key);
    JsonNode child = node.path(key);
    if (!child.isMissingNode() && !child.isNull() && !child.isObject()) {
      error(
          key,
          "is " + describe(child) + ", not a group of keys.",
          "Put its keys below it, indented.");
      child = MissingNode.getInstance();
    }
    return new Section(at(key), child, overrides, errors);
  }

  String text(String key, String defaultValue) {
    return text(key, defaultValue, value -> null);
  }

  /**
   * @param complaint what is wrong with a value, or null
   */
  String text(String key, String defaultValue, Function<String, String> complaint) {
    JsonNode value = textValue(key);
    if (value.isMissingNode()) {
      return defaultValue;
    }
    if (!value.isTextual() || value.asText().isBlank()) {
      error(
          key,
          "is " + describe(value) + ", not a text.",
          value.isNumber() || value.isBoolean() ? "Put it in quotes." : example(defaultValue));
      return defaultValue;
    }
    String problem = complaint.apply(value.asText());
    if (problem != null) {
      error(key, "\"" + value.asText() + "\" " + problem, example(defaultValue));
      return defaultValue;
    }
    return value.asText();
  }

  /** A text that may be left out or null. */
  String optionalText(String key) {
    JsonNode value = textValue(key);
    return value.isMissingNode() || value.isNull() ? null : text(key, null);
  }

  String identifier(String key, String defaultValue) {
    return text(
        key,
        defaultValue,
        value ->
            value.matches("[a-z_][a-z0-9_]{0,62}")
                ? null
                : "is not a name of lower-case letters, digits and underscores, at most 63 long.");
  }

  /** A topic's name, or the beginning of some. */
  String topic(String key, String defaultValue) {
    return text(key, defaultValue, Section::topicComplaint);
  }

  String optionalTopic(String key) {
    JsonNode value = textValue(key);
    return value.isMissingNode() || value.isNull() ? null : topic(key, null);
  }

  /** What keeps a text from standing in a topic's name, or null. */
  static String topicComplaint(String value) {
    return value.matches("[a-zA-Z0-9._-]{1,120}")
        ? null
        : "is not of letters, digits, dots, underscores and dashes, at most 120 long.";
  }

  String zone(String key, String defaultValue) {
    return text(
        key,
        defaultValue,
        value -> {
          try {
            if (ZoneId.getAvailableZoneIds().contains(ZoneId.of(value).getId())) {
              return null;
            }
          } catch (DateTimeException e) {
            return "is not a time zone." + didYouMean(value, ZoneId.getAvailableZoneIds());
          }
          return "is an offset, not a time zone: days of an offset shift where clocks change.";
        });
  }

  String httpUrl(String key, String defaultValue) {
    return text(
        key,
        defaultValue,
        value -> {
          URI uri;
          try {
            uri = new URI(value);
          } catch (URISyntaxException e) {
            return "is not a URL (" + e.getReason() + ").";
          }
          if (!"http".equals(uri.getScheme()) && !"https".equals(uri.getScheme())) {
            return "is not a URL that begins with http:// or https://.";
          }
          if (uri.getHost() == null || uri.getPort() < 0) {
            return "lacks a host or a port.";
          }
          if (!uri.getRawPath().isEmpty() && !"/".equals(uri.getRawPath())) {
            return "has a path; the database is a key of its own.";
          }
          return uri.getRawQuery() == null && uri.getRawFragment() == null
              ? null
              : "has a query; settings do not belong into it.";
        });
  }

  boolean bool(String key, boolean defaultValue) {
    JsonNode value = value(key);
    if (value.isMissingNode()) {
      return defaultValue;
    }
    if (!value.isBoolean()) {
      error(key, "is " + describe(value) + ".", "Set it to true or false.");
      return defaultValue;
    }
    return value.asBoolean();
  }

  /**
   * A list of texts; it may be empty.
   *
   * @param complaint what is wrong with an element, or null
   */
  List<String> list(String key, List<String> defaultValue, Function<String, String> complaint) {
    JsonNode value = value(key);
    if (value.isMissingNode()) {
      return defaultValue;
    }
    if (!value.isArray()) {
      error(key, "is " + describe(value) + ", not a list.", "The default is " + defaultValue + ".");
      return defaultValue;
    }
    List<String> elements = new ArrayList<>();
    for (JsonNode element : value) {
      String problem =
          element.isTextual() && !element.asText().isBlank()
              ? complaint.apply(element.asText())
              : "is not a text.";
      if (problem != null) {
        error(
            key + "[" + elements.size() + "]",
            describe(element) + " " + problem,
            "The default is " + defaultValue + ".");
      }
      elements.add(element.asText());
    }
    return elements;
  }

  /** A group of names that are not ours, each with a text; numbers and truths are texts too. */
  SortedMap<String, String> texts(String key) {
    SortedMap<String, String> texts = new TreeMap<>();
    JsonNode value = value(key);
    if (!value.isMissingNode() && !value.isNull() && !value.isObject()) {
      error(
          key, "is " + describe(value) + ", not a group of names.", "Write name: value below it.");
    }
    for (Map.Entry<String, JsonNode> property : value.properties()) {
      if (property.getValue().isValueNode() && !property.getValue().isNull()) {
        texts.put(property.getKey(), property.getValue().asText());
      } else {
        error(
            key + "." + property.getKey(),
            "is " + describe(property.getValue()) + ", not a text.",
            "Put the value on one line, in quotes.");
      }
    }
    return texts;
  }

  int integer(String key, int defaultValue, int min, int max) {
    JsonNode value = value(key);
    if (value.isMissingNode()) {
      return defaultValue;
    }
    if (!value.isIntegralNumber()) {
      error(key, "is " + describe(value) + ", not a whole number.", example(defaultValue));
      return defaultValue;
    }
    if (!value.canConvertToInt() || value.asInt() < min || value.asInt() > max) {
      error(
          key,
          "is " + value.asText() + ", which is out of range.",
          "Set it to " + min + " up to " + max + ".");
      return defaultValue;
    }
    return value.asInt();
  }

  /** Strictly between the limits. */
  double fraction(String key, double defaultValue, double above, double below) {
    JsonNode value = value(key);
    if (value.isMissingNode()) {
      return defaultValue;
    }
    if (!value.isNumber()) {
      error(key, "is " + describe(value) + ", not a number.", example(defaultValue));
      return defaultValue;
    }
    if (!(value.asDouble() > above && value.asDouble() < below)) {
      error(
          key,
          "is " + value.asText() + ", which is out of range.",
          "Set it above " + plain(above) + " and below " + plain(below) + ".");
      return defaultValue;
    }
    return value.asDouble();
  }

  /**
   * A value of a metric: above 0, below 10^12, with six decimals at most; may be left out or null.
   */
  BigDecimal optionalAmount(String key) {
    JsonNode value = value(key);
    if (value.isMissingNode() || value.isNull()) {
      return null;
    }
    String remedy = "Write a number above 0 and below 10^12, with six decimals at most.";
    if (!value.isNumber()) {
      error(key, "is " + describe(value) + ", not a number.", remedy);
      return null;
    }
    BigDecimal amount = value.decimalValue();
    if (amount.signum() <= 0
        || amount.compareTo(BigDecimal.TEN.pow(12)) >= 0
        || amount.stripTrailingZeros().scale() > 6) {
      error(key, "is " + value.asText() + ", which is out of range.", remedy);
      return null;
    }
    return amount;
  }

  /** Bytes: a whole number, or one with the unit B, KiB, MiB or GiB. */
  int size(String key, int defaultValue, int min, int max) {
    JsonNode value = value(key);
    if (value.isMissingNode()) {
      return defaultValue;
    }
    Matcher matcher =
        SIZE.matcher(value.isIntegralNumber() ? value.asText() + "B" : value.asText());
    if (!matcher.matches()) {
      error(
          key,
          "is " + describe(value) + ", not a size.",
          "Write a whole number and a unit (B, KiB, MiB, GiB), for example "
              + size(defaultValue)
              + ".");
      return defaultValue;
    }
    int shift =
        switch (matcher.group(2)) {
          case "KiB" -> 10;
          case "MiB" -> 20;
          case "GiB" -> 30;
          default -> 0;
        };
    BigDecimal bytes = new BigDecimal(matcher.group(1)).multiply(BigDecimal.valueOf(1L << shift));
    if (bytes.compareTo(BigDecimal.valueOf(min)) < 0
        || bytes.compareTo(BigDecimal.valueOf(max)) > 0) {
      error(
          key,
          "is " + value.asText() + ", which is out of range.",
          "Set it to " + size(min) + " up to " + size(max) + ".");
      return defaultValue;
    }
    return bytes.intValueExact();
  }

  Duration duration(String key, Duration defaultValue, Duration min, Duration max) {
    JsonNode value = value(key);
    if (value.isMissingNode()) {
      return defaultValue;
    }
    Duration duration = parse(value);
    if (duration == null) {
      error(
          key,
          "is " + describe(value) + ", not a duration.",
          "Write a whole number and a unit (ms, s, m, h, d) such as 10s or 3d, or an ISO duration such as PT10S.");
      return defaultValue;
    }
    if (duration.compareTo(min) < 0 || duration.compareTo(max) > 0) {
      error(
          key,
          "is " + value.asText() + ", which is out of range.",
          "Set it to " + text(min) + " up to " + text(max) + ".");
      return defaultValue;
    }
    return duration;
  }

  /** A duration that may be left out or null. */
  Duration optionalDuration(String key, Duration min, Duration max) {
    return value(key).isNull() ? null : duration(key, null, min, max);
  }

  /** A day that may be left out or null; of the years 1900 to 2299, which ClickHouse can hold. */
  LocalDate optionalDate(String key) {
    JsonNode value = value(key);
    if (value.isMissingNode() || value.isNull()) {
      return null;
    }
    String remedy = "Write a day such as 2026-12-01; it begins in each experiment's zone.";
    LocalDate day;
    try {
      day = LocalDate.parse(value.asText());
    } catch (DateTimeParseException e) {
      error(key, "is " + describe(value) + ", not a day.", remedy);
      return null;
    }
    if (day.getYear() < 1900 || day.getYear() > 2299) {
      error(key, "is " + value.asText() + ", which is out of range.", remedy);
      return null;
    }
    return day;
  }

  /** One of the enum's names, in lower case with dashes. */
  <E extends Enum<E>> E choice(String key, Class<E> type, E defaultValue) {
    JsonNode value = value(key);
    if (value.isMissingNode()) {
      return defaultValue;
    }
    List<String> names = Arrays.stream(type.getEnumConstants()).map(Section::name).toList();
    int index = names.indexOf(value.asText());
    if (index < 0) {
      error(
          key,
          "is " + describe(value) + ".",
          (names.size() == 1 ? "Set it to " : "Set it to one of ")
              + String.join(", ", names)
              + "."
              + didYouMean(value.asText(), names));
      return defaultValue;
    }
    return type.getEnumConstants()[index];
  }

  /**
   * The section's {@code password}: of the file that {@code password-file} names, else of the
   * environment.
   */
  Secret password(Map<String, String> environment) {
    String variable = variable(at("password"));
    if (node.has("password")) {
      known.add("password");
      error(
          "password",
          "stands in the file: secrets do not belong into configuration.",
          "Remove it, change the password, and set the environment variable "
              + variable
              + " or the key "
              + at("password-file")
              + ".");
    }
    String file = optionalText("password-file");
    Secret secret = file == null ? Secret.fromEnvironment(variable) : Secret.fromFile(file);
    try {
      secret.value(environment);
    } catch (IllegalStateException e) {
      String[] sentence = e.getMessage().split(": ", 2);
      error(
          file == null ? "password" : "password-file",
          sentence[0] + ".",
          sentence[1].substring(0, 1).toUpperCase(Locale.ROOT) + sentence[1].substring(1));
    }
    return secret;
  }

  /** The elements of a list of groups, or null where the key is not given. */
  List<Section> sections(String key) {
    JsonNode value = value(key);
    if (value.isMissingNode()) {
      return null;
    }
    List<Section> sections = new ArrayList<>();
    if (!value.isArray() || value.isEmpty()) {
      error(
          key,
          "is " + describe(value) + ", not a list with an element.",
          "See the documented file for its form.");
      return null;
    }
    for (int i = 0; i < value.size(); i++) {
      String element = key + "[" + i + "]";
      if (!value.get(i).isObject()) {
        error(
            element,
            "is " + describe(value.get(i)) + ", not a group of keys.",
            "See the documented file for its form.");
        continue;
      }
      sections.add(new Section(at(element), value.get(i), Map.of(), errors));
    }
    return sections;
  }

  void error(String key, String problem, String remedy) {
    String variable = variable(at(key));
    errors.add(
        new ConfigurationError(
            overrides.containsKey(variable) ? at(key) + " (by " + variable + ")" : at(key),
            problem,
            remedy));
  }

  boolean has(String key) {
    return !node.path(key).isMissingNode();
  }

  /** Whether a group may be left out, and is: not given, or null. */
  boolean isEmpty(String key) {
    known.add(key);
    return !has(key) || node.path(key).isNull();
  }

  boolean isGroup(String key) {
    return node.path(key).isObject();
  }

  /** To be called behind the last getter: reports the keys that no getter asked for. */
  void end() {
    for (Iterator<String> names = node.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      if (!known.contains(name)) {
        error(
            name,
            "is not a key of " + (path.isEmpty() ? "this file" : path) + ".",
            "Remove it, or write one of "
                + String.join(", ", known)
                + "."
                + didYouMean(name, known));
      }
    }
    for (String name : overrides.keySet()) {
      if (!path.isEmpty()
          && name.startsWith(variable(path) + "_")
          && known.stream().noneMatch(key -> variable(at(key)).equals(name))
          && groups.stream().noneMatch(key -> name.startsWith(variable(at(key)) + "_"))) {
        List<String> variables = known.stream().map(key -> variable(at(key))).toList();
        errors.add(
            new ConfigurationError(
                name,
                "overrides no key of " + path + ".",
                "Unset it, or name a key." + didYouMean(name, variables)));
      }
    }
  }

  private JsonNode value(String key) {
    known.add(key);
    String override = overrides.get(variable(at(key)));
    if (override == null) {
      return node.path(key);
    }
    try {
      JsonNode value = JobConfig.YAML.readTree(override);
      return value.isMissingNode() ? NullNode.getInstance() : value;
    } catch (JsonProcessingException e) {
      error(key, JobConfig.syntaxError(e).problem(), "Quote the value as YAML does.");
      return MissingNode.getInstance();
    }
  }

  /** A text in the environment needs no quotes. */
  private JsonNode textValue(String key) {
    known.add(key);
    String override = overrides.get(variable(at(key)));
    return override == null ? node.path(key) : TextNode.valueOf(override);
  }

  private String at(String key) {
    return path.isEmpty() ? key : path + "." + key;
  }

  static String name(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private static String describe(JsonNode value) {
    if (value.isNull()) {
      return "empty";
    }
    if (value.isArray()) {
      return value.isEmpty() ? "an empty list" : "a list";
    }
    if (value.isObject()) {
      return "a group of keys";
    }
    return value.isTextual() ? "\"" + value.asText() + "\"" : value.asText();
  }

  private static String example(Object defaultValue) {
    return defaultValue == null ? "Write a text." : "The default is " + defaultValue + ".";
  }

  private static String plain(double number) {
    return BigDecimal.valueOf(number).stripTrailingZeros().toPlainString();
  }

  private static Duration parse(JsonNode value) {
    Matcher matcher = DURATION.matcher(value.asText());
    if (matcher.matches()) {
      long amount = Long.parseLong(matcher.group(1));
      return switch (matcher.group(2)) {
        case "ms" -> Duration.ofMillis(amount);
        case "s" -> Duration.ofSeconds(amount);
        case "m" -> Duration.ofMinutes(amount);
        case "h" -> Duration.ofHours(amount);
        default -> Duration.ofDays(amount);
      };
    }
    try {
      return value.isTextual() ? Duration.parse(value.asText()) : null;
    } catch (DateTimeException e) {
      return null;
    }
  }

  private static String text(Duration duration) {
    long millis = duration.toMillis();
    if (millis % 86_400_000 == 0 && millis != 0) {
      return millis / 86_400_000 + "d";
    }
    return millis % 1000 == 0 ? millis / 1000 + "s" : millis + "ms";
  }

  private static String size(int bytes) {
    if (bytes >= 1 << 20 && bytes % (1 << 20) == 0) {
      return bytes / (1 << 20) + "MiB";
    }
    return bytes >= 1 << 10 && bytes % (1 << 10) == 0 ? bytes / (1 << 10) + "KiB" : bytes + "B";
  }

  /** The nearest of some names, as a question, or nothing where none is near. */
  private static String didYouMean(String name, Iterable<String> names) {
    String nearest = null;
    int min = Math.max(2, name.length() / 3) + 1;
    for (String candidate : names) {
      int distance = distance(name.toLowerCase(Locale.ROOT), candidate.toLowerCase(Locale.ROOT));
      if (distance < min) {
        min = distance;
        nearest = candidate;
      }
    }
    return nearest == null ? "" : " Did you mean " + nearest + "?";
  }

  /** Levenshtein's. */
  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    Arrays.setAll(row, i -> i);
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(replaced, Math.min(row[j], row[j - 1]) + 1);
      }
    }
    return row[b.length()];
  }
}
