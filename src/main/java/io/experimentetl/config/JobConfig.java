package io.experimentetl.config;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * All that the job can be told. One YAML file (documented in {@code experiment-etl.yaml} beside
 * this class's package); an environment variable overrides a key: {@code EXPERIMENT_ETL_} and the
 * key's path in upper case with underscores, its value read as YAML. Secrets come from the
 * environment or a file.
 */
public record JobConfig(
    SourceConfig source,
    ClickHouseConfig clickhouse,
    StatisticsConfig statistics,
    FindingsConfig findings,
    DeliveryConfig delivery,
    KafkaConfig kafka,
    OutboxConfig outbox,
    StateConfig state)
    implements Serializable {

  static final ObjectMapper YAML =
      new ObjectMapper(new YAMLFactory().enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION))
          .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);
  private static final Duration NONE = Duration.ZERO;
  private static final Set<String> NOT_TO_BE_SET =
      Set.of(
          "bootstrap.servers",
          "transactional.id",
          "transaction.timeout.ms",
          "isolation.level",
          "enable.idempotence",
          "acks",
          "group.id",
          "enable.auto.commit",
          "auto.offset.reset",
          "max.request.size",
          "key.serializer",
          "value.serializer",
          "key.deserializer",
          "value.deserializer");
  private static final Duration CENTURY = Duration.ofDays(36_500);

  /**
   * Reads and checks a configuration.
   *
   * @param environment as {@link System#getenv()} gives it
   * @throws InvalidConfigurationException with all that is wrong
   */
  public static JobConfig load(Path file, Map<String, String> environment) {
    String yaml;
    try {
      yaml = Files.readString(file);
    } catch (IOException e) {
      throw new InvalidConfigurationException(
          "The configuration " + file,
          List.of(
              new ConfigurationError(
                  file.toString(),
                  "cannot be read (" + e.getClass().getSimpleName() + ").",
                  "Pass the path of a readable YAML file by --config.")));
    }
    return parse("The configuration " + file, yaml, environment);
  }

  static JobConfig parse(String origin, String yaml, Map<String, String> environment) {
    List<ConfigurationError> errors = new ArrayList<>();
    JsonNode root;
    try {
      root = YAML.readTree(yaml);
    } catch (JsonProcessingException e) {
      throw new InvalidConfigurationException(origin, List.of(syntaxError(e)));
    }
    if (root.isNull()) {
      root = MissingNode.getInstance();
    } else if (!root.isMissingNode() && !root.isObject()) {
      errors.add(
          new ConfigurationError(
              "the file",
              "is not a group of keys.",
              "Begin it with source: or another documented key."));
      root = MissingNode.getInstance();
    }
    Section top = new Section("", root, overrides(environment), errors);
    JobConfig config =
        of(
            source(top.section("source"), environment),
            clickhouse(top.section("clickhouse"), environment),
            statistics(top.section("statistics")),
            findings(top.section("findings")),
            delivery(top.section("delivery")),
            kafka(top.section("kafka")),
            outbox(top.section("outbox")),
            state(top.section("state")));
    top.end();
    if (config.source().type() == SourceType.KAFKA
        && config.delivery().mode() == DeliveryMode.LOW_LATENCY) {
      errors.add(
          new ConfigurationError(
              "delivery.mode",
              "is low-latency, and source.type is kafka, whose rows may come in another order after a restart.",
              "Set delivery.mode: exactly-once, or source.type: postgres."));
    }
    if (!errors.isEmpty()) {
      throw new InvalidConfigurationException(origin, errors);
    }
    return config;
  }

  /** The outbox's event types are known types. */
  private static JobConfig of(
      SourceConfig source,
      ClickHouseConfig clickhouse,
      StatisticsConfig statistics,
      FindingsConfig findings,
      DeliveryConfig delivery,
      KafkaConfig kafka,
      OutboxConfig outbox,
      StateConfig state) {
    return new JobConfig(
        source,
        clickhouse,
        statistics,
        findings.alsoKnowing(outbox.eventTypes()),
        delivery,
        kafka,
        outbox,
        state);
  }

  /** Secrets apart: their names are no keys. */
  private static Map<String, String> overrides(Map<String, String> environment) {
    Map<String, String> overrides = new TreeMap<>();
    environment.forEach(
        (name, value) -> {
          if (name.startsWith("EXPERIMENT_ETL_") && !name.endsWith("_PASSWORD")) {
            overrides.put(name, value);
          }
        });
    return overrides;
  }

  /** Without the parser's excerpt of the text around: a secret might stand there. */
  static ConfigurationError syntaxError(JsonProcessingException e) {
    String where = "the file";
    if (e.getLocation() != null) {
      where = "line " + e.getLocation().getLineNr() + ", column " + e.getLocation().getColumnNr();
    }
    return new ConfigurationError(
        where,
        "is not YAML: " + e.getOriginalMessage().lines().findFirst().orElse("") + ".",
        "Correct it; keys of one group are indented alike.");
  }

  private static SourceConfig source(Section section, Map<String, String> environment) {
    SourceConfig d = SourceConfig.defaults();
    SourceConfig config =
        new SourceConfig(
            section.choice("type", SourceType.class, d.type()),
            section.text("host", d.host()),
            section.integer("port", d.port(), 1, 65_535),
            section.text("database", d.database()),
            section.text("schema", d.schema()),
            section.text("username", d.username()),
            section.password(environment),
            section.identifier("publication", d.publication()),
            section.identifier("slot", d.slot()),
            section.duration(
                "heartbeat-interval",
                d.heartbeatInterval(),
                Duration.ofMillis(100),
                Duration.ofMinutes(5)),
            section.integer("split-size", d.splitSize(), 100, 10_000_000),
            section.duration("event-retention", d.eventRetention(), Duration.ofDays(1), CENTURY),
            section.duration(
                "assignment-retention", d.assignmentRetention(), Duration.ofDays(1), CENTURY));
    section.end();
    return config;
  }

  private static ClickHouseConfig clickhouse(Section section, Map<String, String> environment) {
    ClickHouseConfig d = ClickHouseConfig.defaults();
    ClickHouseConfig config =
        new ClickHouseConfig(
            section.httpUrl("url", d.url()),
            section.text("database", d.database()),
            section.text("username", d.username()),
            section.password(environment),
            section.integer("batch-rows", d.batchRows(), 1, 1_000_000),
            section.size("batch-bytes", d.batchBytes(), 1 << 10, 1 << 30),
            section.size("inline-bytes", d.inlineBytes(), 0, 1 << 30),
            section.optionalText("spill-directory"),
            section.duration(
                "request-timeout", d.requestTimeout(), Duration.ofSeconds(1), Duration.ofHours(1)),
            section.duration(
                "commit-deadline", d.commitDeadline(), Duration.ofSeconds(1), Duration.ofDays(1)));
    section.end();
    return config;
  }

  private static StatisticsConfig statistics(Section section) {
    StatisticsConfig d = StatisticsConfig.defaults();
    StatisticsConfig config =
        new StatisticsConfig(
            section.zone("zone", d.zone()),
            section.choice("population", Population.class, d.population()),
            section.text("exposure-event", d.exposureEvent()),
            section.choice("crossover", CrossoverPolicy.class, d.crossover()),
            section.duration("allowed-lateness", d.allowedLateness(), NONE, CENTURY),
            metrics(section, d.metrics()));
    section.end();
    return config;
  }

  private static List<MetricConfig> metrics(Section section, List<MetricConfig> defaultValue) {
    List<Section> given = section.sections("metrics");
    if (given == null) {
      return defaultValue;
    }
    List<MetricConfig> metrics = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (Section one : given) {
      MetricConfig metric = metric(one);
      if (metric.name() != null && !names.add(metric.name())) {
        one.error(
            "name",
            "\"" + metric.name() + "\" is another metric's name too.",
            "Give each metric a name of its own.");
      }
      metrics.add(metric);
    }
    return metrics;
  }

  private static MetricConfig metric(Section section) {
    for (String required : List.of("name", "kind", "event-type")) {
      if (!section.has(required)) {
        section.error(required, "is missing.", "A metric needs a name, a kind and an event-type.");
      }
    }
    MetricConfig metric =
        new MetricConfig(
            section.identifier("name", null),
            section.choice("kind", MetricKind.class, null),
            section.text("event-type", null),
            section.optionalText("property"),
            section.duration("delay", NONE, NONE, CENTURY),
            section.optionalDuration("window", Duration.ofMillis(1), CENTURY),
            denominator(section),
            section.optionalAmount("cap"),
            section.optionalDuration("covariate", Duration.ofMillis(1), CENTURY),
            section.optionalDate("since"));
    if (metric.kind() != null) {
      checkKind(section, metric);
    }
    section.end();
    return metric;
  }

  private static MetricTerm denominator(Section metric) {
    if (metric.isEmpty("denominator")) {
      return null;
    }
    Section section = metric.section("denominator");
    if (!metric.isGroup("denominator")) {
      return null;
    }
    if (!section.has("event-type")) {
      section.error("event-type", "is missing.", "A denominator needs the events that count.");
    }
    MetricTerm term =
        new MetricTerm(section.text("event-type", null), section.optionalText("property"));
    section.end();
    return term;
  }

  /** What a kind needs, and what has no meaning for it. */
  private static void checkKind(Section section, MetricConfig metric) {
    MetricKind kind = metric.kind();
    String thisIs = "this is a " + kind.columnValue() + ".";
    if (kind == MetricKind.MEAN && metric.property() == null) {
      section.error(
          "property", "is missing.", "A mean needs the property that holds the event's value.");
    }
    if ((kind == MetricKind.PROPORTION || kind == MetricKind.COUNT) && metric.property() != null) {
      section.error(
          "property",
          "belongs to a mean or a ratio, and " + thisIs,
          "Remove it, or set kind: mean.");
    }
    if (kind == MetricKind.RATIO && section.isEmpty("denominator")) {
      section.error(
          "denominator",
          "is missing.",
          "A ratio needs the group denominator with an event-type, and a property or none.");
    }
    if (kind != MetricKind.RATIO && metric.denominator() != null) {
      section.error(
          "denominator", "belongs to a ratio, and " + thisIs, "Remove it, or set kind: ratio.");
    }
    if (kind == MetricKind.PROPORTION && metric.cap() != null) {
      section.error(
          "cap",
          "has no meaning for a proportion, whose users count as 0 or 1.",
          "Remove it, or set kind: count.");
    }
    if (kind == MetricKind.RATIO && metric.covariate() != null) {
      section.error(
          "covariate",
          "is not computed for a ratio.",
          "Remove it, and declare the numerator as a metric of its own with this covariate.");
    }
  }

  private static FindingsConfig findings(Section section) {
    FindingsConfig d = FindingsConfig.defaults();
    FindingsConfig config =
        new FindingsConfig(
            section.duration("grace", d.grace(), NONE, Duration.ofDays(1)),
            section.duration("future-tolerance", d.futureTolerance(), NONE, Duration.ofDays(365)),
            section.integer("pending-per-user", d.pendingPerUser(), 1, 1_000_000),
            section.fraction("srm-alert-p", d.srmAlertP(), 0, 1),
            section.integer(
                "srm-minimum-users-per-variant", d.srmMinimumUsersPerVariant(), 1, 1_000_000_000),
            section.list("event-types", d.eventTypes(), value -> null),
            health(section.section("health")));
    section.end();
    return config;
  }

  private static HealthConfig health(Section section) {
    HealthConfig d = HealthConfig.defaults();
    HealthConfig config =
        new HealthConfig(
            section.fraction("crossover-share", d.crossoverShare(), 0, 1),
            section.integer("crossover-minimum-users", d.crossoverMinimumUsers(), 1, 1_000_000_000),
            section.integer("variant-minimum-users", d.variantMinimumUsers(), 1, 1_000_000_000),
            section.duration(
                "no-exposures-after", d.noExposuresAfter(), NONE, Duration.ofDays(365)),
            section.integer("metric-minimum-users", d.metricMinimumUsers(), 1, 1_000_000_000),
            section.integer(
                "volume-minimum-exposures", d.volumeMinimumExposures(), 1, 1_000_000_000),
            section.fraction("outlier-share", d.outlierShare(), 0, 1),
            section.duration("freshness", d.freshness(), Duration.ofSeconds(1), Duration.ofDays(1)),
            section.integer("bot-events-per-day", d.botEventsPerDay(), 1, 1_000_000_000));
    section.end();
    return config;
  }

  private static KafkaConfig kafka(Section section) {
    KafkaConfig d = KafkaConfig.defaults();
    KafkaConfig config =
        new KafkaConfig(
            section.text("bootstrap-servers", d.bootstrapServers()),
            clientProperties(section),
            section.topic("source-topic-prefix", d.sourceTopicPrefix()),
            section.optionalTopic("findings-topic"),
            section.optionalText("transactional-id-prefix"),
            section.duration(
                "transaction-timeout",
                d.transactionTimeout(),
                Duration.ofSeconds(10),
                Duration.ofDays(7)));
    section.end();
    return config;
  }

  private static SortedMap<String, String> clientProperties(Section section) {
    SortedMap<String, String> properties = section.texts("properties");
    properties.forEach(
        (name, value) -> {
          if (NOT_TO_BE_SET.contains(name)) {
            section.error(
                "properties." + name,
                "is the job's own: exactly once depends on it.",
                "Remove it"
                    + (name.equals("bootstrap.servers") ? "; set bootstrap-servers." : "."));
          } else if ((name.endsWith("password") || name.endsWith("jaas.config"))
              && !value.contains("${")) {
            section.error(
                "properties." + name,
                "is a secret, and secrets never stand in this file.",
                "Refer to it: config.providers: file, config.providers.file.class:"
                    + " org.apache.kafka.common.config.provider.FileConfigProvider, and ${file:PATH:KEY} here.");
          }
        });
    return properties;
  }

  private static OutboxConfig outbox(Section section) {
    OutboxConfig d = OutboxConfig.defaults();
    OutboxConfig config =
        new OutboxConfig(
            section.bool("enabled", d.enabled()),
            section.topic("topic-prefix", d.topicPrefix()),
            section.list("aggregate-types", d.aggregateTypes(), Section::topicComplaint),
            section.list("event-types", d.eventTypes(), value -> null),
            section.duration("grace", d.grace(), Duration.ofSeconds(1), Duration.ofDays(1)),
            section.duration(
                "stuck-after", d.stuckAfter(), Duration.ofSeconds(1), Duration.ofDays(30)));
    section.end();
    return config;
  }

  private static StateConfig state(Section section) {
    StateConfig config = new StateConfig(section.optionalDuration("evict-after", NONE, CENTURY));
    section.end();
    return config;
  }

  private static DeliveryConfig delivery(Section section) {
    DeliveryConfig d = DeliveryConfig.defaults();
    DeliveryConfig config =
        new DeliveryConfig(
            section.choice("mode", DeliveryMode.class, d.mode()),
            section.duration("linger", d.linger(), Duration.ofMillis(10), Duration.ofMinutes(1)));
    section.end();
    return config;
  }
}
