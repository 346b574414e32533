package io.experimentetl.audit;

import io.experimentetl.model.Lsn;
import io.experimentetl.postgres.Heartbeat;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;

/**
 * A row written after a position of the log, so that the stream passes that position even without
 * other writers. The row is written again every second during the wait and removed at the end.
 */
final class Fence implements AutoCloseable {
  private static final Duration POLL = Duration.ofMillis(250);
  private static final long REWRITE_NANOS = Duration.ofSeconds(1).toNanos();

  private final AuditSettings settings;
  private final Deadline deadline;
  private final Connection connection;
  private final String writer = "fence-" + UUID.randomUUID();

  Fence(AuditSettings settings, Deadline deadline) {
    this.settings = settings;
    this.deadline = deadline;
    try {
      this.connection = SourceSnapshot.connect(settings, deadline, false);
    } catch (SQLException e) {
      throw SourceSnapshot.cannot(settings, e);
    }
  }

  /**
   * Waits until ClickHouse shows everything up to a position of the log.
   *
   * <p>Why the marker must be strictly beyond: a progress marker with an LSN greater than {@code
   * lsn} follows a row, or a commit, that comes after {@code lsn} in the log. That row's
   * transaction committed after {@code lsn}, and the stream delivers transactions in commit order.
   * Every transaction that committed before {@code lsn} is therefore before the marker.
   */
  Warehouse.Progress awaitBeyond(long lsn, Warehouse warehouse) {
    Optional<Warehouse.Progress> progress = Optional.empty();
    long writtenAt = System.nanoTime() - REWRITE_NANOS;
    while (!deadline.isOver()) {
      if (System.nanoTime() - writtenAt >= REWRITE_NANOS) {
        writtenAt = System.nanoTime();
        write();
      }
      Optional<Warehouse.Progress> before = progress;
      progress = warehouse.progress();
      if (!progress.equals(before)) {
        deadline.moved();
      }
      if (progress.isPresent() && progress.get().snapshotDone() && progress.get().lsn() > lsn) {
        return progress.get();
      }
      pause();
    }
    throw behind(lsn, progress);
  }

  private CannotCompareException behind(long lsn, Optional<Warehouse.Progress> progress) {
    String seconds = deadline.length().toSeconds() + " s in which nothing moved";
    if (progress.isEmpty()) {
      return new CannotCompareException(
          "No checkpoint of the job is visible in ClickHouse after "
              + seconds
              + ": start the job, or correct --clickhouse-database.");
    }
    if (!progress.get().snapshotDone()) {
      return new CannotCompareException(
          "The job is still in its initial snapshot after "
              + seconds
              + ": wait until etl_progress shows snapshot_done = true, or raise --deadline.");
    }
    return new CannotCompareException(
        "ClickHouse shows the source up to LSN "
            + Lsn.print(progress.get().lsn())
            + " only, "
            + Lsn.print(lsn)
            + " is needed, and it has not moved for "
            + deadline.length().toSeconds()
            + " s: see in the Flink web UI that the job runs and completes checkpoints, or raise --deadline.");
  }

  private void write() {
    try {
      Heartbeat.write(connection, writer);
    } catch (SQLException e) {
      throw SourceSnapshot.cannot(settings, e);
    }
  }

  static void pause() {
    try {
      Thread.sleep(POLL.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CannotCompareException(
          "Interrupted while waiting for ClickHouse: run it again.", e);
    }
  }

  @Override
  public void close() {
    try (Connection closing = connection;
        PreparedStatement statement =
            closing.prepareStatement("DELETE FROM etl_heartbeat WHERE writer = ?")) {
      statement.setString(1, writer);
      statement.executeUpdate();
    } catch (SQLException e) {
      throw SourceSnapshot.cannot(settings, e);
    }
  }
}
