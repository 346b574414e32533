package io.experimentetl.config;

import java.io.Serializable;
import java.time.Duration;
import java.util.List;

/**
 * The relay of {@code outbox_events} to Kafka.
 *
 * @param enabled false: the rows are counted and left alone
 * @param topicPrefix a row goes to the topic of this prefix and its aggregate type
 * @param aggregateTypes those that have a topic; a row of another one is reported and not relayed
 * @param eventTypes values of {@code events.event_type} for which the platform writes an outbox row
 *     with every event: they are held against each other; empty: none are
 * @param grace how long an event and its outbox row may lie apart
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

  /** What holds where the file says nothing. */
  public static OutboxConfig defaults() {
    return new OutboxConfig(
        false,
        "outbox.",
        List.of("event", "assignment"),
        List.of(),
        Duration.ofMinutes(1),
        Duration.ofMinutes(10));
  }
}
