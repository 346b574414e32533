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
import java.util.stream.Collectors;

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
      Map<String, List<Size>> recorded = recorded(connection, "postgresql");
      for (Map.Entry<String, Size> size : sourceSizes(connection).entrySet()) {
        String table = size.getKey();
        Map<String, Object> span = span(connection, table, SOURCE.get(table));
        tables.add(
            table(
                table,
                size.getValue(),
                (String) span.get("oldest"),
                (String) span.get("newest"),
                recorded.getOrDefault(table, List.of())));
      }
    }
    return tables;
  }

  /** The tables that exist, with their partitions, as they are today. */
  private Map<String, Size> sourceSizes(Connection connection) throws SQLException {
    Map<String, Size> sizes = new TreeMap<>();
    for (Map<String, Object> row :
        SqlRows.query(
            connection,
            """
            SELECT t.name AS table_name, coalesce(sum(greatest(c.reltuples, 0)) FILTER (WHERE c.relkind = 'r'), 0)::bigint AS row_count,
              sum(pg_total_relation_size(c.oid))::bigint AS size_bytes
            FROM string_to_table(?, ' ') AS t (name)
            JOIN pg_class c ON c.oid = to_regclass(t.name) OR c.oid IN (SELECT relid FROM pg_partition_tree(to_regclass(t.name)))
            GROUP BY t.name
            """,
            String.join(" ", SOURCE.keySet()))) {
      sizes.put((String) row.get("table_name"), size(today(), row));
    }
    return sizes;
  }

  private static Size size(LocalDate day, Map<String, Object> row) {
    return new Size(
        day,
        ((Number) row.get("row_count")).longValue(),
        ((Number) row.get("size_bytes")).longValue());
  }

  /** The sizes of the last 30 days in the order of days, by table. */
  private Map<String, List<Size>> recorded(Connection connection, String store)
      throws SQLException {
    Map<String, List<Size>> recorded = new TreeMap<>();
    for (Map<String, Object> row :
        SqlRows.query(
            connection,
            "SELECT table_name, day::text AS day, row_count, size_bytes FROM etl_table_sizes WHERE store = ? AND day > ?::date - 31 ORDER BY etl_table_sizes.day",
            store,
            today().toString())) {
      recorded
          .computeIfAbsent((String) row.get("table_name"), table -> new ArrayList<>())
          .add(size(LocalDate.parse((String) row.get("day")), row));
    }
    return recorded;
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
      Map<String, Size> sizes = warehouseSizes(session);
      Map<String, List<Size>> recorded = recorded(connection, "clickhouse");
      session.list(
          WAREHOUSE.entrySet().stream()
              .map(
                  column ->
                      "SELECT '%2$s' AS name, toString(min(%1$s)), toString(max(%1$s)), count() > 0 FROM %2$s"
                          .formatted(column.getValue(), column.getKey()))
              .collect(Collectors.joining(" UNION ALL ", "SELECT * FROM (", ") ORDER BY name")),
          row -> {
            String table = row.getString(1);
            boolean hasRows = row.getBoolean(4);
            return tables.add(
                table(
                    table,
                    sizes.getOrDefault(table, new Size(today(), 0, 0)),
                    hasRows ? row.getString(2) : null,
                    hasRows ? row.getString(3) : null,
                    recorded.getOrDefault(table, List.of())));
          });
    }
    return tables;
  }

  /** Rows and bytes on disk, by table. */
  private Map<String, Size> warehouseSizes(ClickHouseSession session) {
    Map<String, Size> sizes = new TreeMap<>();
    session.list(
        "SELECT table, toInt64(sum(rows)), toInt64(sum(bytes_on_disk)) FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table",
        row -> sizes.put(row.getString(1), new Size(today(), row.getLong(2), row.getLong(3))));
    return sizes;
  }

  private static Table table(
      String table, Size size, String oldest, String newest, List<Size> recorded) {
    Double rowsPerDay = null;
    Double bytesPerDay = null;
    if (recorded.size() > 1) {
      Size first = recorded.get(0);
      Size last = recorded.get(recorded.size() - 1);
      double days = last.day.toEpochDay() - first.day.toEpochDay();
      rowsPerDay = (last.rows - first.rows) / days;
      bytesPerDay = (last.bytes - first.bytes) / days;
    }
    return new Table(table, size.rows, size.bytes, oldest, newest, rowsPerDay, bytesPerDay);
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
    Map<String, Size> warehouse;
    try (ClickHouseSession session = clickHouse.connect()) {
      warehouse = warehouseSizes(session);
    }
    try (Connection connection = postgres.connect();
        PreparedStatement insert =
            connection.prepareStatement(
                "INSERT INTO etl_table_sizes (day, store, table_name, row_count, size_bytes) VALUES (?::date, ?, ?, ?, ?)"
                    + " ON CONFLICT (day, store, table_name) DO UPDATE SET row_count = excluded.row_count, size_bytes = excluded.size_bytes");
        Statement statement = connection.createStatement()) {
      for (Map.Entry<String, Size> size : sourceSizes(connection).entrySet()) {
        add(insert, "postgresql", size.getKey(), size.getValue());
      }
      for (String table : WAREHOUSE.keySet()) {
        add(insert, "clickhouse", table, warehouse.getOrDefault(table, new Size(today(), 0, 0)));
      }
      insert.executeBatch();
      statement.execute("DELETE FROM etl_table_sizes WHERE day < current_date - 730");
    }
  }

  private static void add(PreparedStatement insert, String store, String table, Size size)
      throws SQLException {
    insert.setString(1, size.day.toString());
    insert.setString(2, store);
    insert.setString(3, table);
    insert.setLong(4, size.rows);
    insert.setLong(5, size.bytes);
    insert.addBatch();
  }
}
