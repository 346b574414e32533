package io.experimentetl.operations;

import io.experimentetl.postgres.PostgresSession;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Properties;

/**
 * A PostgreSQL database and who uses it. Printing it never shows the password.
 *
 * @param jdbcUrl {@code jdbc:postgresql://host:port/database}, perhaps with parameters
 */
public record PostgresLogin(String jdbcUrl, String user, String password) {
  private static final String CONNECT_TIMEOUT_SECONDS = "10";

  /** Opens a connection, which the caller closes. */
  public Connection connect() throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", user);
    properties.setProperty("password", password);
    properties.setProperty("connectTimeout", CONNECT_TIMEOUT_SECONDS);
    properties.setProperty("ApplicationName", "experiment-etl");
    return PostgresSession.open(jdbcUrl, properties);
  }

  /** The same, whose sessions fail when the server says nothing for so long, also at the login. */
  PostgresLogin withSocketTimeout(Duration timeout) {
    return new PostgresLogin(
        PostgresSession.withParameters(jdbcUrl, "socketTimeout=" + timeout.toSeconds()),
        user,
        password);
  }

  @Override
  public String toString() {
    return jdbcUrl.replaceFirst("^jdbc:", "").replaceFirst("\\?.*$", "") + " as " + user;
  }
}
