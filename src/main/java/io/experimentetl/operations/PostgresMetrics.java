package io.experimentetl.operations;

import io.experimentetl.mapping.SqlNames;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.mapping.TableSql;
import io.experimentetl.postgres.WalStatus;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Set;
import java.util.stream.Collectors;

/** The metrics of the source's PostgreSQL: slots, sizes, partitions. */
final class PostgresMetrics implements ServerMetrics.Look {
  private static final String SLOTS =
      """
      SELECT slot_name, active, coalesce(wal_status, 'reserved') AS wal_status, pg_wal_lsn_diff(wal_end, confirmed_flush_lsn)::bigint AS lag,
             pg_wal_lsn_diff(wal_end, restart_lsn)::bigint AS retained, safe_wal_size
      FROM pg_replication_slots,
           (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS wal_end) e
      WHERE slot_type = 'logical' AND database = current_database()
      ORDER BY slot_name""";

  private static final String TABLES =
      """
      SELECT w.shown_as, coalesce(sum(pg_total_relation_size(t.relid)), pg_total_relation_size(c.oid))::bigint
      FROM (VALUES %s) w (name, shown_as)
      JOIN pg_class c ON c.oid = to_regclass(w.name)
      LEFT JOIN LATERAL pg_partition_tree(c.oid) t ON true
      WHERE c.relkind IN ('r', 'p')
      GROUP BY c.oid, w.shown_as
      ORDER BY w.shown_as""";

  /** A registered table that does not exist has no line. */
  private static final String PARTITIONS =
      """
      SELECT s.table_name, s.months_ahead, greatest(0, c.future_partitions - s.months_ahead), s.partitions_pending_cleanup, s.default_rows
      FROM partition_health_summary() s JOIN partition_config c ON c.table_name = s.table_name
      WHERE c.enabled AND to_regclass(format('%I.%I', current_schema(), s.table_name)) IS NOT NULL
      ORDER BY s.table_name""";

  private static final String SCHEDULE =
      """
      SELECT task, outcome, extract(epoch FROM now() - finished_at)::float8 AS age,
             greatest(0, extract(epoch FROM now() - next_at))::float8 AS overdue
      FROM etl_schedule
      ORDER BY task""";

  /** No right, no such table or function, another session holds a lock: the server answers. */
  private static final Set<String> REFUSED = Set.of("42501", "42P01", "42883", "42703", "57014");

  private final Databases databases;
  private final Duration timeout;

  PostgresMetrics(Databases databases, Duration timeout) {
    this.databases = databases;
    this.timeout = timeout;
  }

  @Override
  public MetricSamples read() throws SQLException {
    MetricSamples samples = new MetricSamples();
    try (Connection connection =
        databases.postgres().withSocketTimeout(timeout.plusSeconds(2)).connect()) {
      connection.setReadOnly(true);
      ask(connection, samples, "slots", SLOTS, row -> slot(samples, row));
      ask(
          connection,
          samples,
          "database",
          "SELECT pg_database_size(current_database())",
          row -> samples.add(ServerMetric.DATABASE_BYTES, row.getLong(1)));
      ask(
          connection,
          samples,
          "tables",
          TABLES.formatted(
              databases.config().source().tables().tables().stream()
                  .map(PostgresMetrics::named)
                  .distinct()
                  .collect(Collectors.joining(", "))),
          row -> samples.add(ServerMetric.TABLE_BYTES, row.getLong(2), "table", row.getString(1)));
      ask(connection, samples, "partitions", PARTITIONS, row -> partitions(samples, row));
      ask(connection, samples, "schedule", SCHEDULE, row -> schedule(samples, row));
    }
    return samples;
  }

  /** A table, and how its metric names it. */
  private static String named(TableBinding binding) {
    return "(%s, %s)"
        .formatted(
            SqlNames.literal(
                binding.mapped() ? TableSql.name(binding) : SqlNames.quoted(binding.name())),
            SqlNames.literal(binding.readableName()));
  }

  private void ask(
      Connection connection,
      MetricSamples samples,
      String about,
      String sql,
      MetricSamples.RowReader reader)
      throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.setQueryTimeout((int) Math.max(1, timeout.toSeconds()));
      try (ResultSet row = statement.executeQuery(sql)) {
        while (row.next()) {
          reader.read(row);
        }
      }
    } catch (SQLException e) {
      if (!REFUSED.contains(e.getSQLState())) {
        throw e;
      }
      samples.addRefused("postgres", about);
    }
  }

  private static void slot(MetricSamples samples, ResultSet row) throws SQLException {
    String slot = row.getString("slot_name");
    samples.add(ServerMetric.SLOT_ACTIVE, row.getBoolean("active") ? 1 : 0, "slot", slot);
    samples.add(
        ServerMetric.SLOT_WAL_STATUS, WalStatus.rank(row.getString("wal_status")), "slot", slot);
    addUnlessNull(samples, ServerMetric.SLOT_LAG, row, "lag", slot);
    addUnlessNull(samples, ServerMetric.SLOT_RETAINED, row, "retained", slot);
    addUnlessNull(samples, ServerMetric.SLOT_SAFE, row, "safe_wal_size", slot);
  }

  private static void addUnlessNull(
      MetricSamples samples, ServerMetric metric, ResultSet row, String column, String slot)
      throws SQLException {
    long value = row.getLong(column);
    if (!row.wasNull()) {
      samples.add(metric, value, "slot", slot);
    }
  }

  private static void schedule(MetricSamples samples, ResultSet row) throws SQLException {
    String task = row.getString("task");
    double age = row.getDouble("age");
    // A task that runs, or waits for its first run, has no outcome.
    if (!row.wasNull()) {
      samples.add(
          ServerMetric.SCHEDULE_SUCCEEDED,
          row.getString("outcome").equals("DONE") ? 1 : 0,
          "task",
          task);
      samples.add(ServerMetric.SCHEDULE_AGE, age, "task", task);
    }
    samples.add(ServerMetric.SCHEDULE_OVERDUE, row.getDouble("overdue"), "task", task);
  }

  private static void partitions(MetricSamples samples, ResultSet row) throws SQLException {
    String table = row.getString(1);
    samples.add(ServerMetric.PARTITION_MONTHS_AHEAD, row.getLong(2), "table", table);
    samples.add(ServerMetric.PARTITIONS_MISSING, row.getLong(3), "table", table);
    samples.add(ServerMetric.PARTITIONS_PENDING, row.getLong(4), "table", table);
    samples.add(ServerMetric.DEFAULT_PARTITION_ROWS, row.getLong(5), "table", table);
  }
}
