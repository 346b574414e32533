package io.experimentetl.operations;

import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.Secret;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.config.YamlText;
import io.experimentetl.postgres.PostgresSession;
import io.experimentetl.postgres.PostgresTls;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Option;

/** The databases that the command line names; a picocli mixin. */
public final class NamedServers implements Databases {
  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "the job's configuration, which names both databases")
  private Path config;

  @Option(
      names = "--postgres-url",
      paramLabel = "URL",
      description = "jdbc:postgresql://host:port/database, instead of the configuration's source")
  private String postgresUrl;

  @Option(
      names = "--postgres-user",
      paramLabel = "USER",
      description = "instead of source.username")
  private String postgresUser;

  @Option(
      names = "--postgres-password-file",
      paramLabel = "FILE",
      description = "instead of the environment variable EXPERIMENT_ETL_SOURCE_PASSWORD")
  private Path postgresPasswordFile;

  @Option(
      names = "--clickhouse-url",
      paramLabel = "URL",
      description = "http://host:port, instead of clickhouse.url")
  private String clickHouseUrl;

  @Option(
      names = "--clickhouse-database",
      paramLabel = "NAME",
      description = "instead of clickhouse.database")
  private String clickHouseDatabase;

  @Option(
      names = "--clickhouse-user",
      paramLabel = "USER",
      description = "instead of clickhouse.username")
  private String clickHouseUser;

  @Option(
      names = "--clickhouse-password-file",
      paramLabel = "FILE",
      description = "instead of the environment variable EXPERIMENT_ETL_CLICKHOUSE_PASSWORD")
  private Path clickHousePasswordFile;

  private record Loaded(String text, JobConfig config) {}

  /** Parsed once per version of the file: an API asks for every request, several times. */
  private volatile Loaded loaded;

  /** Whether the command line names a server or a configuration. */
  public boolean areGiven() {
    return config != null || postgresUrl != null || clickHouseUrl != null;
  }

  @Override
  public Optional<Path> configFile() {
    return Optional.ofNullable(config);
  }

  @Override
  public JobConfig config() {
    if (config == null) {
      return JobConfig.defaults();
    }
    String text = YamlText.read(config);
    Loaded last = loaded;
    if (last == null || !last.text.equals(text)) {
      last = new Loaded(text, JobConfig.parse("The configuration " + config, text, environment()));
      loaded = last;
    }
    return last.config;
  }

  /**
   * The environment for reading the configuration. It has no gap where a password is: the job needs
   * both passwords, but a verb may need only one, or take it from a file.
   */
  static Map<String, String> environment() {
    Map<String, String> environment = new HashMap<>(System.getenv());
    for (String password :
        List.of(
            "EXPERIMENT_ETL_SOURCE_PASSWORD",
            "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD",
            "EXPERIMENT_ETL_ARCHIVE_S3_PASSWORD")) {
      environment.putIfAbsent(password, "looked up when it is used");
    }
    return environment;
  }

  @Override
  public PostgresLogin postgres() {
    if (config == null && postgresUrl == null) {
      throw new OperationsException(
          "Nothing names the PostgreSQL: give the job's configuration by --config FILE, or --postgres-url URL.");
    }
    SourceConfig source = config().source();
    return new PostgresLogin(
        PostgresTls.inUrl(
            PostgresSession.inSchema(
                postgresUrl != null
                    ? postgresUrl
                    : PostgresSession.url(source.host(), source.port(), source.database()),
                source.schema()),
            source.tls()),
        postgresUser != null ? postgresUser : source.username(),
        password(postgresPasswordFile, source.password()));
  }

  @Override
  public ClickHouseLogin clickHouse() {
    if (config == null && clickHouseUrl == null) {
      throw new OperationsException(
          "Nothing names the ClickHouse: give the job's configuration by --config FILE, or --clickhouse-url URL.");
    }
    ClickHouseConfig warehouse = config().clickhouse();
    return new ClickHouseLogin(
        clickHouseUrl != null ? clickHouseUrl : warehouse.url(),
        clickHouseDatabase != null ? clickHouseDatabase : warehouse.database(),
        clickHouseUser != null ? clickHouseUser : warehouse.username(),
        password(clickHousePasswordFile, warehouse.password()),
        warehouse.tls());
  }

  private static String password(Path file, Secret configured) {
    try {
      return (file != null ? Secret.fromFile(file.toString()) : configured).value();
    } catch (IllegalStateException e) {
      throw new OperationsException(e.getMessage(), e);
    }
  }
}
