package io.experimentetl;

import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceType;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.outbox.OutboxPreflight;
import io.experimentetl.tls.TlsFailure;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/**
 * Checks Kafka before the job is submitted, as far as the configuration uses it. Every problem is
 * one sentence that names the thing, the place and the remedy.
 */
final class KafkaPreflight {
  private static final Duration TIMEOUT = Duration.ofSeconds(10);

  private final JobConfig config;
  private final boolean hasState;
  private final String place;
  private final List<String> problems = new ArrayList<>();

  private KafkaPreflight(JobConfig config, boolean hasState) {
    this.config = config;
    this.hasState = hasState;
    this.place = "Kafka " + config.kafka().bootstrapServers();
  }

  /**
   * Returns all problems; none where nothing uses Kafka.
   *
   * @param hasState the job continues from a savepoint or checkpoint
   */
  static List<String> check(JobConfig config, boolean hasState) {
    KafkaPreflight preflight = new KafkaPreflight(config, hasState);
    preflight.checkTopics();
    if (config.outbox().enabled()) {
      preflight.problems.addAll(OutboxPreflight.check(KafkaSinks.database(config)));
    }
    return preflight.problems;
  }

  private void checkTopics() {
    Map<String, String> written = writtenTopics();
    List<String> read = readTopics();
    if (written.isEmpty() && read.isEmpty()) {
      return;
    }
    Properties client = KafkaSinks.client(config);
    client.setProperty("request.timeout.ms", Long.toString(TIMEOUT.toMillis() / 2));
    client.setProperty("default.api.timeout.ms", Long.toString(TIMEOUT.toMillis()));
    try (Admin admin = Admin.create(client)) {
      Set<String> found = admin.listTopics().names().get();
      checkWritten(written, found);
      checkRead(admin, read, found);
      if (!written.isEmpty()) {
        checkTransactionTimeout(admin);
      }
    } catch (ExecutionException e) {
      problems.add(unreachable(e.getCause()));
    } catch (KafkaException e) {
      problems.add(unreachable(e));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      problems.add("The check of " + place + " was interrupted: submit the job again.");
    }
  }

  /** The topics that the job writes, with their purpose and how to avoid them. */
  private Map<String, String> writtenTopics() {
    Map<String, String> written = new LinkedHashMap<>();
    if (config.outbox().enabled()) {
      for (String type : config.outbox().aggregateTypes()) {
        written.put(
            config.outbox().topicPrefix() + type,
            "for outbox rows of aggregate_type "
                + type
                + ", or remove it from outbox.aggregate-types");
      }
    }
    if (config.kafka().findingsTopic() != null) {
      written.put(
          config.kafka().findingsTopic(), "for findings, or set kafka.findings-topic: null");
    }
    return written;
  }

  /** The topics of Debezium that the job reads. */
  private List<String> readTopics() {
    List<String> read = new ArrayList<>();
    if (config.source().type() == SourceType.KAFKA) {
      for (TableBinding table : config.source().tables().read(config.outbox().enabled())) {
        read.add(config.kafka().sourceTopicPrefix() + table.name());
      }
    }
    return read;
  }

  private void checkWritten(Map<String, String> written, Set<String> found) {
    written.forEach(
        (topic, purpose) -> {
          if (!found.contains(topic)) {
            problems.add(
                "The topic "
                    + topic
                    + " is missing on "
                    + place
                    + ": create it (kafka-topics.sh --create --topic "
                    + topic
                    + ") "
                    + purpose
                    + ".");
          }
        });
  }

  private void checkRead(Admin admin, List<String> read, Set<String> found)
      throws ExecutionException, InterruptedException {
    for (String topic : read) {
      if (!found.contains(topic)) {
        problems.add(
            "The topic "
                + topic
                + " is missing on "
                + place
                + ": add its table to Debezium's table.include.list, route it there, and create the topic,"
                + " or correct kafka.source-topic-prefix.");
      } else if (!hasState) {
        checkBeginning(admin, topic);
      }
    }
  }

  private String unreachable(Throwable e) {
    Throwable root = TlsFailure.innermost(e);
    String tls = TlsFailure.explain(e);
    if (tls != null) {
      return place + " cannot be used: " + tls + ".";
    }
    return place
        + " cannot be used ("
        + e.getMessage()
        + (root == e ? "" : "; " + root.getMessage())
        + "): check kafka.bootstrap-servers and kafka.properties, and that the brokers run."
        + (config.kafka().properties().containsKey("security.protocol")
            ? ""
            : " If they demand TLS or a login, set security.protocol there.");
  }

  /**
   * Reports a topic that begins after offset 0: it has lost records before the job could read them,
   * unless it is compacted and has the last state of every row.
   */
  private void checkBeginning(Admin admin, String topic)
      throws ExecutionException, InterruptedException {
    Map<TopicPartition, OffsetSpec> asked = new LinkedHashMap<>();
    admin
        .describeTopics(List.of(topic))
        .allTopicNames()
        .get()
        .get(topic)
        .partitions()
        .forEach(p -> asked.put(new TopicPartition(topic, p.partition()), OffsetSpec.earliest()));
    for (var begin : admin.listOffsets(asked).all().get().entrySet()) {
      if (begin.getValue().offset() > 0
          && !setting(admin, ConfigResource.Type.TOPIC, topic, "cleanup.policy")
              .contains("compact")) {
        problems.add(
            "Partition "
                + begin.getKey()
                + " on "
                + place
                + " begins at offset "
                + begin.getValue().offset()
                + ", so earlier rows are gone: set cleanup.policy=compact or a longer retention.ms, and let Debezium take"
                + " a new snapshot into empty topics.");
      }
    }
  }

  private void checkTransactionTimeout(Admin admin)
      throws ExecutionException, InterruptedException {
    Node broker = admin.describeCluster().nodes().get().iterator().next();
    String max =
        setting(admin, ConfigResource.Type.BROKER, broker.idString(), "transaction.max.timeout.ms");
    long wanted = config.kafka().transactionTimeout().toMillis();
    if (!max.isEmpty() && Long.parseLong(max) < wanted) {
      problems.add(
          place
              + " allows transactions of "
              + max
              + " ms at most, but kafka.transaction-timeout is "
              + wanted
              + " ms: lower it, or raise the brokers' transaction.max.timeout.ms.");
    }
  }

  private static String setting(Admin admin, ConfigResource.Type type, String of, String name)
      throws ExecutionException, InterruptedException {
    ConfigResource resource = new ConfigResource(type, of);
    Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
    return config.get(name) == null || config.get(name).value() == null
        ? ""
        : config.get(name).value();
  }
}
