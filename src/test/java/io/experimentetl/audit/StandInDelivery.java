package io.experimentetl.audit;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.model.Lsn;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.StringJoiner;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.commons.math3.special.Erf;

/**
 * A simple stand-in for the job: reads PostgreSQL in a snapshot and writes the changes since the
 * last delivery to ClickHouse, then the progress marker.
 */
final class StandInDelivery {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Per table of ClickHouse: the query for its rows in PostgreSQL, with their key first. */
  private static final Map<String, String> ROWS =
      Map.of(
          "experiments",
          "SELECT id::text, row_to_json(r)::text FROM (SELECT id, key, name, description, status, seed, version,"
              + " config::text, starts_at, ends_at, created_at, updated_at,"
              + " CASE jsonb_typeof(config -> 'zone') WHEN 'string' THEN config ->> 'zone' ELSE '' END AS zone FROM experiments) r",
          "variants",
          "SELECT id::text, row_to_json(r)::text FROM (SELECT id, experiment_id, key, name, description,"
              + " allocation_pct, is_control, config::text, created_at, updated_at FROM variants) r",
          "users",
          "SELECT user_id, row_to_json(r)::text FROM (SELECT user_id, email, name, properties::text, is_active,"
              + " created_at, updated_at FROM users) r",
          "assignments_processed",
          """
          SELECT id::text, row_to_json(r)::text
          FROM (SELECT a.id, a.experiment_id, a.user_id, a.variant_id, a.version, a.source, a.context::text, a.assigned_at,
                       a.enrolled_at, a.created_at, a.updated_at, a.assigned_at AS _committed_at,
                       e.key AS experiment_key, e.name AS experiment_name, v.key AS variant_key, v.name AS variant_name,
                       u.properties::text AS user_properties,
                       (a.assigned_at AT TIME ZONE CASE e.config ->> 'zone' WHEN 'America/Los_Angeles' THEN 'America/Los_Angeles' ELSE 'UTC' END)::date AS day,
                       CASE WHEN a.source IN ('override', 'forced') THEN ARRAY ['A-OVERRIDE'] ELSE '{}'::text[] END
                           AS inconsistencies
                FROM assignments a JOIN experiments e ON e.id = a.experiment_id JOIN variants v ON v.id = a.variant_id
                JOIN users u USING (user_id)) r
          """,
          "events_processed",
          """
          SELECT event_id || timestamp::text, row_to_json(r)::text
          FROM (SELECT n.id::text AS event_id, n."timestamp", n.experiment_id, n.user_id, n.variant_id, n.event_type,
                       n.assignment_at, n.properties::text, n.session_id, n.request_id,
                       CASE WHEN isfinite(n."timestamp") THEN n."timestamp" END AS _committed_at,
                       coalesce(e.key, '') AS experiment_key, coalesce(e.name, '') AS experiment_name,
                       coalesce(v.key, '') AS variant_key, coalesce(v.name, '') AS variant_name,
                       a.variant_id AS assigned_variant_id, coalesce(w.key, '') AS assigned_variant_key,
                       u.properties::text AS user_properties,
                       (n."timestamp" AT TIME ZONE CASE e.config ->> 'zone' WHEN 'America/Los_Angeles' THEN 'America/Los_Angeles' ELSE 'UTC' END)::date AS day,
                       array_remove(ARRAY [
                           CASE WHEN e.id IS NULL THEN 'R-ORPHAN-EXPERIMENT' END,
                           CASE WHEN e.id IS NOT NULL AND a.id IS NULL THEN 'R-ORPHAN-ASSIGNMENT' END,
                           CASE WHEN n.variant_id <> a.variant_id THEN 'R-VARIANT-MISMATCH' END,
                           CASE WHEN n.variant_id IS NULL AND n.event_type = 'exposure' THEN 'R-VARIANT-NULL' END,
                           CASE WHEN n."timestamp" < a.assigned_at THEN 'T-EVENT-BEFORE-ASSIGNMENT' END,
                           CASE WHEN n."timestamp" NOT BETWEEN coalesce(e.starts_at, '-infinity')
                               AND coalesce(e.ends_at, 'infinity') THEN 'T-NOT-RUNNING' END,
                           CASE WHEN n.event_type IN ('conversion', 'purchase') AND e.id IS NOT NULL AND a.id IS NOT NULL
                               AND n."timestamp" BETWEEN coalesce(e.starts_at, '-infinity') AND coalesce(e.ends_at, 'infinity')
                               AND NOT EXISTS (SELECT FROM events x WHERE x.experiment_id = n.experiment_id
                                   AND x.user_id = n.user_id AND x.event_type = 'exposure' AND x."timestamp" <= n."timestamp"
                                   AND x."timestamp" BETWEEN coalesce(e.starts_at, '-infinity')
                                       AND coalesce(e.ends_at, 'infinity'))
                               THEN 'T-CONVERSION-BEFORE-EXPOSURE' END,
                           CASE WHEN n.event_type = 'purchase' AND jsonb_typeof(n.properties -> 'revenue')
                               IS DISTINCT FROM 'number' THEN 'S-BAD-PROPERTY' END,
                           CASE WHEN EXISTS (SELECT FROM events x WHERE x.id = n.id AND x.user_id = n.user_id
                               AND x.experiment_id = n.experiment_id AND x."timestamp" < n."timestamp")
                               THEN 'D-DUP-EVENT' END], NULL) AS inconsistencies
                FROM events n
                JOIN users u USING (user_id)
                LEFT JOIN experiments e ON e.id = n.experiment_id
                LEFT JOIN variants v ON v.id = n.variant_id
                LEFT JOIN assignments a ON a.experiment_id = n.experiment_id AND a.user_id = n.user_id
                LEFT JOIN variants w ON w.id = a.variant_id
                WHERE isfinite(n."timestamp")) r
          """);

  /** The columns of earlier rows that a rename does not change. */
  private static final List<String> JOINED =
      List.of(
          "experiment_key",
          "experiment_name",
          "variant_key",
          "variant_name",
          "assigned_variant_key",
          "user_properties");

  private final PostgresEndpoint postgres;
  private final ClickHouseEndpoint clickHouse;
  private final Connection connection;
  private final Map<String, Map<String, String>> delivered = new HashMap<>();
  private Map<String, String> deliveredCells = Map.of();
  private boolean leavesJoinedColumns;
  private final Set<String> withheld = new HashSet<>();

  StandInDelivery(PostgresEndpoint postgres, ClickHouseEndpoint clickHouse, Connection connection) {
    this.postgres = postgres;
    this.clickHouse = clickHouse;
    this.connection = connection;
  }

  /** Delivers rows only. */
  synchronized long deliver() throws SQLException {
    try (Connection reading = postgres.connect()) {
      reading.setAutoCommit(false);
      reading.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      Map<String, Map<String, String>> now = new HashMap<>();
      for (Map.Entry<String, String> table : ROWS.entrySet()) {
        now.put(table.getKey(), read(reading, table.getValue()));
      }
      long sequenceNumber = Lsn.parse(text("SELECT pg_current_wal_insert_lsn()"));
      now.keySet().removeAll(withheld);
      for (Map.Entry<String, Map<String, String>> table : now.entrySet()) {
        Map<String, String> before = delivered.getOrDefault(table.getKey(), Map.of());
        StringJoiner insert = new StringJoiner("\n");
        table
            .getValue()
            .forEach(
                (key, row) -> {
                  if (!asWritten(row).equals(asWritten(before.get(key)))) {
                    insert.add(versioned(row, sequenceNumber, false));
                  }
                });
        before.forEach(
            (key, row) -> {
              if (!table.getValue().containsKey(key)) {
                insert.add(versioned(row, sequenceNumber, true));
              }
            });
        insert(table.getKey(), insert);
      }
      delivered.putAll(now);
      return sequenceNumber;
    }
  }

  /** Delivers rows, statistics, and then the progress marker. */
  synchronized void deliver(StatisticsConfig statistics) throws SQLException {
    long lsn = Lsn.parse(text("SELECT pg_current_wal_insert_lsn()"));
    long sequenceNumber = deliver();
    Map<String, String> cells = new TreeMap<>();
    clickHouse
        .query(
            new StatisticsSql(statistics, Set.of("America/Los_Angeles"), false)
                .clickhouse(sequenceNumber))
        .lines()
        .filter(line -> !line.isEmpty())
        .forEach(
            line -> {
              String[] f = line.split("\t", -1);
              ObjectNode row = JSON.createObjectNode();
              row.put("experiment_id", f[0]);
              row.put("variant_id", f[1]);
              row.put("metric", f[2]);
              row.put("day", LocalDate.ofEpochDay(Long.parseLong(f[3])).toString());
              row.put("kind", kindOf(statistics, f[2]));
              for (int i = 0; i < StatisticsFigures.NAMES.size(); i++) {
                row.put(StatisticsFigures.NAMES.get(i), AuditFixture.decimal(f[4 + i], i));
              }
              cells.put(String.join(" ", f[0], f[1], f[2], f[3]), row.toString());
            });
    StringJoiner insert = new StringJoiner("\n");
    cells.forEach(
        (key, row) -> {
          if (!row.equals(deliveredCells.get(key))) {
            insert.add(versioned(row, sequenceNumber, false));
          }
        });
    deliveredCells.forEach(
        (key, row) -> {
          if (!cells.containsKey(key)) {
            insert.add(versioned(row, sequenceNumber, true));
          }
        });
    insert("experiment_daily_stats", insert);
    deliveredCells = cells;
    deliverAllocations(sequenceNumber);
    deliverHealth(statistics, sequenceNumber);
    deliverFindings(sequenceNumber);
    marker(sequenceNumber, lsn);
  }

  private static String kindOf(StatisticsConfig statistics, String metric) {
    return statistics.metrics().stream()
        .filter(one -> one.name().equals(metric))
        .map(one -> one.kind().columnValue())
        .findFirst()
        .orElseThrow();
  }

  /** One phase per experiment, with equal weights; it is written once, as it does not change. */
  private void deliverAllocations(long sequenceNumber) {
    clickHouse.query(
        "INSERT INTO experiment_allocations (experiment_id, phase, judged_as, from_time, variant_ids, weights, _lsn, _version)"
            + " SELECT id, 1, 1, '1900-01-01 00:00:00', [id * 10 + 1, id * 10 + 2], [50, 50], %1$d, %1$d * 1024 FROM experiments FINAL WHERE id NOT IN (SELECT experiment_id FROM experiment_allocations)"
                .formatted(sequenceNumber));
  }

  private void deliverHealth(StatisticsConfig statistics, long sequenceNumber) {
    Map<Long, Map<Integer, List<long[]>>> days = new TreeMap<>();
    clickHouse
        .query(
            new StatisticsSql(statistics, Set.of("America/Los_Angeles"), false)
                .healthInClickhouse(sequenceNumber))
        .lines()
        .filter(line -> !line.isEmpty())
        .forEach(
            line -> {
              long[] f = Stream.of(line.split("\t", -1)).mapToLong(Long::parseLong).toArray();
              days.computeIfAbsent(f[0], none -> new TreeMap<>())
                  .computeIfAbsent((int) f[2], none -> new ArrayList<>())
                  .add(f);
            });
    StringJoiner insert = new StringJoiner("\n");
    days.forEach(
        (experiment, byDay) -> {
          long[] variants = {experiment * 10 + 1, experiment * 10 + 2};
          long[] assigned = new long[2];
          long[] exposed = new long[2];
          long crossovers = 0;
          for (Map.Entry<Integer, List<long[]>> day : byDay.entrySet()) {
            long exposures = 0;
            for (long[] f : day.getValue()) {
              int variant = f[1] == variants[0] ? 0 : 1;
              assigned[variant] += f[3];
              exposed[variant] += f[4];
              crossovers += f[5];
              exposures += f[6];
            }
            double expected = (assigned[0] + assigned[1]) / 2.0;
            boolean isTested = expected >= 5;
            double chiSquare = !isTested ? 0 : 2 * Math.pow(assigned[0] - expected, 2) / expected;
            ObjectNode row = JSON.createObjectNode();
            row.put("experiment_id", experiment);
            row.put("day", LocalDate.ofEpochDay(day.getKey()).toString());
            row.set("variant_ids", JSON.valueToTree(variants));
            row.set("assigned_users", JSON.valueToTree(assigned));
            row.set("exposed_users", JSON.valueToTree(exposed));
            row.set("weights", JSON.valueToTree(new int[] {50, 50}));
            row.set("expected_users", JSON.valueToTree(new double[] {expected, expected}));
            row.put("crossover_users", crossovers);
            row.put("exposures", exposures);
            row.put("srm_chi_square", chiSquare);
            row.put("srm_df", isTested ? 1 : 0);
            row.put("srm_p", !isTested ? 1 : Erf.erfc(Math.sqrt(chiSquare / 2)));
            insert.add(versioned(row.toString(), sequenceNumber, false));
          }
        });
    insert("experiment_health_daily", insert);
  }

  /** Findings of the codes that rows carry. */
  private void deliverFindings(long sequenceNumber) {
    String columns =
        " (code, subject_kind, subject_key, event_timestamp, status, experiment_id, user_id, event_id, _lsn, _version) SELECT ";
    String version = ", " + sequenceNumber + ", " + sequenceNumber * 1024 + " FROM ";
    clickHouse.query(
        "INSERT INTO data_inconsistencies"
            + columns
            + "code, if(code = 'R-ORPHAN-ASSIGNMENT', 'experiment-user', 'event'),"
            + " if(code = 'R-ORPHAN-ASSIGNMENT', concat(toString(experiment_id), '/', user_id),"
            + " concat(event_id, '@', toString(toUnixTimestamp64Micro(timestamp)))), timestamp, 'OPEN', experiment_id, user_id,"
            + " event_id"
            + version
            + "events_processed FINAL ARRAY JOIN inconsistencies AS code");
    clickHouse.query(
        "INSERT INTO data_inconsistencies"
            + columns
            + "code, 'assignment', toString(id), NULL, 'OPEN', experiment_id, user_id, NULL"
            + version
            + "assignments_processed FINAL ARRAY JOIN inconsistencies AS code");
  }

  /** Later deliveries do not update joined columns. */
  synchronized void leaveJoinedColumns() {
    leavesJoinedColumns = true;
  }

  /** Later deliveries do not touch the table. */
  synchronized void withhold(String table) {
    withheld.add(table);
  }

  private String asWritten(String row) {
    if (row == null || !leavesJoinedColumns) {
      return String.valueOf(row);
    }
    try {
      return ((ObjectNode) JSON.readTree(row)).remove(JOINED).toString();
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Later deliveries write no tombstones for rows deleted from these tables. */
  synchronized void retain(String... tables) {
    for (String table : tables) {
      delivered.remove(table);
    }
  }

  /** Removes rows from ClickHouse that were delivered. */
  synchronized void lose(String table, String condition) {
    clickHouse.query("DELETE FROM " + table + " WHERE " + condition);
  }

  /**
   * Moves the progress marker to the end of the log; right if nothing but heartbeats was written.
   */
  synchronized void marker() throws SQLException {
    long lsn = Lsn.parse(text("SELECT pg_current_wal_insert_lsn()"));
    marker(lsn, lsn);
  }

  private void marker(long sequenceNumber, long lsn) {
    clickHouse.query(
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done, written_at, _version) VALUES (%1$d, %2$d, now64(), true, now64(), %2$d)"
            .formatted(sequenceNumber, lsn));
  }

  private void insert(String table, StringJoiner rows) {
    if (rows.length() > 0) {
      clickHouse.query(
          "INSERT INTO "
              + table
              + " SETTINGS async_insert = 0, date_time_input_format = 'best_effort' FORMAT JSONEachRow\n"
              + rows);
    }
  }

  private static String versioned(String row, long sequenceNumber, boolean deleted) {
    try {
      ObjectNode node = (ObjectNode) JSON.readTree(row);
      node.put("_lsn", sequenceNumber);
      node.put("_version", sequenceNumber * 1024);
      node.put("_deleted", deleted ? 1 : 0);
      return node.toString();
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Map<String, String> read(Connection connection, String sql) throws SQLException {
    Map<String, String> rows = new TreeMap<>();
    try (Statement statement = connection.createStatement();
        ResultSet result = statement.executeQuery(sql)) {
      while (result.next()) {
        rows.put(result.getString(1), result.getString(2));
      }
    }
    return rows;
  }

  private String text(String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      rows.next();
      return rows.getString(1);
    }
  }
}
