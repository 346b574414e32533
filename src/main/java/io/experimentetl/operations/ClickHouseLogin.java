package io.experimentetl.operations;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.tls.TlsFiles;
import java.net.URI;
import java.util.List;

/**
 * A ClickHouse database and who uses it. Printing it never shows the password.
 *
 * @param url of the HTTP interface, e.g. {@code http://127.0.0.1:8123}, without a path
 * @param tls certificates and keys for https
 */
public record ClickHouseLogin(
    String url, String database, String user, String password, TlsFiles tls) {

  /** A login without certificates of its own. */
  public ClickHouseLogin(String url, String database, String user, String password) {
    this(url, database, user, password, TlsFiles.NONE);
  }

  /** Opens a session for several statements, which the caller closes. Connects to nothing yet. */
  public ClickHouseSession connect() {
    return new ClickHouseSession(this);
  }

  /**
   * Runs one query in a session of its own.
   *
   * @throws OperationsException with ClickHouse's own message when it refuses
   */
  public <T> List<T> list(String sql, ClickHouseReader.RowMapper<T> mapper) {
    try (ClickHouseSession session = connect()) {
      return session.list(sql, mapper);
    }
  }

  /** Returns the only number of a query. */
  public long count(String sql) {
    try (ClickHouseSession session = connect()) {
      return session.count(sql);
    }
  }

  /**
   * Runs one statement that returns no rows, in a session of its own.
   *
   * @throws OperationsException with ClickHouse's own message when it refuses
   */
  public void execute(String sql) {
    try (ClickHouseSession session = connect()) {
      session.execute(sql);
    }
  }

  /**
   * The same as the readers of {@code clickhouse} address it.
   *
   * @throws OperationsException if the address is not a URL
   */
  public ClickHouseConnection connection() {
    String secret = password;
    try {
      return new ClickHouseConnection(URI.create(url), database, user, () -> secret, tls);
    } catch (IllegalArgumentException e) {
      throw new OperationsException(
          "ClickHouse's address is not a URL: give http://host:port with --clickhouse-url or as clickhouse.url in the configuration, and the user apart.",
          e);
    }
  }

  public ClickHouseLogin withDatabase(String other) {
    return new ClickHouseLogin(url, other, user, password, tls);
  }

  @Override
  public String toString() {
    return url + "/" + database + " as " + user;
  }
}
