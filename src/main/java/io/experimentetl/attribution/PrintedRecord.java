package io.experimentetl.attribution;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricKind;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.Population;
import io.experimentetl.config.StatisticsConfig;
import java.math.BigDecimal;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Settings read back from the text that a savepoint holds of them: a record as it prints itself.
 */
final class PrintedRecord {
  private static final String NULL = "null";

  private PrintedRecord() {}

  /** {@code Name[a=1, b=[c, d]]} to a and b. */
  static Map<String, String> components(String printed) {
    Map<String, String> components = new LinkedHashMap<>();
    for (String element : elements(printed)) {
      String[] pair = element.split("=", 2);
      components.put(pair[0], pair.length == 2 ? pair[1] : "");
    }
    return components;
  }

  /** {@code [a, b[c, d]]} to a and b[c, d]. */
  private static List<String> elements(String printed) {
    List<String> elements = new ArrayList<>();
    int depth = 0;
    int from = printed.indexOf('[') + 1;
    for (int i = from; i < printed.length(); i++) {
      char c = printed.charAt(i);
      boolean ends = depth == 0 && (c == ']' || printed.startsWith(", ", i));
      if (ends) {
        String element = printed.substring(from, i).strip();
        if (!element.isEmpty()) {
          elements.add(element);
        }
        from = i + 1;
      }
      depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    }
    return elements;
  }

  /**
   * The settings, or empty where the text does not tell them: a name in it may hold what separates
   * names.
   */
  static Optional<StatisticsConfig> statistics(String printed) {
    try {
      Map<String, String> of = components(printed);
      StatisticsConfig read =
          new StatisticsConfig(
              of.get("zone"),
              Population.valueOf(of.get("population")),
              of.get("exposureEvent"),
              CrossoverPolicy.valueOf(of.get("crossover")),
              Duration.parse(of.get("allowedLateness")),
              elements(of.get("metrics")).stream().map(PrintedRecord::metric).toList());
      return read.toString().equals(printed) ? Optional.of(read) : Optional.empty();
    } catch (IllegalArgumentException | NullPointerException | DateTimeException otherText) {
      return Optional.empty();
    }
  }

  private static MetricConfig metric(String printed) {
    Map<String, String> of = components(printed);
    MetricKind kind = MetricKind.valueOf(of.get("kind"));
    String property = of.get("property");
    return new MetricConfig(
        of.get("name"),
        kind,
        of.get("eventType"),
        // A mean has one, whatever its name.
        kind != MetricKind.MEAN && property.equals(NULL) ? null : property,
        Duration.parse(of.get("delay")),
        duration(of.get("window")),
        of.containsKey("denominator") ? term(of.get("denominator")) : null,
        of.containsKey("cap") ? new BigDecimal(of.get("cap")) : null,
        duration(of.get("covariate")),
        of.containsKey("since") ? LocalDate.parse(of.get("since")) : null);
  }

  private static MetricTerm term(String printed) {
    Map<String, String> of = components(printed);
    return new MetricTerm(
        of.get("eventType"), of.get("property").equals(NULL) ? null : of.get("property"));
  }

  private static Duration duration(String text) {
    return text == null || text.equals(NULL) ? null : Duration.parse(text);
  }
}
