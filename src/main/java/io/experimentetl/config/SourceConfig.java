package io.experimentetl.config;

import java.io.Serializable;
import java.time.Duration;

/**
 * The platform's PostgreSQL.
 *
 * @param type whether the job reads the slot itself, or Debezium's topics
 * @param publication of exactly the job's tables, made by {@code sql/postgres}
 * @param slot logical replication slot, made by {@code sql/postgres}
 * @param heartbeatInterval how often the source writes its heartbeat row: an idle source still
 *     moves on
 * @param splitSize rows of one chunk of the initial snapshot
 * @param eventRetention how long PostgreSQL keeps events: a delete of an older row is a clean-up
 * @param assignmentRetention how long PostgreSQL keeps assignments
 */
public record SourceConfig(
    SourceType type,
    String host,
    int port,
    String database,
    String schema,
    String username,
    Secret password,
    String publication,
    String slot,
    Duration heartbeatInterval,
    int splitSize,
    Duration eventRetention,
    Duration assignmentRetention)
    implements Serializable {

  /** What holds where the file says nothing. */
  public static SourceConfig defaults() {
    return new SourceConfig(
        SourceType.POSTGRES,
        "localhost",
        5432,
        "experiments",
        "public",
        "experiment_etl",
        Secret.fromEnvironment("EXPERIMENT_ETL_SOURCE_PASSWORD"),
        "experiment_etl",
        "experiment_etl",
        Duration.ofSeconds(10),
        100_000,
        Duration.ofDays(90),
        Duration.ofDays(365));
  }
}
