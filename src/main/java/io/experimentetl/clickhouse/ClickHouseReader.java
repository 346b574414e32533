package io.experimentetl.clickhouse;

import com.clickhouse.client.api.Client;
import com.clickhouse.client.api.ClientConfigProperties;
import com.clickhouse.client.api.ClientFaultCause;
import com.clickhouse.client.api.query.QuerySettings;
import com.clickhouse.jdbc.ConnectionImpl;
import com.clickhouse.jdbc.StatementImpl;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;

/**
 * Reads rows from ClickHouse through its JDBC driver, and runs statements beside them. One reader
 * runs one query or statement at a time.
 *
 * <ul>
 *   <li>Parameters are the server's own, <code>{name:Type}</code>: their values never become SQL.
 *   <li>Rows are handed over one by one as they arrive, so a result may be larger than memory.
 *   <li>The server sends rows only when it has all of them. An error in the middle of a query is
 *       therefore an error, never a short result.
 *   <li>The timeout covers the whole read, and an interrupt ends it. The driver promises neither
 *       for a server that stalls, so each query runs on a thread of the reader's own.
 *   <li>No setting is sent unless the caller names one: a {@code readonly} user may read.
 * </ul>
 */
public final class ClickHouseReader implements AutoCloseable {
  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);

  /** Receives a row. It runs on the reader's thread, while the caller waits. */
  @FunctionalInterface
  public interface RowConsumer {
    void accept(ResultSet row) throws SQLException;
  }

  /** Turns a row into a value. */
  @FunctionalInterface
  public interface RowMapper<T> {
    T map(ResultSet row) throws SQLException;
  }

  private final ClickHouseConnection server;
  private final Map<String, String> settings;
  private final ExecutorService executor;
  private ConnectionImpl connection;
  private Client client;

  /** Connects to nothing yet. */
  public ClickHouseReader(ClickHouseConnection server) {
    this(server, Map.of());
  }

  /**
   * Connects to nothing yet.
   *
   * @param settings of the server, sent with every query
   */
  public ClickHouseReader(ClickHouseConnection server, Map<String, String> settings) {
    this.server = server;
    this.settings = Map.copyOf(settings);
    this.executor =
        Executors.newSingleThreadExecutor(
            task -> {
              Thread thread = new Thread(task, "clickhouse-reader");
              thread.setDaemon(true);
              return thread;
            });
  }

  /**
   * Runs a query and hands over its rows.
   *
   * @param parameters a number, a text, or a collection of either per name; each at most 128 KiB
   * @throws ClickHouseReadException if the server refuses, or does not answer completely in time
   * @throws RuntimeException what the consumer throws
   */
  public void read(String sql, Map<String, ?> parameters, Duration timeout, RowConsumer consumer)
      throws ClickHouseReadException, InterruptedException {
    run(
        timeout,
        statement -> {
          bind(statement, parameters);
          try (ResultSet rows = statement.executeQuery(sql)) {
            requireDistinctNames(rows.getMetaData());
            while (rows.next()) {
              consumer.accept(rows);
            }
          }
          return null;
        });
  }

  /** Runs a query and returns its rows, each turned into a value. */
  public <T> List<T> list(
      String sql, Map<String, ?> parameters, Duration timeout, RowMapper<T> mapper)
      throws ClickHouseReadException, InterruptedException {
    List<T> list = new ArrayList<>();
    read(sql, parameters, timeout, row -> list.add(mapper.map(row)));
    return list;
  }

  /**
   * Runs a statement that returns no rows. The driver would repeat it after a lost answer, and a
   * repeated EXCHANGE TABLES exchanges them back; here it is sent once.
   *
   * @throws ClickHouseReadException if the server refuses, or does not answer in time; without an
   *     answer the statement may have run, or may still run
   */
  public void execute(String sql, Duration timeout)
      throws ClickHouseReadException, InterruptedException {
    run(
        timeout,
        statement -> {
          statement.setEscapeProcessing(false);
          statement
              .getLocalSettings()
              .setOption(
                  ClientConfigProperties.CLIENT_RETRY_ON_FAILURE.getKey(),
                  List.of(ClientFaultCause.None));
          return statement.executeUpdate(sql);
        });
  }

  private interface Task<T> {
    T run(StatementImpl statement) throws SQLException;
  }

  private <T> T run(Duration timeout, Task<T> task)
      throws ClickHouseReadException, InterruptedException {
    Future<T> result =
        executor.submit(
            () -> {
              try (StatementImpl statement =
                  connection().createStatement().unwrap(StatementImpl.class)) {
                return task.run(statement);
              }
            });
    boolean completed = false;
    try {
      T value = result.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
      completed = true;
      return value;
    } catch (TimeoutException e) {
      throw ClickHouseReadException.timedOut(server, timeout, e);
    } catch (ExecutionException e) {
      throw failure(e.getCause());
    } finally {
      if (!completed) {
        disconnect();
      }
    }
  }

  private ClickHouseReadException failure(Throwable cause) {
    if (cause instanceof RuntimeException exception && !isOfTheDriver(exception)) {
      throw exception;
    }
    if (cause instanceof Error error) {
      throw error;
    }
    if (cause instanceof ClickHouseReadException exception) {
      return exception;
    }
    return ClickHouseReadException.of(server, cause);
  }

  /** The driver reports some failures by its client's unchecked exceptions. */
  private static boolean isOfTheDriver(RuntimeException exception) {
    return exception.getClass().getName().startsWith("com.clickhouse.");
  }

  /**
   * Not through {@code DriverManager}: it would keep the class loader of a Flink job reachable.
   * Only the reader's thread connects; {@link #disconnect} may be called by another.
   */
  private ConnectionImpl connection() throws SQLException, ClickHouseReadException {
    synchronized (this) {
      if (connection != null) {
        return connection;
      }
    }
    ConnectionImpl opened = new ConnectionImpl("jdbc:clickhouse:" + server.url(), properties());
    QuerySettings always = new QuerySettings().waitEndOfQuery(true);
    settings.forEach(always::serverSetting);
    opened.setDefaultQuerySettings(always);
    synchronized (this) {
      connection = opened;
      client = opened.getClient();
    }
    return opened;
  }

  private Properties properties() throws ClickHouseReadException {
    String password;
    try {
      password = server.password().read();
    } catch (IOException e) {
      throw ClickHouseReadException.withoutPassword(server, e);
    }
    Properties properties = new Properties();
    properties.setProperty(ClientConfigProperties.DATABASE.getKey(), server.database());
    // A ready header instead of user and password: the driver refuses an empty password.
    properties.setProperty(
        ClientConfigProperties.httpHeader("Authorization"),
        "Basic "
            + Base64.getEncoder()
                .encodeToString((server.user() + ":" + password).getBytes(StandardCharsets.UTF_8)));
    properties.setProperty(
        ClientConfigProperties.CONNECTION_TIMEOUT.getKey(),
        Long.toString(CONNECT_TIMEOUT.toMillis()));
    putUnlessNull(properties, ClientConfigProperties.CA_CERTIFICATE, server.tls().caFile());
    putUnlessNull(
        properties, ClientConfigProperties.SSL_CERTIFICATE, server.tls().certificateFile());
    putUnlessNull(properties, ClientConfigProperties.SSL_KEY, server.tls().keyFile());
    // The read's own timeout is the limit.
    properties.setProperty(ClientConfigProperties.SOCKET_OPERATION_TIMEOUT.getKey(), "0");
    return properties;
  }

  private static void putUnlessNull(
      Properties properties, ClientConfigProperties property, String value) {
    if (value != null) {
      properties.setProperty(property.getKey(), value);
    }
  }

  /** Closes the socket, which ends a read that is still running. */
  private synchronized void disconnect() {
    if (client != null) {
      client.close();
    }
    connection = null;
    client = null;
  }

  private static void bind(StatementImpl statement, Map<String, ?> parameters) throws SQLException {
    statement.setEscapeProcessing(false);
    parameters.forEach(
        (name, value) -> statement.getLocalSettings().serverSetting("param_" + name, text(value)));
  }

  /** A text as ClickHouse's SQL writes it. */
  public static String literal(String text) {
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'";
  }

  /** A name that stays as it is in any statement. */
  public static String quoted(String name) {
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`";
  }

  /** A parameter is read as a field of the TabSeparated format, an array's elements as literals. */
  private static String text(Object value) {
    if (value instanceof Collection<?> elements) {
      return elements.stream()
          .map(
              element ->
                  element instanceof Number ? element.toString() : literal(element.toString()))
          .collect(Collectors.joining(",", "[", "]"));
    }
    return value
        .toString()
        .replace("\\", "\\\\")
        .replace("\t", "\\t")
        .replace("\n", "\\n")
        .replace("\r", "\\r");
  }

  /** The driver looks values up by name: of two columns with one name it would read one twice. */
  private static void requireDistinctNames(ResultSetMetaData columns) throws SQLException {
    Set<String> names = new HashSet<>();
    for (int i = 1; i <= columns.getColumnCount(); i++) {
      if (!names.add(columns.getColumnName(i))) {
        throw new IllegalArgumentException(
            "The query returns two columns named "
                + columns.getColumnName(i)
                + ": give one of them an alias.");
      }
    }
  }

  @Override
  public void close() {
    disconnect();
    executor.shutdownNow();
  }
}
