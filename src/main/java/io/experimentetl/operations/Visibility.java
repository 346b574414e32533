package io.experimentetl.operations;

import io.experimentetl.postgres.Heartbeat;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/** Waits until PostgreSQL's commits are visible in ClickHouse. */
public final class Visibility {
  private static final Duration POLL = Duration.ofMillis(500);

  private final ClickHouseLogin clickHouse;
  private final BooleanSupplier jobIsActive;
  private long changedAt;
  private long lastSeen = -1;

  /**
   * Watches one warehouse.
   *
   * @param jobIsActive asked now and then; false ends the wait
   */
  Visibility(ClickHouseLogin clickHouse, BooleanSupplier jobIsActive) {
    this.clickHouse = clickHouse;
    this.jobIsActive = jobIsActive;
  }

  /**
   * Waits until everything committed by now, and the initial snapshot, is visible.
   *
   * @param patience how long nothing new may become visible
   * @throws OperationsException with the job's exception, when the job ends or the patience does
   */
  public static void awaitAll(
      PostgresLogin postgres,
      ClickHouseLogin clickHouse,
      FlinkEndpoint flink,
      String jobId,
      Duration patience) {
    long lsn = fence(postgres);
    try {
      new Visibility(
              clickHouse, () -> new FlinkEndpoint.Job(jobId, "", flink.state(jobId)).isActive())
          .awaitLsn(lsn, patience);
    } catch (OperationsException e) {
      throw new OperationsException(
          e.getMessage() + ". The job's last exception: " + flink.rootException(jobId), e);
    }
  }

  /**
   * Waits until everything up to an LSN, and the initial snapshot, is visible.
   *
   * @param patience how long nothing new may become visible
   * @throws OperationsException when the job ends or the patience does
   */
  void awaitLsn(long lsn, Duration patience) {
    changedAt = System.nanoTime();
    while (Polling.until(Duration.ofHours(1), POLL, () -> visible(lsn, patience)).isEmpty()) {
      // A large snapshot takes hours; the patience alone ends the wait.
    }
  }

  private Optional<WarehouseProgress> visible(long lsn, Duration patience) {
    Optional<WarehouseProgress> progress = Optional.empty();
    long rows = -1;
    try {
      progress = WarehouseProgress.of(clickHouse);
      rows = clickHouse.count("SELECT count() FROM events_processed");
    } catch (OperationsException e) {
      // ClickHouse may restart meanwhile. The patience ends that too.
      if (System.nanoTime() - changedAt > patience.toNanos()) {
        throw e;
      }
    }
    if (progress.filter(now -> now.snapshotDone() && now.lsn() >= lsn).isPresent()) {
      return progress;
    }
    long seen = progress.map(WarehouseProgress::lsn).orElse(0L) + rows;
    if (seen != lastSeen) {
      lastSeen = seen;
      changedAt = System.nanoTime();
    }
    if (!jobIsActive.getAsBoolean()) {
      throw new OperationsException("the job ended before everything was visible");
    }
    if (System.nanoTime() - changedAt > patience.toNanos()) {
      throw new OperationsException(
          "nothing became visible for %d s; ClickHouse has %s of LSN %d and %d event rows"
              .formatted(
                  patience.toSeconds(),
                  progress.map(WarehouseProgress::toString).orElse("nothing"),
                  lsn,
                  rows));
    }
    return Optional.empty();
  }

  /**
   * The LSN after everything that is committed; a row written after it moves the stream past it.
   */
  private static long fence(PostgresLogin postgres) {
    try (Connection connection = postgres.connect()) {
      long lsn;
      try (Statement statement = connection.createStatement();
          ResultSet row =
              statement.executeQuery(
                  "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")) {
        row.next();
        lsn = row.getLong(1);
      }
      Heartbeat.write(connection, "operations");
      return lsn;
    } catch (SQLException e) {
      throw new OperationsException("PostgreSQL " + postgres + " refused: " + e.getMessage(), e);
    }
  }
}
