package io.experimentetl.attribution;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricKind;
import io.experimentetl.config.MetricPurpose;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.Population;
import io.experimentetl.config.StatisticsConfig;
import java.math.BigDecimal;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;

/**
 * The statistics settings as a savepoint holds them: a JSON object with the version of its form.
 * Its keys are those of the configuration file. A setting that is not given is left out, so that a
 * setting that a later release adds does not look like a change.
 */
final class SavedStatistics {
  /** The version that this build writes, and the only one that it reads. */
  static final int VERSION = 1;

  private static final String VERSION_KEY = "version";
  private static final ObjectMapper JSON = new ObjectMapper();

  private SavedStatistics() {}

  /** The text to keep in state. */
  static String write(StatisticsConfig statistics) {
    ObjectNode json = JsonNodeFactory.instance.objectNode().put(VERSION_KEY, VERSION);
    json.setAll(settings(statistics));
    return json.toString();
  }

  /**
   * The settings that {@link #write} was given.
   *
   * @throws IllegalStateException another build has written them in a form that this one does not
   *     know
   */
  static StatisticsConfig read(String saved) {
    try {
      JsonNode json = JSON.readTree(saved);
      if (json.path(VERSION_KEY).asInt() == VERSION) {
        StatisticsConfig statistics = statistics(json);
        // A key that this build does not know may have changed the counts.
        if (write(statistics).equals(json.toString())) {
          return statistics;
        }
      }
    } catch (JsonProcessingException | IllegalArgumentException | DateTimeException unknownForm) {
      throw unknown(saved, unknownForm);
    }
    throw unknown(saved, null);
  }

  private static IllegalStateException unknown(String saved, Exception cause) {
    return new IllegalStateException(
        "The savepoint holds statistics settings that this build can't read (it reads version %d): %s. Start the build that took the savepoint, or a later one"
            .formatted(VERSION, saved),
        cause);
  }

  /** The settings without the version, by their keys in the configuration file. */
  static ObjectNode settings(StatisticsConfig statistics) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("zone", statistics.zone());
    json.put("population", statistics.population().name());
    json.put("exposure-event", statistics.exposureEvent());
    json.put("crossover", statistics.crossover().name());
    json.put("allowed-lateness", statistics.allowedLateness().toString());
    ArrayNode metrics = json.putArray("metrics");
    statistics.metrics().forEach(metric -> metrics.add(settings(metric)));
    return json;
  }

  /** The metric's settings, by their keys in the configuration file. */
  static ObjectNode settings(MetricConfig metric) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("name", metric.name());
    json.put("kind", metric.kind().name());
    json.put("event-type", metric.eventType());
    putIfGiven(json, "property", metric.property());
    putIfGiven(json, "fact", metric.fact());
    json.put("delay", metric.delay().toString());
    putIfGiven(json, "window", metric.window());
    if (metric.denominator() != null) {
      ObjectNode denominator = json.putObject("denominator");
      denominator.put("event-type", metric.denominator().eventType());
      putIfGiven(denominator, "property", metric.denominator().property());
      putIfGiven(denominator, "fact", metric.denominator().fact());
    }
    putIfGiven(json, "cap", metric.cap() == null ? null : metric.cap().toPlainString());
    putIfGiven(json, "covariate", metric.covariate());
    putIfGiven(json, "since", metric.since());
    return json;
  }

  private static void putIfGiven(ObjectNode json, String key, Object value) {
    if (value != null) {
      json.put(key, value.toString());
    }
  }

  private static StatisticsConfig statistics(JsonNode json) {
    List<MetricConfig> metrics = new ArrayList<>();
    json.path("metrics").forEach(metric -> metrics.add(metric(metric)));
    return new StatisticsConfig(
        required(json, "zone"),
        Population.valueOf(required(json, "population")),
        required(json, "exposure-event"),
        CrossoverPolicy.valueOf(required(json, "crossover")),
        Duration.parse(required(json, "allowed-lateness")),
        metrics);
  }

  private static MetricConfig metric(JsonNode json) {
    JsonNode denominator = json.get("denominator");
    String cap = optional(json, "cap");
    String since = optional(json, "since");
    return new MetricConfig(
        required(json, "name"),
        MetricKind.valueOf(required(json, "kind")),
        required(json, "event-type"),
        optional(json, "property"),
        optional(json, "fact"),
        Duration.parse(required(json, "delay")),
        duration(json, "window"),
        denominator == null
            ? null
            : new MetricTerm(
                required(denominator, "event-type"),
                optional(denominator, "property"),
                optional(denominator, "fact")),
        cap == null ? null : new BigDecimal(cap),
        duration(json, "covariate"),
        since == null ? null : LocalDate.parse(since),
        MetricPurpose.DEFAULT);
  }

  private static Duration duration(JsonNode json, String key) {
    String text = optional(json, key);
    return text == null ? null : Duration.parse(text);
  }

  private static String required(JsonNode json, String key) {
    String value = optional(json, key);
    if (value == null) {
      throw new IllegalArgumentException("no " + key);
    }
    return value;
  }

  private static String optional(JsonNode json, String key) {
    JsonNode value = json.get(key);
    return value == null ? null : value.asText();
  }
}
