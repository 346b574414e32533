package io.experimentetl.operations;

import io.experimentetl.postgres.PostgresSession;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

/** The replication slots of a server: drops and copies them. */
final class ReplicationSlots {
  /** A server notices within this time that the slot's reader was killed. */
  private static final int LONGEST_WAIT_SECONDS = 60;

  private static final int WITH_FAILOVER = 17;

  private final PostgresLogin postgres;

  ReplicationSlots(PostgresLogin postgres) {
    this.postgres = postgres;
  }

  /** Drops a slot, if it exists, when its reader has gone. */
  static void drop(Connection connection, String slot) throws SQLException {
    for (int waited = 0;
        waited < LONGEST_WAIT_SECONDS && isTrue(connection, "active", slot);
        waited++) {
      execute(connection, "SELECT pg_sleep(CAST(? AS float8))", "1");
    }
    execute(
        connection,
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = ?",
        slot);
  }

  /** Drops a slot, if it exists, when its reader has gone. */
  void drop(String slot) {
    run("dropped", slot, connection -> drop(connection, slot));
  }

  /**
   * Makes a slot at the place of another one, which may be read meanwhile. A slot that has the new
   * name is replaced.
   */
  void copy(String from, String to) {
    run(
        "made",
        to,
        connection -> {
          drop(connection, to);
          execute(connection, "SELECT pg_copy_logical_replication_slot(?, ?)", from, to);
        });
  }

  /** Whether there is such a slot. */
  boolean exists(String slot) {
    return is("true", slot);
  }

  /** Whether there is such a slot, and PostgreSQL still has the log that it needs. */
  boolean isUsable(String slot) {
    return is("wal_status IS DISTINCT FROM 'lost'", slot);
  }

  /** Whether a standby can take over the slot. */
  boolean hasFailover(String slot) {
    // PostgreSQL 16 and older do not have the column.
    return is("coalesce((to_jsonb(pg_replication_slots) ->> 'failover')::boolean, false)", slot);
  }

  private boolean is(String condition, String slot) {
    boolean[] found = new boolean[1];
    run("found", slot, connection -> found[0] = isTrue(connection, condition, slot));
    return found[0];
  }

  /** Lets a standby take over the slot: a copy cannot be taken over. */
  void enableFailover(String slot) {
    run(
        "changed",
        slot,
        connection -> {
          int version = connection.getMetaData().getDatabaseMajorVersion();
          if (version < WITH_FAILOVER) {
            return;
          }
          Properties properties = new Properties();
          properties.setProperty("user", postgres.user());
          properties.setProperty("password", postgres.password());
          try (Connection replication =
                  PostgresSession.openForReplication(postgres.jdbcUrl(), properties, version)
                      .connection();
              Statement statement = replication.createStatement()) {
            statement.execute(
                "ALTER_REPLICATION_SLOT \"%s\" (FAILOVER true)"
                    .formatted(slot.replace("\"", "\"\"")));
          }
        });
  }

  private interface Work {
    void run(Connection connection) throws SQLException;
  }

  private void run(String what, String slot, Work work) {
    try (Connection connection = postgres.connect()) {
      work.run(connection);
    } catch (SQLException e) {
      throw new OperationsException(
          "the replication slot %s of %s cannot be %s: %s. End what reads it, or name a user with the REPLICATION right"
              .formatted(slot, postgres, what, e.getMessage()),
          e);
    }
  }

  private static boolean isTrue(Connection connection, String condition, String slot)
      throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT FROM pg_replication_slots WHERE slot_name = ? AND " + condition)) {
      statement.setString(1, slot);
      try (ResultSet row = statement.executeQuery()) {
        return row.next();
      }
    }
  }

  private static void execute(Connection connection, String sql, String... parameters)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < parameters.length; i++) {
        statement.setString(i + 1, parameters[i]);
      }
      statement.execute();
    }
  }
}
