package io.experimentetl.config;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Where ClickHouse is and who asks it: options of commands that read what the job has written. */
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

  /** Whether they say where ClickHouse is. */
  public boolean nameTheServer() {
    return url != null;
  }

  /** The configuration with what the options say in the place of what it says. */
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
