package io.experimentetl.config;

import static io.experimentetl.config.ValueType.duration;
import static io.experimentetl.config.ValueType.text;
import static io.experimentetl.config.ValueType.topic;

import java.io.Serializable;
import java.time.Duration;
import java.util.Collections;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The Kafka that the source, the outbox relay and the findings share.
 *
 * @param bootstrapServers {@code host:port}, several separated by commas
 * @param properties for all clients (security.protocol, sasl.jaas.config …); secrets only by
 *     reference ({@code config.providers}), because the properties are part of the job graph
 * @param sourceTopicPrefix a source of type kafka reads the topic of this prefix and the table name
 * @param findingsTopic receives findings beside {@code data_inconsistencies}; null: none
 * @param transactionalIdPrefix unique for each deployment on a Kafka; null: derived from the
 *     source's database and slot
 * @param transactionTimeout how long a transaction may stay open: longer than a checkpoint and the
 *     longest outage of the job together, and at most the broker's {@code
 *     transaction.max.timeout.ms}
 */
public record KafkaConfig(
    String bootstrapServers,
    SortedMap<String, String> properties,
    String sourceTopicPrefix,
    String findingsTopic,
    String transactionalIdPrefix,
    Duration transactionTimeout)
    implements Serializable {
  private static final Set<String> SET_BY_THE_JOB =
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

  public KafkaConfig {
    properties = Collections.unmodifiableSortedMap(new TreeMap<>(properties));
  }

  /** The default of every key. */
  public static KafkaConfig defaults() {
    return read(Section.empty("kafka"));
  }

  KafkaConfig withoutFindingsTopic() {
    return new KafkaConfig(
        bootstrapServers,
        properties,
        sourceTopicPrefix,
        null,
        transactionalIdPrefix,
        transactionTimeout);
  }

  static KafkaConfig read(Section section) {
    return new KafkaConfig(
        section.get("bootstrap-servers", text(), "localhost:9092"),
        clientProperties(section),
        section.get("source-topic-prefix", topic(), "experiments_"),
        section.optional("findings-topic", topic()),
        section.optional("transactional-id-prefix", text()),
        section.get(
            "transaction-timeout",
            duration(Duration.ofSeconds(10), Duration.ofDays(7)),
            Duration.ofMinutes(15)));
  }

  private static SortedMap<String, String> clientProperties(Section section) {
    SortedMap<String, String> properties = section.properties("properties");
    properties.forEach(
        (name, value) -> {
          if (SET_BY_THE_JOB.contains(name)) {
            section.error(
                "properties." + name,
                "is set by the job, because exactly-once delivery depends on it.",
                name.equals("bootstrap.servers")
                    ? "Remove it, and set bootstrap-servers."
                    : "Remove it.");
          } else if ((name.endsWith("password") || name.endsWith("jaas.config"))
              && !value.contains("${")) {
            section.error(
                "properties." + name,
                "is a secret, and secrets do not belong into this file.",
                "Refer to it: config.providers: file, config.providers.file.class:"
                    + " org.apache.kafka.common.config.provider.FileConfigProvider, and ${file:PATH:KEY} here.");
          }
        });
    return properties;
  }
}
