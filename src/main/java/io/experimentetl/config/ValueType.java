package io.experimentetl.config;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.format.DateTimeParseException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The values that a setting takes: how one is read from YAML, how one is printed, and how an error
 * message and the documentation describe them.
 */
final class ValueType<T> {
  private static final Pattern DURATION = Pattern.compile("(\\d{1,9}) ?(ms|s|m|h|d)");
  private static final Pattern SIZE = Pattern.compile("(\\d{1,12}) ?(B|KiB|MiB|GiB)");

  /** Above every period that a setting can mean. */
  static final Duration CENTURY = Duration.ofDays(36_500);

  /** Reads a value. */
  private interface Parser<T> {
    T parse(JsonNode value) throws InvalidValueException;
  }

  /** Tests a string. */
  private interface Check {
    void test(String value) throws InvalidValueException;
  }

  private final String description;
  private final boolean isText;
  private final Parser<T> parser;
  private final Function<T, String> printer;

  private ValueType(String description, Parser<T> parser) {
    this(description, false, parser, String::valueOf);
  }

  private ValueType(
      String description, boolean isText, Parser<T> parser, Function<T, String> printer) {
    this.description = description;
    this.isText = isText;
    this.parser = parser;
    this.printer = printer;
  }

  /** A noun phrase, such as "a whole number from 1 to 65535". */
  String description() {
    return description;
  }

  /** Whether a value in the environment needs no quotes. */
  boolean isText() {
    return isText;
  }

  T parse(JsonNode value) throws InvalidValueException {
    return parser.parse(value);
  }

  /** A value as one writes it into the file. */
  String print(T value) {
    return printer.apply(value);
  }

  static ValueType<Boolean> bool() {
    return new ValueType<>(
        "true or false",
        value -> {
          require(value.isBoolean(), value, "true or false");
          return value.asBoolean();
        });
  }

  static ValueType<Integer> integer(int min, int max) {
    return new ValueType<>(
        "a whole number from " + min + " to " + max,
        value -> {
          require(value.isIntegralNumber(), value, "a whole number");
          requireRange(
              value.canConvertToInt() && value.asInt() >= min && value.asInt() <= max, value);
          return value.asInt();
        });
  }

  /** Strictly between 0 and 1. */
  static ValueType<Double> fraction() {
    return new ValueType<>(
        "a number above 0 and below 1",
        value -> {
          require(value.isNumber(), value, "a number");
          requireRange(value.asDouble() > 0 && value.asDouble() < 1, value);
          return value.asDouble();
        });
  }

  /** A user's value of a metric. */
  static ValueType<BigDecimal> amount() {
    return new ValueType<>(
        "a number above 0 and below 10^12 with at most six decimals",
        value -> {
          require(value.isNumber(), value, "a number");
          BigDecimal amount = value.decimalValue();
          requireRange(
              amount.signum() > 0
                  && amount.compareTo(BigDecimal.TEN.pow(12)) < 0
                  && amount.stripTrailingZeros().scale() <= 6,
              value);
          return amount;
        });
  }

  /** Bytes: a whole number with or without the unit B, KiB, MiB or GiB. */
  static ValueType<Integer> size(int min, int max) {
    return new ValueType<>(
        "a size from " + printSize(min) + " to " + printSize(max) + " (B, KiB, MiB, GiB)",
        false,
        value -> {
          BigDecimal bytes = bytes(value);
          requireRange(
              bytes.compareTo(BigDecimal.valueOf(min)) >= 0
                  && bytes.compareTo(BigDecimal.valueOf(max)) <= 0,
              value);
          return bytes.intValueExact();
        },
        ValueType::printSize);
  }

  private static BigDecimal bytes(JsonNode value) throws InvalidValueException {
    Matcher size = SIZE.matcher(value.isIntegralNumber() ? value.asText() + "B" : value.asText());
    require(size.matches(), value, "a size");
    int shift =
        switch (size.group(2)) {
          case "KiB" -> 10;
          case "MiB" -> 20;
          case "GiB" -> 30;
          default -> 0;
        };
    return new BigDecimal(size.group(1)).multiply(BigDecimal.valueOf(1L << shift));
  }

  private static String printSize(int bytes) {
    int[] shifts = {30, 20, 10};
    String[] units = {"GiB", "MiB", "KiB"};
    for (int i = 0; i < shifts.length; i++) {
      if (bytes >= 1 << shifts[i] && bytes % (1 << shifts[i]) == 0) {
        return bytes / (1 << shifts[i]) + units[i];
      }
    }
    return bytes + "B";
  }

  static ValueType<Duration> duration(Duration min, Duration max) {
    return new ValueType<>(
        "a duration from "
            + printDuration(min)
            + " to "
            + printDuration(max)
            + " (ms, s, m, h, d or ISO 8601)",
        false,
        value -> {
          Duration duration = parseDuration(value);
          requireRange(duration.compareTo(min) >= 0 && duration.compareTo(max) <= 0, value);
          return duration;
        },
        ValueType::printDuration);
  }

  private static Duration parseDuration(JsonNode value) throws InvalidValueException {
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
    require(value.isTextual(), value, "a duration");
    try {
      return Duration.parse(value.asText());
    } catch (DateTimeException e) {
      throw notA(value, "a duration");
    }
  }

  private static String printDuration(Duration duration) {
    long millis = duration.toMillis();
    long[] lengths = {86_400_000, 3_600_000, 60_000, 1000};
    String[] units = {"d", "h", "m", "s"};
    for (int i = 0; i < lengths.length; i++) {
      if (millis != 0 && millis % lengths[i] == 0) {
        return millis / lengths[i] + units[i];
      }
    }
    return millis == 0 ? "0s" : millis + "ms";
  }

  /** A day that ClickHouse's Date32 holds. */
  static ValueType<LocalDate> day() {
    return new ValueType<>(
        "a day from 1900-01-01 to 2299-12-31, which begins in each experiment's zone",
        value -> {
          LocalDate day;
          try {
            day = LocalDate.parse(value.asText());
          } catch (DateTimeParseException e) {
            throw notA(value, "a day");
          }
          requireRange(day.getYear() >= 1900 && day.getYear() <= 2299, value);
          return day;
        });
  }

  /** One of an enum's names, in lower case with dashes. */
  static <E extends Enum<E>> ValueType<E> choice(Class<E> type) {
    List<String> names = Arrays.stream(type.getEnumConstants()).map(ValueType::name).toList();
    return new ValueType<>(
        "one of " + String.join(", ", names),
        false,
        value -> {
          int index = names.indexOf(value.asText());
          if (index < 0) {
            throw new InvalidValueException(
                "is " + describe(value) + ", which is not one of its values.",
                NearestName.question(value.asText(), names));
          }
          return type.getEnumConstants()[index];
        },
        ValueType::name);
  }

  private static String name(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  static ValueType<String> text() {
    return text("a string", value -> {});
  }

  /** A name that PostgreSQL and ClickHouse take without quotes. */
  static ValueType<String> identifier() {
    String description = "a name of at most 63 lower-case letters, digits and underscores";
    return text(description, matching("[a-z_][a-z0-9_]{0,62}", description));
  }

  /** A Kafka topic's name, or the first part of one. */
  static ValueType<String> topic() {
    String description = "a name of at most 120 letters, digits, dots, underscores and dashes";
    return text(description, matching("[a-zA-Z0-9._-]{1,120}", description));
  }

  static ValueType<String> timeZone() {
    return text("an IANA time zone such as Europe/Berlin", ValueType::checkZone);
  }

  /** Scheme, host and port. */
  static ValueType<String> httpUrl() {
    return text("a URL http://HOST:PORT or https://HOST:PORT", ValueType::checkHttpUrl);
  }

  private static ValueType<String> text(String description, Check check) {
    return new ValueType<>(
        description,
        true,
        value -> {
          if (value.isNumber() || value.isBoolean()) {
            throw new InvalidValueException(
                "is " + value.asText() + ", not a string.",
                "Put it in quotes: \"" + value.asText() + "\".");
          }
          require(value.isTextual() && !value.asText().isBlank(), value, "a string");
          check.test(value.asText());
          return value.asText();
        },
        String::valueOf);
  }

  private static Check matching(String regex, String description) {
    return value -> {
      if (!value.matches(regex)) {
        throw new InvalidValueException("\"" + value + "\" is not " + description + ".", "");
      }
    };
  }

  private static void checkZone(String value) throws InvalidValueException {
    try {
      if (ZoneId.getAvailableZoneIds().contains(ZoneId.of(value).getId())) {
        return;
      }
    } catch (DateTimeException e) {
      throw new InvalidValueException(
          "\"" + value + "\" is not a time zone.",
          NearestName.question(value, ZoneId.getAvailableZoneIds()));
    }
    throw new InvalidValueException(
        "\""
            + value
            + "\" is an offset, not a time zone: with it, days begin an hour early or late where clocks change.",
        "");
  }

  private static void checkHttpUrl(String value) throws InvalidValueException {
    UnaryOperator<String> problem = text -> "\"" + value + "\" " + text;
    URI uri;
    try {
      uri = new URI(value);
    } catch (URISyntaxException e) {
      throw new InvalidValueException(problem.apply("is not a URL (" + e.getReason() + ")."), "");
    }
    if (!"http".equals(uri.getScheme()) && !"https".equals(uri.getScheme())) {
      throw new InvalidValueException(
          problem.apply("does not begin with http:// or https://."), "");
    }
    if (uri.getHost() == null || uri.getPort() < 0) {
      throw new InvalidValueException(problem.apply("has no host or no port."), "");
    }
    if (!uri.getRawPath().isEmpty() && !"/".equals(uri.getRawPath())) {
      throw new InvalidValueException(
          problem.apply("has a path."), "The database has its own key.");
    }
    if (uri.getRawQuery() != null || uri.getRawFragment() != null) {
      throw new InvalidValueException(problem.apply("has a query or a fragment."), "Remove it.");
    }
  }

  private static void require(boolean condition, JsonNode value, String noun)
      throws InvalidValueException {
    if (!condition) {
      throw notA(value, noun);
    }
  }

  private static InvalidValueException notA(JsonNode value, String noun) {
    return new InvalidValueException("is " + describe(value) + ", not " + noun + ".", "");
  }

  private static void requireRange(boolean condition, JsonNode value) throws InvalidValueException {
    if (!condition) {
      throw new InvalidValueException("is " + value.asText() + ", which is out of range.", "");
    }
  }

  /** A value as an error message shows it. */
  static String describe(JsonNode value) {
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

  /** A value is not one of its setting's type. */
  static final class InvalidValueException extends Exception {
    private static final long serialVersionUID = 1L;
    private final String hint;

    private InvalidValueException(String problem, String hint) {
      super(problem);
      this.hint = hint;
    }

    /** A sentence that helps beside the description of the type; may be empty. */
    String hint() {
      return hint;
    }
  }
}
