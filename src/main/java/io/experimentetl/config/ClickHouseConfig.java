package io.experimentetl.config;

import java.io.Serializable;
import java.time.Duration;

/**
 * The warehouse.
 *
 * @param url {@code http://host:port} or {@code https://…}, without user, path or query
 * @param batchRows rows at which a batch is sealed
 * @param batchBytes uncompressed bytes at which a batch is sealed
 * @param inlineBytes compressed bytes up to which a sealed batch travels in the checkpoint; a
 *     larger one goes to a file in {@code spillDirectory}
 * @param spillDirectory URI of a folder that every TaskManager reaches and that outlives them;
 *     null: one beside the job's checkpoints
 * @param requestTimeout of one HTTP request, milliseconds precision
 * @param commitDeadline how long a batch is retried before the job fails and restarts from its
 *     checkpoint
 */
public record ClickHouseConfig(
    String url,
    String database,
    String username,
    Secret password,
    int batchRows,
    int batchBytes,
    int inlineBytes,
    String spillDirectory,
    Duration requestTimeout,
    Duration commitDeadline)
    implements Serializable {

  /** What holds where the file says nothing. */
  public static ClickHouseConfig defaults() {
    return new ClickHouseConfig(
        "http://localhost:8123",
        "experiments",
        "experiment_etl",
        Secret.fromEnvironment("EXPERIMENT_ETL_CLICKHOUSE_PASSWORD"),
        100_000,
        64 << 20,
        256 << 10,
        null,
        Duration.ofMinutes(2),
        Duration.ofMinutes(10));
  }
}
