package io.experimentetl.postgres;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Opens sessions on the source's server. Every session sets what it depends on, whatever ALTER ROLE
 * and ALTER DATABASE have set: a read-only default, timeouts and text formats. The driver itself
 * sets client_encoding, DateStyle, TimeZone and extra_float_digits.
 */
public final class PostgresSession {

  /** The property of the driver, and the parameter of its URL, for {@link #options}. */
  public static final String OPTIONS = "options";

  private static final int WITH_TRANSACTION_TIMEOUT = 17;

  private static final Map<String, String> SETTINGS =
      new TreeMap<>(
          Map.of(
              "default_transaction_read_only", "off",
              "default_transaction_isolation", "read\\ committed",
              "statement_timeout", "0",
              "lock_timeout", "0",
              "idle_in_transaction_session_timeout", "0",
              "idle_session_timeout", "0",
              "standard_conforming_strings", "on",
              "IntervalStyle", "postgres",
              "bytea_output", "hex"));

  private PostgresSession() {}

  /**
   * Options of a session's start-up packet, which take precedence over the settings of roles and
   * databases.
   *
   * @param serverVersion the server's major version
   */
  public static String options(int serverVersion) {
    String options =
        SETTINGS.entrySet().stream()
            .map(setting -> "-c " + setting.getKey() + "=" + setting.getValue())
            .collect(Collectors.joining(" "));
    return serverVersion >= WITH_TRANSACTION_TIMEOUT
        ? options + " -c transaction_timeout=0"
        : options;
  }

  /** The URL of a database, whose name may contain any character. */
  public static String url(String host, int port, String database) {
    return "jdbc:postgresql://%s:%d/%s"
        .formatted(host, port, URLEncoder.encode(database, StandardCharsets.UTF_8));
  }

  /**
   * The URL, with the schema as the search path unless the URL sets one.
   *
   * @param jdbcUrl {@code jdbc:postgresql://host:port/database}, perhaps with parameters
   */
  public static String inSchema(String jdbcUrl, String schema) {
    return jdbcUrl.contains("currentSchema=")
        ? jdbcUrl
        : withParameters(
            jdbcUrl, "currentSchema=" + URLEncoder.encode(schema, StandardCharsets.UTF_8));
  }

  /**
   * The URL with further parameters.
   *
   * @param jdbcUrl {@code jdbc:postgresql://host:port/database}, perhaps with parameters
   * @param parameters {@code name=value}, encoded, with {@code &} between them
   */
  public static String withParameters(String jdbcUrl, String parameters) {
    return jdbcUrl + (jdbcUrl.contains("?") ? "&" : "?") + parameters;
  }

  /**
   * Opens a session.
   *
   * @param properties of the driver, which are completed
   * @throws SQLException the server does not answer, or refuses the login
   */
  public static Connection open(String jdbcUrl, Properties properties) throws SQLException {
    properties.setProperty(OPTIONS, options(0));
    Connection connection = connect(jdbcUrl, properties);
    if (connection.getMetaData().getDatabaseMajorVersion() >= WITH_TRANSACTION_TIMEOUT) {
      try (Statement statement = connection.createStatement()) {
        statement.execute("SET transaction_timeout = 0");
      } catch (SQLException e) {
        connection.close();
        throw e;
      }
    }
    return connection;
  }

  /**
   * Opens a session that streams changes; it takes no queries of the extended protocol.
   *
   * @param properties of the driver, which are completed
   * @param serverVersion the server's major version
   * @throws SQLException the server does not answer, or refuses the login
   */
  public static WatchedSocket.Watched openForReplication(
      String jdbcUrl, Properties properties, int serverVersion) throws SQLException {
    properties.setProperty(OPTIONS, options(serverVersion));
    properties.setProperty("replication", "database");
    properties.setProperty("assumeMinServerVersion", "14");
    properties.setProperty("preferQueryMode", "simple");
    return WatchedSocket.open(properties, completed -> connect(jdbcUrl, completed));
  }

  private static Connection connect(String jdbcUrl, Properties properties) throws SQLException {
    Connection connection = PostgresDriver.connect(jdbcUrl, properties);
    if (connection == null) {
      throw new SQLException(
          "No PostgreSQL is at "
              + jdbcUrl.replaceFirst("\\?.*$", "")
              + ": the form is jdbc:postgresql://host:port/database.",
          "08001");
    }
    return connection;
  }
}
