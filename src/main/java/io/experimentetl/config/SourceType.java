package io.experimentetl.config;

/** The source of the changes. */
public enum SourceType {
  /** The replication slot, read by the job itself. */
  POSTGRES,
  /** Debezium's JSON topics: a connector elsewhere reads the slot. */
  KAFKA
}
