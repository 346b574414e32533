package io.experimentetl.cdc;

import io.debezium.relational.TableId;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceTable;
import io.experimentetl.postgres.PostgresSession;
import io.experimentetl.postgres.WatchedSocket;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;

/** The job's queries to the source's server, apart from reading changes. */
public final class SourceServer {

  private static final String WAL_END =
      "(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END)";

  private SourceServer() {}

  /**
   * Opens a connection to the source.
   *
   * @throws SQLException the server doesn't answer within 10 s, or refuses the login
   */
  public static Connection connect(PostgresSourceSettings settings) throws SQLException {
    Properties properties = login(settings, "experiment-etl");
    properties.setProperty("socketTimeout", "60");
    return PostgresSession.open(settings.jdbcUrl(), properties);
  }

  /**
   * Opens a connection that copies rows of the snapshot. It may wait for a table's lock.
   *
   * @throws SQLException the server doesn't answer within 10 s, or refuses the login
   */
  static Connection connectForSnapshot(PostgresSourceSettings settings) throws SQLException {
    Properties properties = login(settings, "experiment-etl snapshot");
    properties.setProperty("socketTimeout", "600");
    return PostgresSession.open(settings.jdbcUrl(), properties);
  }

  /** The tables that are read and exist, in the order of the mapping. */
  static List<TableId> existingTables(PostgresSourceSettings settings) throws SQLException {
    Set<TableId> existing = new HashSet<>();
    try (Connection connection = connect(settings);
        Statement statement = connection.createStatement();
        ResultSet tables =
            statement.executeQuery(
                "SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p')")) {
      while (tables.next()) {
        existing.add(new TableId(null, tables.getString(1), tables.getString(2)));
      }
    }
    return settings.bindings().stream()
        .map(binding -> new TableId(null, binding.schema(), binding.name()))
        .distinct()
        .filter(existing::contains)
        .toList();
  }

  /**
   * Opens a connection that streams changes.
   *
   * @param serverVersion the server's major version
   * @throws SQLException the server doesn't answer within 10 s, or refuses the login
   */
  static WatchedSocket.Watched connectForReplication(
      PostgresSourceSettings settings, int serverVersion) throws SQLException {
    Properties properties = login(settings, "experiment-etl stream");
    // Until the stream begins; StreamConnection watches it from then on.
    properties.setProperty("socketTimeout", "60");
    properties.setProperty("tcpKeepAlive", "true");
    return PostgresSession.openForReplication(settings.jdbcUrl(), properties, serverVersion);
  }

  private static Properties login(PostgresSourceSettings settings, String applicationName) {
    Properties properties = new Properties();
    properties.setProperty("user", settings.username());
    properties.setProperty("password", settings.password().get());
    properties.setProperty("connectTimeout", "10");
    properties.setProperty("ApplicationName", applicationName);
    return properties;
  }

  /**
   * What the server lacks that every start of the job needs, with the remedy; null: nothing.
   *
   * @throws SQLException the server does not answer
   */
  static String unmetNeed(Connection connection, PostgresSourceSettings settings)
      throws SQLException {
    String encoding = encodingProblem(connection, settings);
    if (encoding != null) {
      return encoding;
    }
    try (PreparedStatement statement =
        connection.prepareStatement("SELECT FROM pg_publication WHERE pubname = ?")) {
      statement.setString(1, settings.publication());
      try (ResultSet row = statement.executeQuery()) {
        return row.next()
            ? null
            : "The publication "
                + settings.publication()
                + " in "
                + settings.place()
                + " is missing: apply sql/postgres/002_etl.sql. If rows were written without it, they cannot be read from the log: "
                + Continuity.START_ANEW;
      }
    }
  }

  /** Why the database's texts cannot be read, with the remedy; null: they can. */
  static String encodingProblem(Connection connection, PostgresSourceSettings settings)
      throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("SHOW server_encoding")) {
      row.next();
      return row.getString(1).equals("SQL_ASCII")
          ? "The database "
              + settings.place()
              + " has the encoding SQL_ASCII: PostgreSQL does not know which characters its bytes are, so texts cannot be read. Dump it with pg_dump, convert the dump's bytes that are not UTF-8, restore it into a database with ENCODING 'UTF8', and set source.database."
          : null;
    }
  }

  static ServerPosition position(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT (SELECT system_identifier FROM pg_control_system()), ("
                    + WAL_END
                    + " - '0/0')::bigint")) {
      row.next();
      return new ServerPosition(row.getLong(1), row.getLong(2));
    }
  }

  /** The server's clock, microseconds since 1970 in UTC. */
  static long now(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")) {
      row.next();
      return row.getLong(1);
    }
  }

  /** The slot of that name, or null. */
  static ReplicationSlot slot(Connection connection, String name) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT plugin, database, active, coalesce(wal_status, 'reserved'),"
                + " coalesce(confirmed_flush_lsn - '0/0', 0)::bigint,"
                + " coalesce("
                + WAL_END
                + " - confirmed_flush_lsn, 0)::bigint, coalesce("
                + WAL_END
                + " - restart_lsn, 0)::bigint, coalesce(safe_wal_size, -1)"
                + " FROM pg_replication_slots WHERE slot_name = ?")) {
      statement.setString(1, name);
      try (ResultSet row = statement.executeQuery()) {
        return row.next()
            ? new ReplicationSlot(
                row.getString(1),
                row.getString(2),
                row.getBoolean(3),
                row.getString(4),
                row.getLong(5),
                row.getLong(6),
                row.getLong(7),
                row.getLong(8))
            : null;
      }
    }
  }

  /** Writes the source's heartbeat row. */
  static void beat(Connection connection, PostgresSourceSettings settings) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.executeUpdate(
          "INSERT INTO "
              + quoted(settings.schema())
              + ".etl_heartbeat (writer, beat_at) VALUES ('source', clock_timestamp())"
              + " ON CONFLICT (writer) DO UPDATE SET beat_at = excluded.beat_at");
    }
  }

  /**
   * The users among these that exist in the source: without a table of users, all whom no request
   * erases.
   *
   * @throws SQLException the server does not answer
   */
  static Set<String> existingUsers(PostgresSourceSettings settings, Set<String> userIds)
      throws SQLException {
    try (Connection connection = connect(settings)) {
      Set<String> existing = new HashSet<>();
      if (!settings.mapping().hasUsers()) {
        existing.addAll(userIds);
        for (TableBinding erasing : settings.mapping().erasing()) {
          existing.removeAll(
              new TableRowReader(erasing, settings.mapping(), connection)
                  .read(connection, userIds)
                  .keySet());
        }
        return existing;
      }
      for (TableBinding users : settings.mapping().of(SourceTable.USERS)) {
        existing.addAll(
            new TableRowReader(users, settings.mapping(), connection)
                .read(connection, userIds)
                .keySet());
      }
      return existing;
    }
  }

  public static String quoted(String identifier) {
    return '"' + identifier.replace("\"", "\"\"") + '"';
  }
}
