package io.experimentetl.postgres;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/** A lock in PostgreSQL that one session of a schema holds for one kind of work. */
public final class AdvisoryLock {
  private AdvisoryLock() {}

  /**
   * Takes the lock if it is free; the session holds it until it ends.
   *
   * @param work a name for the kind of work
   * @return false: another session holds it
   */
  public static boolean tryLock(Connection connection, String work) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT pg_try_advisory_lock(hashtextextended('experiment_etl ' || ? || ' ' || current_schema(), 0))")) {
      statement.setString(1, work);
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        return row.getBoolean(1);
      }
    }
  }
}
