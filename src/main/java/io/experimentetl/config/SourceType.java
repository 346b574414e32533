package io.experimentetl.config;

/** Where the changes come from. */
public enum SourceType {
  /** The replication slot, read by the job itself. */
  POSTGRES,
  /** Debezium's JSON topics: a connector elsewhere reads the slot. */
  KAFKA
}
