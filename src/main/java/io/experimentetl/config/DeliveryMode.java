package io.experimentetl.config;

/** When rows become visible in ClickHouse. */
public enum DeliveryMode {
  /** When their checkpoint completes; each exactly once. */
  EXACTLY_ONCE,
  /**
   * At once, where a restart brings the row again unchanged; exact under {@code FINAL}. All else as
   * in {@link #EXACTLY_ONCE}.
   */
  LOW_LATENCY
}
