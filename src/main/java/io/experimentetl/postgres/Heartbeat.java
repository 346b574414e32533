package io.experimentetl.postgres;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;

/** Writes rows of {@code etl_heartbeat}, each of which moves the change stream. */
public final class Heartbeat {
  private Heartbeat() {}

  /** Writes the row of a writer with the present time. */
  public static void write(Connection connection, String writer) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(
            "INSERT INTO etl_heartbeat (writer, beat_at) VALUES (?, clock_timestamp())"
                + " ON CONFLICT (writer) DO UPDATE SET beat_at = excluded.beat_at")) {
      statement.setString(1, writer);
      statement.executeUpdate();
    }
  }
}
