package io.experimentetl.config;

import java.io.Serializable;
import java.time.Duration;
import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The Kafka that the source, the outbox relay and the findings share.
 *
 * @param bootstrapServers {@code host:port}, more than one with commas
 * @param properties of all clients (security.protocol, sasl.jaas.config …); secrets by reference
 *     only ({@code config.providers}), because they travel in the job graph
 * @param sourceTopicPrefix of the topics that a source of type kafka reads: prefix and table name
 * @param findingsTopic where findings go beside {@code data_inconsistencies}; null: nowhere
 * @param transactionalIdPrefix one for each deployment on a Kafka; null: made of the source's
 *     database and slot
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

  public KafkaConfig {
    properties = Collections.unmodifiableSortedMap(new TreeMap<>(properties));
  }

  /** What holds where the file says nothing. */
  public static KafkaConfig defaults() {
    return new KafkaConfig(
        "localhost:9092",
        new TreeMap<>(Map.of()),
        "experiments_",
        null,
        null,
        Duration.ofMinutes(15));
  }
}
