package io.experimentetl.maintenance;

import io.experimentetl.model.Lsn;
import io.experimentetl.operations.ClickHouseLogin;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.DeadLetters;
import io.experimentetl.operations.DeadLetters.Letter;
import io.experimentetl.operations.OperationsException;
import io.experimentetl.operations.PostgresLogin;
import io.experimentetl.operations.WarehouseProgress;
import io.experimentetl.postgres.Heartbeat;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Copies to PostgreSQL what ClickHouse has got: {@code etl_watermark}, below which clean-ups may
 * delete, and {@code etl_undelivered}, the rows below it that they may not. A place of the log is
 * noted first, and written when {@code etl_progress} has reached it.
 */
public final class Watermark {
  /** More than this are a fault to be mended, not rows to be left out. */
  private static final int MAX_UNDELIVERED = 10_000;

  private static final long POLL_MILLIS = 500;

  private final PostgresLogin postgres;
  private final ClickHouseLogin clickHouse;
  private final String slot;
  private Place noted;

  /**
   * The watermark of a job.
   *
   * @param slot the job's replication slot
   */
  public Watermark(PostgresLogin postgres, ClickHouseLogin clickHouse, String slot) {
    this.postgres = postgres;
    this.clickHouse = clickHouse;
    this.slot = slot;
  }

  /** The watermark of the job that the configuration describes. */
  public static Watermark of(Databases databases) {
    return new Watermark(
        databases.postgres(), databases.clickHouse(), databases.config().source().slot());
  }

  /**
   * A place of the log.
   *
   * @param completeBelow every transaction with a lower id had ended before the LSN
   */
  private record Place(String completeBelow, long lsn) {}

  /**
   * Writes the noted place if ClickHouse has reached it, and notes the next one then.
   *
   * @return whether it was written; false: ClickHouse is behind, and a former watermark stays
   */
  public synchronized boolean advance() throws SQLException {
    try (Connection connection = postgres.connect()) {
      if (noted == null) {
        noted = here(connection);
      }
      Optional<WarehouseProgress> progress = WarehouseProgress.of(clickHouse);
      Place place = noted;
      if (progress.filter(now -> now.snapshotDone() && now.lsn() >= place.lsn).isEmpty()) {
        return false;
      }
      write(connection, place);
      noted = here(connection);
      return true;
    }
  }

  /**
   * The same, with a wait for ClickHouse.
   *
   * @param patience how long to wait
   */
  public boolean advance(Duration patience) throws SQLException {
    advance();
    try (Connection connection = postgres.connect()) {
      // Moves the stream past the noted place when nobody else writes.
      Heartbeat.write(connection, "watermark");
    }
    long end = System.nanoTime() + patience.toNanos();
    while (!advance()) {
      if (System.nanoTime() > end) {
        return false;
      }
      try {
        TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new OperationsException("interrupted while waiting for ClickHouse", e);
      }
    }
    return true;
  }

  /** The snapshot first: what had ended before it was committed before the LSN. */
  private static Place here(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      String completeBelow =
          only(statement, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text");
      return new Place(
          completeBelow,
          Long.parseLong(
              only(statement, "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text")));
    }
  }

  private static String only(Statement statement, String sql) throws SQLException {
    try (ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getString(1);
    }
  }

  private void write(Connection connection, Place place) throws SQLException {
    List<Letter> letters = DeadLetters.list(clickHouse);
    if (letters.size() > MAX_UNDELIVERED) {
      throw new OperationsException(
          "%,d rows are not delivered to ClickHouse, so the watermark stays where it is: see dead-letters"
              .formatted(letters.size()));
    }
    connection.setAutoCommit(false);
    try (Statement statement = connection.createStatement();
        PreparedStatement undelivered =
            connection.prepareStatement(
                "INSERT INTO etl_undelivered (table_name, row_key) VALUES (?, ?) ON CONFLICT DO NOTHING");
        PreparedStatement watermark =
            connection.prepareStatement(
                "INSERT INTO etl_watermark AS known (slot, lsn, complete_below, updated_at) VALUES (?, ?::pg_lsn, ?::xid8, clock_timestamp())"
                    + " ON CONFLICT (slot) DO UPDATE SET lsn = excluded.lsn, complete_below = excluded.complete_below, updated_at = excluded.updated_at")) {
      statement.execute("DELETE FROM etl_undelivered");
      for (Letter letter : letters) {
        if (letter.table() != null) {
          undelivered.setString(1, letter.table().tableName());
          undelivered.setString(2, letter.eventId() == null ? letter.key() : letter.eventId());
          undelivered.addBatch();
        }
      }
      undelivered.executeBatch();
      watermark.setString(1, slot);
      watermark.setString(2, Lsn.print(place.lsn));
      watermark.setString(3, place.completeBelow);
      watermark.executeUpdate();
      connection.commit();
    }
  }
}
