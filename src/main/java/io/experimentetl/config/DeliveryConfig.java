package io.experimentetl.config;

import java.io.Serializable;

/** What the warehouse's reader may rely on. */
public record DeliveryConfig(DeliveryMode mode) implements Serializable {

  /** What holds where the file says nothing. */
  public static DeliveryConfig defaults() {
    return new DeliveryConfig(DeliveryMode.EXACTLY_ONCE);
  }
}
