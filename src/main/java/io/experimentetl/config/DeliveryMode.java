package io.experimentetl.config;

/** When rows become visible in ClickHouse. */
public enum DeliveryMode {
  /** When their checkpoint completes, each exactly once. */
  EXACTLY_ONCE,
  /**
   * At once for replay-stable rows, which a restart produces again unchanged; exact under {@code
   * FINAL}. All other rows as in {@link #EXACTLY_ONCE}.
   */
  LOW_LATENCY
}
