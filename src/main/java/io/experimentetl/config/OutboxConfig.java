package io.experimentetl.config;

import static io.experimentetl.config.ValueType.bool;
import static io.experimentetl.config.ValueType.duration;
import static io.experimentetl.config.ValueType.text;
import static io.experimentetl.config.ValueType.topic;

import java.io.Serializable;
import java.time.Duration;
import java.util.List;

/**
 * The relay of {@code outbox_events} to Kafka.
 *
 * @param enabled false: the rows are counted and not relayed
 * @param topicPrefix a row is sent to the topic of this prefix and its aggregate type
 * @param aggregateTypes the types that have a topic; a row of another type is reported and not
 *     relayed
 * @param eventTypes values of {@code events.event_type} for which the platform writes an outbox row
 *     with every event; these events are compared with their outbox rows; empty: none is compared
 * @param grace maximum delay between an event and its outbox row
 * @param stuckAfter how long a row may stay without its acknowledgement
 */
public record OutboxConfig(
    boolean enabled,
    String topicPrefix,
    List<String> aggregateTypes,
    List<String> eventTypes,
    Duration grace,
    Duration stuckAfter)
    implements Serializable {

  public OutboxConfig {
    aggregateTypes = List.copyOf(aggregateTypes);
    eventTypes = List.copyOf(eventTypes);
  }

  /** The default of every key. */
  public static OutboxConfig defaults() {
    return read(Section.empty("outbox"));
  }

  OutboxConfig disabled() {
    return new OutboxConfig(false, topicPrefix, aggregateTypes, eventTypes, grace, stuckAfter);
  }

  static OutboxConfig read(Section section) {
    return new OutboxConfig(
        section.get("enabled", bool(), false),
        section.get("topic-prefix", topic(), "outbox."),
        section.list("aggregate-types", topic(), List.of("event", "assignment")),
        section.list("event-types", text(), List.of()),
        section.get(
            "grace", duration(Duration.ofSeconds(1), Duration.ofDays(1)), Duration.ofMinutes(1)),
        section.get(
            "stuck-after",
            duration(Duration.ofSeconds(1), Duration.ofDays(30)),
            Duration.ofMinutes(10)));
  }
}
