package io.experimentetl.maintenance;

import io.experimentetl.operations.ClickHouseLogin;
import io.experimentetl.operations.ClickHouseSession;
import io.experimentetl.operations.PostgresLogin;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Clock;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** How much data both stores have, from when, and how fast it grows. */
public final class DataStatistics {
  private static final String QUERY_CANCELED = "57014";

  /** The platform's tables, each with the column that has the time of a row. */
  private static final Map<String, String> SOURCE =
      new TreeMap<>(
          Map.of(
              "experiments", "created_at",
              "variants", "created_at",
              "users", "created_at",
              "assignments", "assigned_at",
              "events", "timestamp",
              "outbox_events", "created_at"));

  private static final Map<String, String> WAREHOUSE =
      new TreeMap<>(
          Map.of(
              "experiments", "created_at",
              "variants", "created_at",
              "users", "created_at",
              "assignments_processed", "assigned_at",
              "events_processed", "timestamp",
              "experiment_daily_stats", "day",
              "experiment_health_daily", "day",
              "data_inconsistencies", "observed_at"));

  private final PostgresLogin postgres;
  private final ClickHouseLogin clickHouse;
  private final Clock clock;

  /** Statistics of a deployment's databases. */
  public DataStatistics(PostgresLogin postgres, ClickHouseLogin clickHouse, Clock clock) {
    this.postgres = postgres;
    this.clickHouse = clickHouse;
    this.clock = clock;
  }

  /**
   * A table.
   *
   * @param rows PostgreSQL's estimate as of the last ANALYZE; exact in ClickHouse, with versions
   * @param oldest null: there is no row, or finding it took too long
   * @param rowsPerDay over the recorded days, at most 30; null: fewer than two are recorded
   */
  public record Table(
      String table,
      long rows,
      long bytes,
      String oldest,
      String newest,
      Double rowsPerDay,
      Double bytesPerDay) {}

  /** What a table holds on one day. */
  private record Size(LocalDate day, long rows, long bytes) {}

  /** PostgreSQL's tables. */
  public List<Table> postgres() throws SQLException {
    List<Table> tables = new ArrayList<>();
    try (Connection connection = postgres.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("SET statement_timeout = '20s'");
      for (Map.Entry<String, String> column : SOURCE.entrySet()) {
        Map<String, Object> size = sourceSize(connection, column.getKey());
        if (size.get("size_bytes") != null) {
          Map<String, Object> span = span(connection, column.getKey(), column.getValue());
          tables.add(
              table(
                  connection,
                  "postgresql",
                  column.getKey(),
                  ((Number) size.get("row_count")).longValue(),
                  ((Number) size.get("size_bytes")).longValue(),
                  (String) span.get("oldest"),
                  (String) span.get("newest")));
        }
      }
    }
    return tables;
  }

  /** NULL for both: there is no such table. */
  private static Map<String, Object> sourceSize(Connection connection, String table)
      throws SQLException {
    return SqlRows.query(
            connection,
            """
            SELECT sum(greatest(c.reltuples, 0)) FILTER (WHERE c.relkind = 'r')::bigint AS row_count, sum(pg_total_relation_size(c.oid))::bigint AS size_bytes
            FROM pg_class c
            WHERE c.oid = to_regclass(?) OR c.oid IN (SELECT relid FROM pg_partition_tree(to_regclass(?)))
            """,
            table,
            table)
        .get(0);
  }

  private static Map<String, Object> span(Connection connection, String table, String column)
      throws SQLException {
    try {
      return SqlRows.query(
              connection,
              "SELECT min(\"%1$s\") AS oldest, max(\"%1$s\") AS newest FROM %2$s"
                  .formatted(column, table))
          .get(0);
    } catch (SQLException e) {
      if (QUERY_CANCELED.equals(e.getSQLState())) {
        return Map.of();
      }
      throw e;
    }
  }

  /** ClickHouse's tables. */
  public List<Table> clickHouse() throws SQLException {
    List<Table> tables = new ArrayList<>();
    try (ClickHouseSession session = clickHouse.connect();
        Connection connection = postgres.connect()) {
      Map<String, long[]> sizes = warehouseSizes(session);
      for (Map.Entry<String, String> column : WAREHOUSE.entrySet()) {
        long[] size = sizes.getOrDefault(column.getKey(), new long[2]);
        List<String> span =
            session
                .list(
                    "SELECT toString(min(%1$s)), toString(max(%1$s)), count() > 0 FROM %2$s"
                        .formatted(column.getValue(), column.getKey()),
                    row ->
                        row.getBoolean(3)
                            ? List.of(row.getString(1), row.getString(2))
                            : List.<String>of())
                .get(0);
        tables.add(
            table(
                connection,
                "clickhouse",
                column.getKey(),
                size[0],
                size[1],
                span.isEmpty() ? null : span.get(0),
                span.isEmpty() ? null : span.get(1)));
      }
    }
    return tables;
  }

  /** Rows and bytes on disk, by table. */
  private static Map<String, long[]> warehouseSizes(ClickHouseSession session) {
    Map<String, long[]> sizes = new TreeMap<>();
    session.list(
        "SELECT table, toInt64(sum(rows)), toInt64(sum(bytes_on_disk)) FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table",
        row -> sizes.put(row.getString(1), new long[] {row.getLong(2), row.getLong(3)}));
    return sizes;
  }

  private Table table(
      Connection connection,
      String store,
      String table,
      long rows,
      long bytes,
      String oldest,
      String newest)
      throws SQLException {
    List<Size> recorded =
        SqlRows.query(
                connection,
                "SELECT day::text AS day, row_count, size_bytes FROM etl_table_sizes WHERE store = ? AND table_name = ? AND day > ?::date - 31 ORDER BY etl_table_sizes.day",
                store,
                table,
                today().toString())
            .stream()
            .map(
                row ->
                    new Size(
                        LocalDate.parse((String) row.get("day")),
                        ((Number) row.get("row_count")).longValue(),
                        ((Number) row.get("size_bytes")).longValue()))
            .toList();
    Double rowsPerDay = null;
    Double bytesPerDay = null;
    if (recorded.size() > 1) {
      Size first = recorded.get(0);
      Size last = recorded.get(recorded.size() - 1);
      double days = last.day.toEpochDay() - first.day.toEpochDay();
      rowsPerDay = (last.rows - first.rows) / days;
      bytesPerDay = (last.bytes - first.bytes) / days;
    }
    return new Table(table, rows, bytes, oldest, newest, rowsPerDay, bytesPerDay);
  }

  private LocalDate today() {
    return LocalDate.ofInstant(clock.instant(), ZoneOffset.UTC);
  }

  /** How far ClickHouse is behind; null values: nothing is visible yet. */
  public Map<String, Object> lag() {
    Map<String, Object> lag = new LinkedHashMap<>();
    lag.put("lag_seconds", null);
    lag.put("committed_at", null);
    lag.put("snapshot_done", false);
    clickHouse.list(
        "SELECT lag_seconds, toString(committed_at) AS committed_at, snapshot_done FROM etl_progress",
        row -> {
          lag.putAll(SqlRows.row(row));
          lag.put("snapshot_done", row.getBoolean("snapshot_done"));
          return null;
        });
    return lag;
  }

  /**
   * ClickHouse's disks.
   *
   * @param daysUntilFull at the tables' growth; null: they do not grow, or it is not known
   */
  public record Disk(String name, long freeBytes, long totalBytes, Double daysUntilFull) {}

  /** ClickHouse's disks, with the growth of these tables. */
  public List<Disk> disks(List<Table> tables) {
    double growth =
        tables.stream()
            .filter(table -> table.bytesPerDay != null)
            .mapToDouble(Table::bytesPerDay)
            .sum();
    return clickHouse.list(
        "SELECT name, toInt64(free_space), toInt64(total_space) FROM system.disks ORDER BY name",
        row ->
            new Disk(
                row.getString(1),
                row.getLong(2),
                row.getLong(3),
                growth > 0 ? row.getLong(2) / growth : null));
  }

  /**
   * The queries of the warehouse in the last seven days.
   *
   * @param slow that took longer than 30 seconds
   */
  public record Queries(long queries, double p95Millis, long slow) {}

  /**
   * What the server's log has of these queries; null: it keeps none, or this user may not read it.
   */
  public Queries queries() {
    try (ClickHouseSession session = clickHouse.connect()) {
      if (session.count(
              "SELECT count() FROM system.tables WHERE database = 'system' AND name = 'query_log'")
          == 0) {
        return null;
      }
      return session
          .list(
              "SELECT count(), ifNotFinite(quantile(0.95)(query_duration_ms), 0), countIf(query_duration_ms > 30000) FROM system.query_log"
                  + " WHERE type = 'QueryFinish' AND query_kind = 'Select' AND event_time > now() - INTERVAL 7 DAY AND has(databases, currentDatabase())",
              row -> new Queries(row.getLong(1), row.getDouble(2), row.getLong(3)))
          .get(0);
    }
  }

  /** Records the sizes of this day. */
  public void record() throws SQLException {
    Map<String, long[]> warehouse;
    try (ClickHouseSession session = clickHouse.connect()) {
      warehouse = warehouseSizes(session);
    }
    try (Connection connection = postgres.connect();
        PreparedStatement insert =
            connection.prepareStatement(
                "INSERT INTO etl_table_sizes (day, store, table_name, row_count, size_bytes) VALUES (?::date, ?, ?, ?, ?)"
                    + " ON CONFLICT (day, store, table_name) DO UPDATE SET row_count = excluded.row_count, size_bytes = excluded.size_bytes");
        Statement statement = connection.createStatement()) {
      for (String table : SOURCE.keySet()) {
        Map<String, Object> size = sourceSize(connection, table);
        if (size.get("size_bytes") != null) {
          add(
              insert,
              "postgresql",
              table,
              ((Number) size.get("row_count")).longValue(),
              ((Number) size.get("size_bytes")).longValue());
        }
      }
      for (String table : WAREHOUSE.keySet()) {
        long[] size = warehouse.getOrDefault(table, new long[2]);
        add(insert, "clickhouse", table, size[0], size[1]);
      }
      insert.executeBatch();
      statement.execute("DELETE FROM etl_table_sizes WHERE day < current_date - 730");
    }
  }

  private void add(PreparedStatement insert, String store, String table, long rows, long bytes)
      throws SQLException {
    insert.setString(1, today().toString());
    insert.setString(2, store);
    insert.setString(3, table);
    insert.setLong(4, rows);
    insert.setLong(5, bytes);
    insert.addBatch();
  }
}
