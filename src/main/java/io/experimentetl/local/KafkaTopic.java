package io.experimentetl.local;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Topics and their committed records. */
public final class KafkaTopic {
  /** Longer than the job may keep a transaction open between two checkpoints. */
  private static final Duration MARKERS = Duration.ofMinutes(2);

  private KafkaTopic() {}

  /** Creates the missing topics, with one partition each. */
  static void create(String bootstrapServers, Collection<String> topics) {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) bootstrapServers))) {
      Set<String> found = admin.listTopics().names().get(60, TimeUnit.SECONDS);
      admin
          .createTopics(
              topics.stream()
                  .filter(topic -> !found.contains(topic))
                  .map(topic -> new NewTopic(topic, 1, (short) 1))
                  .toList())
          .all()
          .get(60, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      throw new PlatformException(
          "the topics " + topics + " can't be made on Kafka " + bootstrapServers + ": " + e, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted while making topics", e);
    }
  }

  /**
   * All committed records up to the topic's present end. Kafka answers a commit before it writes
   * the transaction's markers: this waits for them, so that everything acknowledged is returned.
   *
   * @throws PlatformException when a transaction stays open
   */
  public static List<ConsumerRecord<String, String>> committed(
      String bootstrapServers, String topic) {
    try (KafkaConsumer<String, String> all = consumer(bootstrapServers, "read_uncommitted")) {
      return upTo(all.endOffsets(partitions(all, topic)), bootstrapServers, topic);
    }
  }

  /** The records that are readable now: none behind the first transaction that is open. */
  public static List<ConsumerRecord<String, String>> readable(
      String bootstrapServers, String topic) {
    try (KafkaConsumer<String, String> consumer = consumer(bootstrapServers, "read_committed")) {
      return upTo(consumer.endOffsets(partitions(consumer, topic)), bootstrapServers, topic);
    }
  }

  private static List<ConsumerRecord<String, String>> upTo(
      Map<TopicPartition, Long> ends, String bootstrapServers, String topic) {
    try (KafkaConsumer<String, String> consumer = consumer(bootstrapServers, "read_committed")) {
      Set<TopicPartition> partitions = ends.keySet();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      long deadline = System.nanoTime() + MARKERS.toNanos();
      List<ConsumerRecord<String, String>> records = new ArrayList<>();
      while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
        consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        if (System.nanoTime() > deadline) {
          throw new PlatformException(
              "the topic %s on Kafka %s has a transaction that did not end within %d s: is its job down? It ends by kafka.transaction-timeout"
                  .formatted(topic, bootstrapServers, MARKERS.toSeconds()));
        }
      }
      return records;
    }
  }

  private static List<TopicPartition> partitions(KafkaConsumer<?, ?> consumer, String topic) {
    return consumer.partitionsFor(topic).stream()
        .map(info -> new TopicPartition(info.topic(), info.partition()))
        .toList();
  }

  private static KafkaConsumer<String, String> consumer(String bootstrapServers, String isolation) {
    return new KafkaConsumer<>(
        Map.of(
            ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG,
            bootstrapServers,
            ConsumerConfig.ISOLATION_LEVEL_CONFIG,
            isolation,
            ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG,
            false),
        new StringDeserializer(),
        new StringDeserializer());
  }
}
