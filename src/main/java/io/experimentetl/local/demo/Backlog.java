package io.experimentetl.local.demo;

import io.experimentetl.local.PlatformException;
import io.experimentetl.local.PostgresEndpoint;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;

/**
 * Many event rows committed at once, so that a reader finds them all in the WAL: 20,000 users in
 * five experiments of two variants; with a million rows each user has ten events in each. Each
 * backlog's events occur behind those of the one before, as a platform's do.
 */
public final class Backlog {
  static final int USERS = 20_000;
  private static final int EXPERIMENTS = 5;

  /** Between the first event and now: as much as some 30 million rows take. */
  private static final Duration HISTORY = Duration.ofDays(25);

  private static final Duration MILLION_ROWS = Duration.ofHours(20);

  private final PostgresEndpoint database;

  /** Rows behind the first event. */
  private long committed;

  public Backlog(PostgresEndpoint database) {
    this.database = database;
  }

  /** Experiments, variants, users and assignments. */
  public void prepare() {
    execute(
        """
        INSERT INTO experiments (id, key, name, status, seed, starts_at)
        SELECT 200 + e, 'bench_' || e, 'Bench ' || e, 'ACTIVE', 'bench', now() - interval '30 days'
        FROM generate_series(1, %1$d) AS e ON CONFLICT DO NOTHING;
        INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
        SELECT (200 + e) * 10 + v, 200 + e, 'v' || v, 'Variant ' || v, 50, v = 0
        FROM generate_series(1, %1$d) AS e, generate_series(0, 1) AS v ON CONFLICT DO NOTHING;
        INSERT INTO users (user_id, email, name, properties)
        SELECT 'bench-' || u, 'bench-' || u || '@example.org', 'User ' || u,
          '{"country": "DE", "platform": "web", "plan": "free"}'
        FROM generate_series(0, %2$d - 1) AS u ON CONFLICT DO NOTHING;
        INSERT INTO assignments (id, experiment_id, user_id, variant_id, source, assigned_at)
        SELECT u * %1$d + e, 200 + e, 'bench-' || u, (200 + e) * 10 + u %% 2, 'hash', now() - interval '26 days'
        FROM generate_series(1, %1$d) AS e, generate_series(0, %2$d - 1) AS u ON CONFLICT DO NOTHING;
        """
            .formatted(EXPERIMENTS, USERS));
  }

  /** Creates a table like events without partitions, which some readers need. */
  public void prepareCopy(String table) {
    execute(
        "DROP TABLE IF EXISTS %1$s; CREATE TABLE %1$s (LIKE events INCLUDING ALL)"
            .formatted(table));
  }

  /**
   * Commits this many events in one transaction: mostly exposures, then conversions, then
   * purchases.
   */
  public void commit(String table, int rows) {
    execute(
        """
        INSERT INTO %1$s (id, timestamp, experiment_id, user_id, variant_id, event_type, assignment_at, properties,
          session_id, request_id)
        SELECT gen_random_uuid(), now() - interval '%5$d s' + (%6$d + i) * interval '%7$d s' / 1000000, 201 + i / %3$d %% %4$d,
          'bench-' || i %% %3$d, (201 + i / %3$d %% %4$d) * 10 + i %% %3$d %% 2,
          CASE WHEN i < %2$d * 0.6 THEN 'exposure' WHEN i < %2$d * 0.8 THEN 'conversion' ELSE 'purchase' END,
          (SELECT assigned_at FROM assignments WHERE id = 1),
          CASE WHEN i < %2$d * 0.6 THEN '{"page": "start"}' WHEN i < %2$d * 0.8 THEN '{"step": 3}'
            ELSE '{"revenue": ' || i %% 1000 || '.25, "currency": "EUR"}' END::jsonb,
          's-' || i %% 65536, 'r-' || i
        FROM generate_series(0, %2$d - 1) AS i
        """
            .formatted(
                table,
                rows,
                USERS,
                EXPERIMENTS,
                HISTORY.toSeconds(),
                committed,
                MILLION_ROWS.toSeconds()));
    committed += rows;
  }

  /**
   * Commits an exposure of each user in each experiment. A fact of a user without one waits for the
   * grace.
   */
  public void expose(String table) {
    commit(table, USERS * EXPERIMENTS * 5 / 3);
  }

  /** Removes all events, so that a reader without state has none to read. */
  public void empty() {
    execute("TRUNCATE events");
    committed = 0;
  }

  /** Drops a slot, after ending the connection that reads it. */
  public void dropSlot(String slot) {
    execute(
        """
        DO $$ BEGIN
          WHILE EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '%1$s' AND active) LOOP
            PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '%1$s';
            PERFORM pg_sleep(0.1);
          END LOOP;
          PERFORM pg_drop_replication_slot('%1$s');
        END $$
        """
            .formatted(slot));
  }

  public void execute(String sql) {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute(sql);
      connection.commit();
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  private PlatformException failed(SQLException e) {
    return new PlatformException("PostgreSQL " + database + " refused: " + e.getMessage(), e);
  }
}
