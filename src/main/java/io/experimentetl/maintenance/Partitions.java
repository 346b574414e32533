package io.experimentetl.maintenance;

import io.experimentetl.operations.Databases;
import io.experimentetl.operations.PostgresLogin;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The functions of {@code sql/postgres/004_partitions.sql}. A table that is null stands for every
 * registered one.
 */
public final class Partitions {
  private final PostgresLogin postgres;
  private final Duration policy;
  private final Duration timeout;

  /**
   * The partitions of a deployment's PostgreSQL. None is dropped below the configuration's policy.
   *
   * @param timeout of one statement
   */
  public Partitions(Databases databases, Duration timeout) {
    this.postgres = databases.postgres();
    this.policy = databases.config().retention().postgres().events();
    this.timeout = timeout;
  }

  private Connection connect() throws SQLException {
    Connection connection = postgres.connect();
    try (Statement statement = connection.createStatement()) {
      statement.execute("SET statement_timeout = " + timeout.toMillis());
      return connection;
    } catch (SQLException e) {
      connection.close();
      throw e;
    }
  }

  private List<Map<String, Object>> query(String sql, Object... parameters) throws SQLException {
    try (Connection connection = connect()) {
      return SqlRows.query(connection, sql, parameters);
    }
  }

  /** A query that drops, or would. */
  private List<Map<String, Object>> byPolicy(String sql, Object... parameters) throws SQLException {
    try (Connection connection = connect()) {
      EventPolicy.write(connection, policy);
      return SqlRows.query(connection, sql, parameters);
    }
  }

  /** One row for each registered table. */
  public List<Map<String, Object>> health() throws SQLException {
    return query("SELECT * FROM partition_health_summary()");
  }

  /** One row for each partition. */
  public List<Map<String, Object>> list(String table) throws SQLException {
    return query("SELECT * FROM list_partitions(?::text)", table);
  }

  /**
   * Makes the missing partitions.
   *
   * @param monthsAhead null: as configured in {@code partition_config}
   */
  public List<Map<String, Object>> create(String table, Integer monthsAhead) throws SQLException {
    return query("SELECT * FROM create_future_partitions(?::text, ?::int)", table, monthsAhead);
  }

  public List<Map<String, Object>> analyze(String table) throws SQLException {
    return query("SELECT * FROM analyze_partitions(?::text)", table);
  }

  /**
   * Detaches and drops the partitions that are older than the retention.
   *
   * @param retentionMonths null: as configured; less is refused
   */
  public List<Map<String, Object>> drop(String table, Integer retentionMonths, boolean dryRun)
      throws SQLException {
    return byPolicy(
        "SELECT * FROM drop_old_partitions(?::text, ?::int, ?)", table, retentionMonths, dryRun);
  }

  /** Creates, analyzes and drops, and updates {@code partition_metadata}. */
  public List<Map<String, Object>> maintain(String table, boolean dryRun) throws SQLException {
    return byPolicy("SELECT * FROM run_partition_maintenance(?::text, ?)", table, dryRun);
  }

  /**
   * Vacuums each partition, the oldest first. PostgreSQL only warns of one that the user may not
   * vacuum.
   *
   * @param full rewrites them, locked meanwhile
   * @return the statements that were run, with their time and PostgreSQL's warning
   */
  public List<Map<String, Object>> vacuum(String table, boolean full) throws SQLException {
    List<Map<String, Object>> done = new ArrayList<>();
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      for (Map<String, Object> row :
          SqlRows.query(connection, "SELECT * FROM vacuum_partitions(?::text, ?)", table, full)) {
        String sql = (String) row.get("statement");
        long begun = System.nanoTime();
        statement.execute(sql);
        Map<String, Object> ran = new LinkedHashMap<>();
        ran.put("statement", sql);
        ran.put("millis", (System.nanoTime() - begun) / 1_000_000);
        ran.put(
            "warning",
            statement.getWarnings() == null ? null : statement.getWarnings().getMessage());
        statement.clearWarnings();
        done.add(ran);
      }
    }
    return done;
  }
}
