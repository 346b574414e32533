package io.experimentetl.local;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * ClickHouse 26.7 on free ports of 127.0.0.1: the engine of the npm package {@value
 * DownloadCache#CHDB_PACKAGE} in a JVM of its own, with its HTTP and TCP interfaces, {@code /play}
 * and query_log. Its directory keeps its data, its ports and its password, so the same server is
 * back after {@link #kill9()} and {@link #start()}.
 */
public final class ClickHouseServer extends LocalServer {
  public static final String USER = "etl";

  /** The job's user. It has the rights that sql/clickhouse/optional/roles.sql gives to a writer. */
  public static final String JOB_USER = "experiment_etl";

  /** In any database: the server takes no CREATE ROLE, and these come before the databases. */
  static final List<String> JOB_GRANTS =
      List.of(
          "GRANT SELECT, INSERT ON *.*",
          "REVOKE ALL ON system.*",
          "GRANT SELECT ON system.tables",
          "GRANT SELECT ON system.columns",
          "GRANT SELECT ON system.parts",
          "GRANT SELECT ON system.processes",
          "GRANT SELECT ON system.settings",
          "GRANT SELECT ON system.replicas");

  private static final Duration START_DEADLINE = Duration.ofSeconds(90);
  private static final Duration STOP_DEADLINE = Duration.ofSeconds(10);

  /**
   * {@code clickhouse local} lives as long as its query, and listens only on the ports that the
   * query starts. It is an INSERT, because a SELECT of hours is the alert EtlSlowQuery.
   */
  private static final String SERVE =
      """
      SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP;
      INSERT INTO FUNCTION null('slept UInt8') SELECT sleepEachRow(1) FROM numbers(100000000)
      SETTINGS function_sleep_max_microseconds_per_block = 1000000000000, max_block_size = 1, log_queries = 0""";

  private final Path directory;
  private final Path library;
  private final int tcpPort;
  private final ClickHouseEndpoint endpoint;

  private ClickHouseServer(Path directory) {
    super(STOP_DEADLINE);
    this.directory = directory.toAbsolutePath();
    this.library = DownloadCache.clickHouseLibrary();
    ServerIdentity identity = ServerIdentity.of(this.directory);
    this.tcpPort = identity.port("tcp-port");
    this.endpoint =
        new ClickHouseEndpoint(
            "http://127.0.0.1:" + identity.port("http-port"), "default", USER, identity.password());
  }

  /** Starts the server of this directory, downloading the engine on first use. */
  public static ClickHouseServer start(Path directory) {
    ClickHouseServer server = new ClickHouseServer(directory);
    server.configure();
    server.start();
    return server;
  }

  /** The database {@code default}; use {@link #newDatabase} for anything to keep. */
  public ClickHouseEndpoint endpoint() {
    return endpoint;
  }

  /** The job's login to a database of this server. */
  ClickHouseEndpoint ofJob(ClickHouseEndpoint database) {
    return new ClickHouseEndpoint(
        endpoint.url(), database.database(), JOB_USER, endpoint.password());
  }

  /** The port of the native protocol. */
  public int tcpPort() {
    return tcpPort;
  }

  /** Creates the database if it does not exist, and returns its endpoint. */
  public ClickHouseEndpoint newDatabase(String name) {
    endpoint.query("CREATE DATABASE IF NOT EXISTS `" + name.replace("`", "``") + '`');
    return endpoint.withDatabase(name);
  }

  /** Starts the stopped or killed server again, on the same data and ports. */
  public void start() {
    if (isAlive()) {
      throw new IllegalStateException("ClickHouse is running already: " + endpoint);
    }
    int httpPort = java.net.URI.create(endpoint.url()).getPort();
    FreePort.requireFree("ClickHouse", directory, httpPort, tcpPort);
    start(
        new ServerProcess.Command(
            "ClickHouse",
            List.of(
                JavaCommand.java(),
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-cp",
                JavaCommand.classPathOf(ClickHouseMain.class, com.sun.jna.Native.class),
                ClickHouseMain.class.getName(),
                library.toString(),
                "clickhouse",
                "--path=" + directory.resolve("data"),
                "--config-file=" + directory.resolve("config.xml"),
                "--listen_host=127.0.0.1",
                "--http_port=" + httpPort,
                "--tcp_port=" + tcpPort,
                "--query=" + SERVE),
            Map.of("TZ", "UTC"),
            directory,
            directory.resolve("clickhouse.log"),
            "TERM"),
        START_DEADLINE,
        () -> endpoint.query("SELECT 1").equals("1"));
  }

  private void configure() {
    try {
      Files.createDirectories(directory.resolve("data"));
      Files.writeString(
          directory.resolve("config.xml"),
          """
          <clickhouse>
            <users_config>%s</users_config>
            <max_server_memory_usage>6000000000</max_server_memory_usage>
            <mark_cache_size>268435456</mark_cache_size>
            <custom_local_disks_base_directory>%s/</custom_local_disks_base_directory>
            <query_log>
              <database>system</database>
              <table>query_log</table>
              <flush_interval_milliseconds>1000</flush_interval_milliseconds>
            </query_log>
          </clickhouse>
          """
              .formatted(directory.resolve("users.xml"), directory.resolve("disks")));
      writeUsers();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void writeUsers() throws IOException {
    // clickhouse local can only run as `default` without a password, so that user may start
    // listening and nothing else.
    ServerIdentity.writeSecret(
        directory.resolve("users.xml"),
        """
        <clickhouse>
          <profiles>
            <default>
              <log_queries>1</log_queries>
              <!-- On small tables compiling takes longer than the query. -->
              <compile_expressions>0</compile_expressions>
              <compile_aggregate_expressions>0</compile_aggregate_expressions>
              <compile_sort_description>0</compile_sort_description>
            </default>
          </profiles>
          <quotas><default/></quotas>
          <users>
            <default>
              <no_password/>
              <networks><ip>::1</ip></networks>
              <profile>default</profile>
              <quota>default</quota>
              <grants>
                <query>GRANT SYSTEM LISTEN ON *.*</query>
                <query>GRANT CREATE TEMPORARY TABLE ON *.*</query>
              </grants>
            </default>
            <%1$s>
              <password>%2$s</password>
              <networks><ip>127.0.0.1</ip></networks>
              <profile>default</profile>
              <quota>default</quota>
              <access_management>1</access_management>
            </%1$s>
            <%3$s>
              <password>%2$s</password>
              <networks><ip>127.0.0.1</ip></networks>
              <profile>default</profile>
              <quota>default</quota>
              <grants>%4$s</grants>
            </%3$s>
          </users>
        </clickhouse>
        """
            .formatted(
                USER,
                endpoint.password(),
                JOB_USER,
                JOB_GRANTS.stream()
                    .map(grant -> "<query>" + grant + "</query>")
                    .collect(Collectors.joining())));
  }
}
