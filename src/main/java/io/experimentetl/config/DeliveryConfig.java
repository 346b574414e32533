package io.experimentetl.config;

import static io.experimentetl.config.ValueType.choice;
import static io.experimentetl.config.ValueType.duration;

import java.io.Serializable;
import java.time.Duration;

/**
 * When rows become visible in ClickHouse.
 *
 * @param linger how long an early write waits for more rows, milliseconds precision; not used in
 *     {@link DeliveryMode#EXACTLY_ONCE}
 */
public record DeliveryConfig(DeliveryMode mode, Duration linger) implements Serializable {

  /** The default of every key. */
  public static DeliveryConfig defaults() {
    return read(Section.empty("delivery"));
  }

  static DeliveryConfig read(Section section) {
    return new DeliveryConfig(
        section.get("mode", choice(DeliveryMode.class), DeliveryMode.EXACTLY_ONCE),
        section.get(
            "linger",
            duration(Duration.ofMillis(10), Duration.ofMinutes(1)),
            Duration.ofMillis(150)));
  }
}
