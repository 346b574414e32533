package io.experimentetl.config;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Command line options for the server and the user of commands that read ClickHouse. */
public final class ClickHouseOptions {
  @Option(
      names = "--clickhouse-url",
      paramLabel = "URL",
      description = "http://host:port, instead of clickhouse.url")
  private String url;

  @Option(
      names = "--clickhouse-database",
      paramLabel = "NAME",
      description = "instead of clickhouse.database")
  private String database;

  @Option(
      names = "--clickhouse-user",
      paramLabel = "USER",
      description = "instead of clickhouse.username")
  private String user;

  @Option(
      names = "--clickhouse-password-file",
      paramLabel = "FILE",
      description = "instead of the environment variable EXPERIMENT_ETL_CLICKHOUSE_PASSWORD")
  private Path passwordFile;

  /** Whether the options contain the server's address. */
  public boolean nameTheServer() {
    return url != null;
  }

  /** Returns the configuration with the options in place of its settings. */
  public ClickHouseConfig over(ClickHouseConfig config) {
    return new ClickHouseConfig(
        url != null ? url : config.url(),
        database != null ? database : config.database(),
        user != null ? user : config.username(),
        passwordFile != null ? Secret.fromFile(passwordFile.toString()) : config.password(),
        config.batchRows(),
        config.batchBytes(),
        config.inlineBytes(),
        config.spillDirectory(),
        config.requestTimeout(),
        config.commitDeadline());
  }
}
