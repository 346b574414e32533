package io.experimentetl.config;

import java.io.Serializable;
import java.time.Duration;

/**
 * What the warehouse's reader may rely on.
 *
 * @param linger how long a row that is written through waits for others, milliseconds precision;
 *     without meaning in {@link DeliveryMode#EXACTLY_ONCE}
 */
public record DeliveryConfig(DeliveryMode mode, Duration linger) implements Serializable {

  /** What holds where the file says nothing. */
  public static DeliveryConfig defaults() {
    return new DeliveryConfig(DeliveryMode.EXACTLY_ONCE, Duration.ofMillis(200));
  }
}
