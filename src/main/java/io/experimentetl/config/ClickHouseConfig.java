package io.experimentetl.config;

import static io.experimentetl.config.ValueType.duration;
import static io.experimentetl.config.ValueType.httpUrl;
import static io.experimentetl.config.ValueType.integer;
import static io.experimentetl.config.ValueType.size;
import static io.experimentetl.config.ValueType.text;

import io.experimentetl.tls.TlsFiles;
import java.io.Serializable;
import java.time.Duration;

/**
 * The warehouse.
 *
 * @param url {@code http://host:port} or {@code https://…}, without user, path or query
 * @param tls certificates and keys for a URL with https
 * @param batchRows rows at which a batch is sealed
 * @param batchBytes uncompressed bytes at which a batch is sealed
 * @param inlineBytes compressed bytes up to which a sealed batch is stored in the checkpoint; a
 *     larger one is written to a file in {@code spillDirectory}
 * @param spillDirectory URI of a folder that every TaskManager can read and that outlives them;
 *     null: a folder beside the job's checkpoints
 * @param requestTimeout for one HTTP request, milliseconds precision
 * @param commitDeadline how long a batch is retried before the job fails and restarts from its
 *     checkpoint
 */
public record ClickHouseConfig(
    String url,
    String database,
    String username,
    Secret password,
    TlsFiles tls,
    int batchRows,
    int batchBytes,
    int inlineBytes,
    String spillDirectory,
    Duration requestTimeout,
    Duration commitDeadline)
    implements Serializable {

  /** The default of every key. */
  public static ClickHouseConfig defaults() {
    return read(Section.empty("clickhouse"));
  }

  static ClickHouseConfig read(Section section) {
    String url = section.get("url", httpUrl(), "http://localhost:8123");
    TlsFiles tls = section.group("tls", TlsKeys::read);
    if (!tls.isEmpty() && !url.startsWith("https:")) {
      section.error(
          "url",
          "begins with http://, but the keys of tls demand an encrypted connection.",
          "Name the server's https port, or remove the keys.");
    }
    return new ClickHouseConfig(
        url,
        section.get("database", text(), "experiments"),
        section.get("username", text(), "experiment_etl"),
        section.password(),
        tls,
        section.get("batch-rows", integer(1, 1_000_000), 100_000),
        section.get("batch-bytes", size(1 << 10, 1 << 30), 64 << 20),
        section.get("inline-bytes", size(0, 1 << 30), 256 << 10),
        section.optional("spill-directory", text()),
        section.get(
            "request-timeout",
            duration(Duration.ofSeconds(1), Duration.ofHours(1)),
            Duration.ofMinutes(2)),
        section.get(
            "commit-deadline",
            duration(Duration.ofSeconds(1), Duration.ofDays(1)),
            Duration.ofMinutes(10)));
  }

  ClickHouseConfig withDatabase(String other) {
    return new ClickHouseConfig(
        url,
        other,
        username,
        password,
        tls,
        batchRows,
        batchBytes,
        inlineBytes,
        spillDirectory,
        requestTimeout,
        commitDeadline);
  }
}
