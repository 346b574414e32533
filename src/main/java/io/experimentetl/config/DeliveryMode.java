package io.experimentetl.config;

/** When rows become visible in ClickHouse. */
public enum DeliveryMode {
  /** When their checkpoint completes; each exactly once. */
  EXACTLY_ONCE
}
