package io.experimentetl.cdc;

import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.tls.ServerTls;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;

/** A database with all objects of sql/postgres and a slot of its own. */
final class SourceDatabase {

  private final PostgresEndpoint endpoint;

  private SourceDatabase(PostgresEndpoint endpoint) {
    this.endpoint = endpoint;
  }

  static SourceDatabase create(PlatformExtension platform, String name) throws SQLException {
    SourceDatabase database = new SourceDatabase(platform.newPostgresDatabase(name));
    database.apply("001_platform.sql");
    database.apply("002_etl.sql");
    database.applySlot();
    database.apply("004_partitions.sql");
    database.apply("005_retention.sql");
    return database;
  }

  /** A database that is filled already. */
  static SourceDatabase at(PostgresEndpoint endpoint) {
    return new SourceDatabase(endpoint);
  }

  /** The same database, seen by another role. */
  SourceDatabase as(String role, String password) {
    return new SourceDatabase(
        new PostgresEndpoint(
            endpoint.host(), endpoint.port(), endpoint.database(), role, password));
  }

  void apply(String file) throws SQLException {
    execute(read(file));
  }

  void applySlot() throws SQLException {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute("SET experiment_etl.slot = '" + endpoint.database() + "'");
      statement.execute(read("003_slot.sql"));
    }
  }

  private static String read(String file) {
    try {
      return Files.readString(Path.of("sql", "postgres", file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  PostgresSourceSettings settings() {
    return settings(Duration.ofMillis(200), 100_000);
  }

  PostgresSourceSettings settings(Duration heartbeat, int splitSize) {
    return settings(endpoint.port(), heartbeat, splitSize);
  }

  /** The settings of a job that reads other tables. */
  PostgresSourceSettings settings(SourceMapping mapping) {
    return settings(endpoint.port(), Duration.ofMillis(200), 100_000, mapping);
  }

  /**
   * The settings of a job that connects to another port.
   *
   * @param port of a proxy on this machine
   */
  PostgresSourceSettings settings(int port, Duration heartbeat, int splitSize) {
    return settings(port, heartbeat, splitSize, SourceMapping.defaults("public"));
  }

  private PostgresSourceSettings settings(
      int port, Duration heartbeat, int splitSize, SourceMapping mapping) {
    String password = endpoint.password();
    return new PostgresSourceSettings(
        endpoint.host(),
        port,
        endpoint.database(),
        mapping,
        endpoint.user(),
        () -> password,
        ServerTls.PREFERRED,
        "experiment_etl",
        slot(),
        heartbeat,
        splitSize,
        true);
  }

  String slot() {
    return endpoint.database();
  }

  String password() {
    return endpoint.password();
  }

  Connection connect() throws SQLException {
    return endpoint.connect();
  }

  void execute(String sql) throws SQLException {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  long number(String sql) throws SQLException {
    try (Connection connection = connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(1);
    }
  }

  /** One experiment with two variants (ids 1 and 1, 2), and users u1 … un. */
  void fill(int users) throws SQLException {
    execute(
        "INSERT INTO experiments (id, key, name, seed) VALUES (1, 'e1', 'E 1', 's');"
            + "INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control) VALUES (1, 1, 'a', 'A', 50, true), (2, 1, 'b', 'B', 50, false);"
            + "INSERT INTO users (user_id, properties) SELECT 'u' || n, '{\"country\": \"DE\"}' FROM generate_series(1, "
            + users
            + ") n");
  }
}
