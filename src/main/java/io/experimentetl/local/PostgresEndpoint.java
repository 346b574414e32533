package io.experimentetl.local;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

/** One database of a PostgreSQL server, ours or another. Printing it never shows the password. */
public record PostgresEndpoint(
    String host, int port, String database, String user, String password) {
  public String jdbcUrl() {
    return "jdbc:postgresql://" + host + ":" + port + "/" + database;
  }

  public Connection connect() throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", user);
    properties.setProperty("password", password);
    properties.setProperty("connectTimeout", "10");
    properties.setProperty("ApplicationName", "experiment-etl");
    return DriverManager.getConnection(jdbcUrl(), properties);
  }

  /** A query's only figure. */
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
