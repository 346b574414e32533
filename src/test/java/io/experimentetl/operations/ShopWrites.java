package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.local.PostgresEndpoint;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/** A shop's writes, which go on while a test operates the job, until this is closed. */
final class ShopWrites implements AutoCloseable {
  /** One experiment, whose 20 users were exposed five days ago. */
  static final String FIRST_ROWS =
      """
      INSERT INTO experiments (id, key, name, status, seed, starts_at)
      VALUES (1, 'checkout', 'Checkout', 'ACTIVE', 's', now() - interval '20 days');
      INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
      VALUES (1, 1, 'a', 'A', 50, true), (2, 1, 'b', 'B', 50, false);
      INSERT INTO users (user_id) SELECT 'u' || n FROM generate_series(1, 20) AS n;
      INSERT INTO assignments (id, experiment_id, user_id, variant_id, source, assigned_at)
      SELECT n, 1, 'u' || n, 1 + n % 2, 'hash', now() - interval '6 days' FROM generate_series(1, 20) AS n;
      INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type)
      SELECT gen_random_uuid(), now() - interval '5 days', 1, 'u' || n, 1 + n % 2, 'exposure' FROM generate_series(1, 20) AS n;
      """;

  private final PostgresEndpoint postgres;
  private final List<String> further;
  private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor();
  private final ScheduledFuture<?> writes;
  private volatile int written;

  /**
   * Begins to write events and to change users.
   *
   * @param further statements of each round; {@code %1$d} stands for the number of its user
   */
  ShopWrites(PostgresEndpoint postgres, Duration pause, String... further) {
    this.postgres = postgres;
    this.further = List.of(further);
    writes = thread.scheduleWithFixedDelay(this::write, 0, pause.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void write() {
    int round = written;
    written = round + 1;
    int user = 1 + round % 20;
    try (Connection connection = postgres.connect();
        Statement statement = connection.createStatement()) {
      statement.execute(
          "INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type) VALUES (gen_random_uuid(), now(), 1, 'u%d', %d, '%s')"
              .formatted(user, 1 + user % 2, round % 3 == 0 ? "purchase" : "conversion"));
      statement.execute(
          "UPDATE users SET properties = '{\"writes\": %d}' WHERE user_id = 'u%d'"
              .formatted(round, user));
      for (String sql : further) {
        statement.execute(sql.formatted(user));
      }
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  /** How many rounds were written or begun. */
  int rounds() {
    return written;
  }

  /** Ends the writes; the exception of one that has failed is thrown here. */
  @Override
  public void close() throws InterruptedException, ExecutionException {
    writes.cancel(false);
    if (!writes.isCancelled()) {
      writes.get();
    }
    thread.shutdown();
    assertThat(thread.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
  }
}
