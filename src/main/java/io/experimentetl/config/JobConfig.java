package io.experimentetl.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.experimentetl.mapping.FactTable;
import io.experimentetl.mapping.ReplicatedTable;
import java.io.Serializable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * All settings of the job, from one YAML file; {@code experiment-etl.yaml} documents every key. An
 * environment variable overrides a key: {@code EXPERIMENT_ETL_} and the key's path in upper case
 * with underscores, with a YAML value. Secrets come from the environment or from files. Each
 * section's record reads its own keys.
 */
public record JobConfig(
    SourceConfig source,
    ClickHouseConfig clickhouse,
    StatisticsConfig statistics,
    FindingsConfig findings,
    DeliveryConfig delivery,
    KafkaConfig kafka,
    OutboxConfig outbox,
    StateConfig state,
    RetentionConfig retention,
    ArchiveConfig archive,
    ServeConfig serve,
    List<ReplicatedTable> replicate)
    implements Serializable {

  /**
   * Reads and checks a configuration.
   *
   * @param environment see {@link System#getenv()}
   * @throws InvalidConfigurationException with every error of the file
   */
  public static JobConfig load(Path file, Map<String, String> environment) {
    return parse("The configuration " + file, YamlText.read(file), environment);
  }

  /**
   * A configuration and its errors.
   *
   * @param config has the default of each wrong value
   * @param errors empty: the file is right
   */
  public record Draft(JobConfig config, List<ConfigurationError> errors) {}

  /**
   * Reads a configuration that may be wrong, so that its other errors can be looked for too.
   *
   * @throws InvalidConfigurationException the file is not YAML
   */
  public static Draft draft(Path file, Map<String, String> environment) {
    List<ConfigurationError> errors = new ArrayList<>();
    JobConfig config = read("The configuration " + file, YamlText.read(file), environment, errors);
    return new Draft(config, List.copyOf(errors));
  }

  /** The configuration of an empty file. A password is looked for when it is used. */
  public static JobConfig defaults() {
    return new JobConfig(
        SourceConfig.defaults(),
        ClickHouseConfig.defaults(),
        StatisticsConfig.defaults(),
        FindingsConfig.defaults(),
        DeliveryConfig.defaults(),
        KafkaConfig.defaults(),
        OutboxConfig.defaults(),
        StateConfig.defaults(),
        RetentionConfig.defaults(),
        ArchiveConfig.defaults(),
        ServeConfig.defaults(),
        List.of());
  }

  /** The same, for another database of the same ClickHouse. */
  public JobConfig withClickHouseDatabase(String database) {
    return with(source, clickhouse.withDatabase(database), kafka, outbox, replicate);
  }

  /** The same, with what the servers' catalogues say about the replicated tables. */
  public JobConfig withReplicated(List<ReplicatedTable> resolved) {
    return with(source.withReplicated(resolved), clickhouse, kafka, outbox, resolved);
  }

  /**
   * The same, for a second job beside the one of this configuration: it reads another slot, writes
   * into another database, and writes nothing to Kafka.
   */
  public JobConfig beside(String slot, String database) {
    return with(
        source.withSlot(slot),
        clickhouse.withDatabase(database),
        kafka.withoutFindingsTopic(),
        outbox.disabled(),
        replicate);
  }

  private JobConfig with(
      SourceConfig otherSource,
      ClickHouseConfig otherClickhouse,
      KafkaConfig otherKafka,
      OutboxConfig otherOutbox,
      List<ReplicatedTable> otherReplicate) {
    return new JobConfig(
        otherSource,
        otherClickhouse,
        statistics,
        findings,
        delivery,
        otherKafka,
        otherOutbox,
        state,
        retention,
        archive,
        serve,
        otherReplicate);
  }

  public static JobConfig parse(String origin, String yaml, Map<String, String> environment) {
    List<ConfigurationError> errors = new ArrayList<>();
    JobConfig config = read(origin, yaml, environment, errors);
    if (!errors.isEmpty()) {
      throw new InvalidConfigurationException(origin, errors);
    }
    return config;
  }

  private static JobConfig read(
      String origin,
      String yaml,
      Map<String, String> environment,
      List<ConfigurationError> errors) {
    try {
      return Section.read(Section.parse(yaml, environment, errors), JobConfig::read);
    } catch (JsonProcessingException e) {
      throw new InvalidConfigurationException(origin, List.of(YamlText.error(e)));
    }
  }

  /** A metric names a table that is there, and exposures count whatever table they are from. */
  private static void checkFacts(
      Section section, SourceConfig source, StatisticsConfig statistics) {
    List<String> names = source.tables().facts().stream().map(FactTable::name).toList();
    for (int i = 0; i < statistics.metrics().size(); i++) {
      MetricConfig metric = statistics.metrics().get(i);
      String key = "statistics.metrics[" + i + "].";
      checkFact(section, key + "fact", metric.numerator(), names, statistics);
      if (metric.denominator() != null) {
        checkFact(section, key + "denominator.fact", metric.denominator(), names, statistics);
      }
    }
  }

  private static void checkFact(
      Section section, String key, MetricTerm term, List<String> names, StatisticsConfig config) {
    if (term.fact() == null) {
      return;
    }
    if (!names.contains(term.fact())) {
      section.error(
          key,
          "\"%s\" is not the name of an entry of source.tables.facts.".formatted(term.fact()),
          names.isEmpty()
              ? "Remove it, or add the entry."
              : ("Use one of "
                      + String.join(", ", names)
                      + ". "
                      + NearestName.question(term.fact(), names))
                  .strip());
    } else if (config.exposureEvent().equals(term.eventType())) {
      section.error(
          key,
          "stands beside the event type of exposures, which count whatever table they are from.",
          "Remove it, or give the metric another event-type.");
    }
  }

  static JobConfig read(Section section) {
    SourceConfig source = section.group("source", SourceConfig::read);
    ClickHouseConfig clickhouse = section.group("clickhouse", ClickHouseConfig::read);
    StatisticsConfig statistics = section.group("statistics", StatisticsConfig::read);
    FindingsConfig findings = section.group("findings", FindingsConfig::read);
    DeliveryConfig delivery = section.group("delivery", DeliveryConfig::read);
    KafkaConfig kafka = section.group("kafka", KafkaConfig::read);
    OutboxConfig outbox = section.group("outbox", OutboxConfig::read);
    StateConfig state = section.group("state", StateConfig::read);
    RetentionConfig retention = section.group("retention", RetentionConfig::read);
    ArchiveConfig archive = section.group("archive", ArchiveConfig::read);
    ServeConfig serve = section.group("serve", ServeConfig::read);
    List<ReplicatedTable> replicate = ReplicateConfig.read(section, source);
    if (source.type() == SourceType.KAFKA && delivery.mode() == DeliveryMode.LOW_LATENCY) {
      section.error(
          "delivery.mode",
          "is low-latency, but source.type is kafka, which may replay rows in another order after a restart.",
          "Set delivery.mode: exactly-once, or source.type: postgres.");
    }
    checkFacts(section, source, statistics);
    return new JobConfig(
        source.withExposureEvent(statistics.exposureEvent()).withReplicated(replicate),
        clickhouse,
        statistics,
        findings.withEventTypes(outbox.eventTypes()),
        delivery,
        kafka,
        outbox,
        state,
        retention,
        archive,
        serve,
        replicate);
  }
}
