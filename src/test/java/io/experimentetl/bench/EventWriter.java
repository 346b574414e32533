package io.experimentetl.bench;

import io.experimentetl.bench.Freshness.Step;
import io.experimentetl.local.PlatformException;
import io.experimentetl.local.PostgresEndpoint;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.locks.LockSupport;

/**
 * Commits events at a steady rate, each hundredth of a second a transaction, whether or not their
 * readers keep up. A transaction that is late is followed by the next one at once.
 */
final class EventWriter implements AutoCloseable {
  private static final int TRANSACTIONS_PER_SECOND = 100;

  private final Connection connection;
  private final PreparedStatement insert;
  private final List<Step> committed = new ArrayList<>();
  private long rows;

  /** What {@link #start} runs; null: nothing. */
  private CompletableFuture<Void> running;

  private volatile boolean stopped;

  EventWriter(PostgresEndpoint database, String table) {
    try {
      connection = database.connect();
      insert =
          connection.prepareStatement(
              """
              INSERT INTO %s (id, timestamp, experiment_id, user_id, variant_id, event_type, properties, session_id, request_id)
              SELECT gen_random_uuid(), now(), 201 + i / 20000 %% 5, 'bench-' || i %% 20000, (201 + i / 20000 %% 5) * 10 + i %% 2,
                CASE i %% 4 WHEN 0 THEN 'purchase' WHEN 1 THEN 'conversion' ELSE 'exposure' END,
                '{"revenue": 5.25, "currency": "EUR"}', 's-' || i %% 65536, 'r-' || i
              FROM generate_series(?::bigint, ?::bigint) AS i
              """
                  .formatted(table));
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** Writes in the background until {@link #stop}. */
  void start(int rowsPerSecond) {
    stopped = false;
    running =
        CompletableFuture.runAsync(
            () -> write(rowsPerSecond), work -> new Thread(work, "event-writer").start());
  }

  private void write(int rowsPerSecond) {
    long begin = System.nanoTime();
    long before = rows;
    for (long i = 1; !stopped; i++) {
      long due = begin + i * (1_000_000_000L / TRANSACTIONS_PER_SECOND);
      while (System.nanoTime() < due) {
        LockSupport.parkNanos(due - System.nanoTime());
      }
      commit(before + i * rowsPerSecond / TRANSACTIONS_PER_SECOND - rows);
    }
  }

  private void commit(long more) {
    if (more == 0) {
      return;
    }
    try {
      insert.setLong(1, rows);
      insert.setLong(2, rows + more - 1);
      insert.execute();
    } catch (SQLException e) {
      throw failed(e);
    }
    rows += more;
    synchronized (committed) {
      committed.add(new Step(System.nanoTime(), rows));
    }
  }

  /**
   * Ends the writing.
   *
   * @return the rows that were committed
   */
  long stop() {
    stopped = true;
    try {
      running.join();
    } catch (CompletionException e) {
      throw new PlatformException("the writer ended: " + e.getCause().getMessage(), e);
    }
    return rows;
  }

  /** The rows that are committed now. */
  long committedRows() {
    synchronized (committed) {
      return committed.isEmpty() ? 0 : committed.get(committed.size() - 1).rows();
    }
  }

  /** All commits, after {@link #stop}. */
  List<Step> committed() {
    return committed;
  }

  @Override
  public void close() {
    stopped = true;
    try {
      connection.close();
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  private static PlatformException failed(SQLException e) {
    return new PlatformException("PostgreSQL refused an event: " + e.getMessage(), e);
  }
}
