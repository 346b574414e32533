package io.experimentetl.local.traffic;

import io.experimentetl.local.PostgresEndpoint;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/** Writes transactions through one connection; neighbours of one kind go in one batch. */
final class TransactionWriter implements AutoCloseable {
  private final Connection connection;
  private final Map<Write.Kind, PreparedStatement> statements = new EnumMap<>(Write.Kind.class);

  TransactionWriter(PostgresEndpoint database) throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", database.user());
    properties.setProperty("password", database.password());
    properties.setProperty("connectTimeout", "10");
    properties.setProperty("ApplicationName", "experiment-etl-traffic");
    // PostgreSQL converts text to the column's type: uuid, jsonb, enum, timestamptz.
    properties.setProperty("stringtype", "unspecified");
    properties.setProperty("reWriteBatchedInserts", "true");
    connection = DriverManager.getConnection(database.jdbcUrl(), properties);
    connection.setAutoCommit(false);
  }

  /** One transaction. */
  void write(List<Write> writes) throws SQLException {
    try {
      int from = 0;
      while (from < writes.size()) {
        Write.Kind kind = writes.get(from).kind();
        PreparedStatement statement = statement(kind);
        int to = from;
        while (to < writes.size() && writes.get(to).kind() == kind) {
          List<Object> parameters = writes.get(to).parameters();
          for (int i = 0; i < parameters.size(); i++) {
            statement.setObject(i + 1, parameters.get(i));
          }
          statement.addBatch();
          to++;
        }
        statement.executeBatch();
        from = to;
      }
      connection.commit();
    } catch (BatchUpdateException e) {
      connection.rollback();
      throw e.getNextException() == null ? e : e.getNextException();
    } catch (SQLException e) {
      connection.rollback();
      throw e;
    }
  }

  private PreparedStatement statement(Write.Kind kind) throws SQLException {
    PreparedStatement statement = statements.get(kind);
    if (statement == null) {
      statement = connection.prepareStatement(kind.sql);
      statements.put(kind, statement);
    }
    return statement;
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
