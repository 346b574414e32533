package io.experimentetl.cdc;

import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import java.io.Serializable;
import java.util.List;
import java.util.Properties;

/**
 * Which Kafka and which topics.
 *
 * @param client bootstrap.servers and the login
 * @param topicPrefix a table's topic has this prefix and the table's name at the source
 * @param mapping the tables that are read
 * @param outbox whether the topic of {@code outbox_events} is read: without a relay there may be
 *     none
 */
public record KafkaSourceSettings(
    Properties client, String topicPrefix, SourceMapping mapping, boolean outbox)
    implements Serializable {

  /** The topics that are read, each by one binding. */
  public List<String> topics() {
    return mapping.read(outbox).stream().map(this::topic).toList();
  }

  private String topic(TableBinding table) {
    return topicPrefix + table.name();
  }

  /** The binding that reads one of the topics. */
  TableBinding table(String topic) {
    return mapping.read(outbox).stream()
        .filter(table -> topic(table).equals(topic))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("No table has the topic " + topic));
  }

  /** The servers as a message names them. */
  String place() {
    return "Kafka " + client.getProperty("bootstrap.servers");
  }
}
