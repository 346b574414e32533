package io.experimentetl.cdc;

import io.experimentetl.model.SourceTable;
import java.io.Serializable;
import java.util.List;
import java.util.Properties;

/**
 * Which Kafka and which topics.
 *
 * @param client bootstrap.servers and the login
 * @param topicPrefix a table's topic has this prefix and the table's name
 * @param outbox whether the topic of {@code outbox_events} is read: without a relay there may be
 *     none
 */
public record KafkaSourceSettings(Properties client, String topicPrefix, boolean outbox)
    implements Serializable {

  List<String> topics() {
    return SourceTable.read(outbox).stream().map(this::topic).toList();
  }

  String topic(SourceTable table) {
    return topicPrefix + table.tableName();
  }

  /** The table of one of the topics. */
  SourceTable table(String topic) {
    return SourceTable.ofTableName(topic.substring(topicPrefix.length()));
  }

  /** The servers as a message names them. */
  String place() {
    return "Kafka " + client.getProperty("bootstrap.servers");
  }
}
