package io.experimentetl.local;

import io.experimentetl.operations.FlinkEndpoint;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import picocli.CommandLine.Option;

/** The options of a platform's start; a picocli mixin. A server named by a URL is not started. */
public final class PlatformOptions {
  private static final String POSTGRES_SECRET = "EXPERIMENT_ETL_SOURCE_PASSWORD";
  private static final String CLICKHOUSE_SECRET = "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD";

  @Option(
      names = "--postgres-url",
      defaultValue = "${env:ETL_POSTGRES_URL}",
      paramLabel = "postgresql://USER@HOST:PORT/DATABASE",
      description = "use this PostgreSQL; its password is taken from $" + POSTGRES_SECRET)
  String postgresUrl;

  @Option(
      names = "--clickhouse-url",
      defaultValue = "${env:ETL_CLICKHOUSE_URL}",
      paramLabel = "http[s]://USER@HOST:PORT/DATABASE",
      description = "use this ClickHouse; its password is taken from $" + CLICKHOUSE_SECRET)
  String clickHouseUrl;

  @Option(
      names = "--kafka",
      defaultValue = "${env:ETL_KAFKA}",
      paramLabel = "HOST:PORT[,HOST:PORT]",
      description = "use this Kafka")
  String kafka;

  @Option(
      names = "--flink",
      defaultValue = "${env:ETL_FLINK}",
      paramLabel = "http[s]://HOST:PORT",
      description =
          "use the Flink cluster with this REST address; its processes need both passwords in their environment")
  String flink;

  @Option(names = "--without-kafka", description = "start no Kafka broker")
  boolean withoutKafka;

  @Option(
      names = "--without-ttl",
      description =
          "leave out the warehouse's retention (sql/clickhouse/9xx_retention.sql), for old data")
  boolean withoutTtl;

  @Option(
      names = "--task-managers",
      defaultValue = "1",
      paramLabel = "N",
      description = "how many TaskManagers to start (default: ${DEFAULT-VALUE})")
  int taskManagers = 1;

  @Option(
      names = "--job-config",
      paramLabel = "FILE",
      description =
          "the job's configuration; addresses and user names in it are replaced by the platform's")
  Path jobConfig;

  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description =
          "one key of the job's configuration, e.g. statistics.crossover=first; may be repeated")
  Map<String, String> jobSettings = new LinkedHashMap<>();

  /** Configuration keys of Flink that win over flink-conf/config.yaml. */
  @Option(
      names = "--flink-set",
      paramLabel = "KEY=VALUE",
      description = "one key of Flink's configuration; may be repeated")
  Map<String, String> flinkSettings = new LinkedHashMap<>();

  /** The platform of a plain command: no server named by a URL, one TaskManager. */
  public static PlatformOptions defaults() {
    return new PlatformOptions();
  }

  /** Adds a key of the job's configuration, e.g. {@code statistics.crossover}. */
  public PlatformOptions withJobSetting(String key, String value) {
    jobSettings.put(key, value);
    return this;
  }

  /** The job's configuration, in which addresses and user names are replaced. */
  public PlatformOptions withJobConfig(Path file) {
    jobConfig = file;
    return this;
  }

  /** Adds a key of Flink's configuration. */
  public PlatformOptions withFlinkSetting(String key, String value) {
    flinkSettings.put(key, value);
    return this;
  }

  public PlatformOptions withTaskManagers(int count) {
    taskManagers = count;
    return this;
  }

  /** Leaves out the warehouse's TTLs, which would remove old data. */
  public PlatformOptions withoutTtl() {
    withoutTtl = true;
    return this;
  }

  public PlatformOptions withoutKafka() {
    withoutKafka = true;
    return this;
  }

  /**
   * The given options; a repeated one has one entry per key. A file's entry includes its content.
   */
  SortedMap<String, String> given() {
    SortedMap<String, String> given = new TreeMap<>();
    put(given, "--postgres-url", postgresUrl);
    put(given, "--clickhouse-url", clickHouseUrl);
    put(given, "--kafka", kafka);
    put(given, "--flink", flink);
    put(given, "--without-kafka", withoutKafka ? "given" : null);
    put(given, "--without-ttl", withoutTtl ? "given" : null);
    put(given, "--task-managers", taskManagers == 1 ? null : Integer.toString(taskManagers));
    put(given, "--job-config", jobConfig == null ? null : fingerprint(jobConfig));
    jobSettings.forEach((key, value) -> put(given, "--set " + key, value));
    flinkSettings.forEach((key, value) -> put(given, "--flink-set " + key, value));
    return given;
  }

  private static void put(Map<String, String> given, String option, String value) {
    if (!absent(value)) {
      given.put(option, value);
    }
  }

  private static String fingerprint(Path file) {
    try {
      return "%s (content %08x)"
          .formatted(file.toAbsolutePath().normalize(), Arrays.hashCode(Files.readAllBytes(file)));
    } catch (IOException e) {
      throw new PlatformException("--job-config " + file + " can't be read: " + e, e);
    }
  }

  Optional<PostgresEndpoint> postgres() {
    if (absent(postgresUrl)) {
      return Optional.empty();
    }
    URI uri = uri("--postgres-url", postgresUrl, "postgresql://USER@HOST:PORT/DATABASE");
    return Optional.of(
        new PostgresEndpoint(
            uri.getHost(),
            uri.getPort() < 0 ? 5432 : uri.getPort(),
            uri.getPath().substring(1),
            uri.getUserInfo(),
            secret("--postgres-url", POSTGRES_SECRET)));
  }

  Optional<ClickHouseEndpoint> clickHouse() {
    if (absent(clickHouseUrl)) {
      return Optional.empty();
    }
    URI uri = uri("--clickhouse-url", clickHouseUrl, "http://USER@HOST:PORT/DATABASE");
    return Optional.of(
        new ClickHouseEndpoint(
            uri.getScheme()
                + "://"
                + uri.getHost()
                + ":"
                + (uri.getPort() < 0 ? 8123 : uri.getPort()),
            uri.getPath().substring(1),
            uri.getUserInfo(),
            secret("--clickhouse-url", CLICKHOUSE_SECRET)));
  }

  Optional<String> kafka() {
    return absent(kafka) ? Optional.empty() : Optional.of(kafka);
  }

  Optional<FlinkEndpoint> flink() {
    return absent(flink)
        ? Optional.empty()
        : Optional.of(new FlinkEndpoint(flink.replaceFirst("/+$", "")));
  }

  private static boolean absent(String value) {
    return value == null || value.isBlank();
  }

  private static URI uri(String option, String value, String form) {
    URI uri;
    try {
      uri = URI.create(value);
    } catch (IllegalArgumentException e) {
      // Without the cause: the text may contain a password.
      throw new PlatformException(option + " is not a URL; write " + form);
    }
    if (uri.getHost() == null
        || uri.getUserInfo() == null
        || uri.getPath() == null
        || uri.getPath().length() < 2) {
      throw new PlatformException(option + " is incomplete; write " + form);
    }
    if (uri.getUserInfo().contains(":")) {
      throw new PlatformException(
          option
              + " contains a password, which others on this machine could read; write "
              + form
              + " and set the password in the environment");
    }
    return uri;
  }

  private static String secret(String option, String variable) {
    String value = System.getenv(variable);
    if (absent(value)) {
      throw new PlatformException(
          option + " needs the server's password in the environment variable " + variable);
    }
    return value;
  }
}
