package io.experimentetl.local;

import io.experimentetl.operations.PostgresLogin;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** One database of a PostgreSQL server. Printing it never shows the password. */
public record PostgresEndpoint(
    String host, int port, String database, String user, String password) {
  public String jdbcUrl() {
    return "jdbc:postgresql://" + host + ":" + port + "/" + database;
  }

  /** The database as operations address it. */
  public PostgresLogin login() {
    return new PostgresLogin(jdbcUrl(), user, password);
  }

  public Connection connect() throws SQLException {
    return login().connect();
  }

  /** Returns the only number of a query. */
  public long count(String sql) {
    try (Connection connection = connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(1);
    } catch (SQLException e) {
      throw new PlatformException("PostgreSQL " + this + " refused: " + e.getMessage(), e);
    }
  }

  public PostgresEndpoint withDatabase(String other) {
    return new PostgresEndpoint(host, port, other, user, password);
  }

  @Override
  public String toString() {
    return "postgresql://" + user + "@" + host + ":" + port + "/" + database;
  }
}
