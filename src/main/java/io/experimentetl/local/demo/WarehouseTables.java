package io.experimentetl.local.demo;

import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.operations.ClickHouseLogin;
import io.experimentetl.operations.WarehouseProgress;
import java.util.List;
import java.util.Optional;

/** The warehouse's tables while the job runs. */
public final class WarehouseTables {
  /** The tables with a batch id, which sinks write, except etl_sink_progress. */
  private static final String HELD_BACK =
      " AND engine = 'ReplacingMergeTree' AND name <> 'etl_sink_progress'"
          + " AND name IN (SELECT table FROM system.columns WHERE database = currentDatabase() AND name = '_batch_id')";

  private final ClickHouseLogin clickHouse;

  WarehouseTables(ClickHouseLogin clickHouse) {
    this.clickHouse = clickHouse;
  }

  /** The number of physical rows of a table that repeat another one. */
  public record Doubled(String table, long rows, long doubled) {}

  Optional<WarehouseProgress> progress() {
    return WarehouseProgress.of(clickHouse);
  }

  public long visibleEvents() {
    return clickHouse.count("SELECT count() FROM events_processed");
  }

  /**
   * Counts, per table, the physical rows that repeat a key and a version. Early writes and
   * etl_sink_progress are left out: a job that was restarted may write its last marker again.
   * Merges must be off, or they remove what is counted.
   */
  public List<Doubled> doubled() {
    return heldBack().stream()
        .map(
            table ->
                rows(
                        "SELECT count(), countIf(exact) - uniqExactIf((%s, _version), exact) FROM (SELECT *, NOT endsWith(_batch_id, '-early') AS exact FROM `%s`)"
                            .formatted(table.sortingKey(), table.name()),
                        row -> new Doubled(table.name(), row.getLong(1), row.getLong(2)))
                    .get(0))
        .toList();
  }

  /**
   * Switches background merges off, which would remove what {@link #doubled} counts. The setting
   * survives a restart of the server.
   */
  public void keepEveryPart() {
    toEachHeldBack(
        "ALTER TABLE `%s` MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1, parts_to_throw_insert = 100000, parts_to_delay_insert = 100000");
  }

  /** Merges all parts, after {@link #doubled} has counted. */
  public void merge() {
    toEachHeldBack("OPTIMIZE TABLE `%s` FINAL");
  }

  private void toEachHeldBack(String statement) {
    for (Table table : heldBack()) {
      clickHouse.execute(statement.formatted(table.name()));
    }
  }

  private record Table(String name, String sortingKey) {}

  private List<Table> heldBack() {
    return rows(
        "SELECT name, sorting_key FROM system.tables WHERE database = currentDatabase()"
            + HELD_BACK
            + " ORDER BY name",
        row -> new Table(row.getString(1), row.getString(2)));
  }

  /**
   * The open findings of one code.
   *
   * @param experiments keys of the experiments that they are about, with commas; empty: none
   */
  record Findings(String code, String severity, long count, String experiments) {}

  /** Open findings by code. */
  List<Findings> findings() {
    return rows(
        """
        SELECT f.code, any(f.severity), count(), arrayStringConcat(arraySort(groupUniqArray(4)(e.key)), ', ')
        FROM (SELECT code, severity, experiment_id FROM data_inconsistencies FINAL WHERE status = 'OPEN') AS f
        LEFT JOIN (SELECT id, key FROM experiments FINAL) AS e ON e.id = f.experiment_id
        GROUP BY f.code
        ORDER BY f.code
        """,
        row -> new Findings(row.getString(1), row.getString(2), row.getLong(3), row.getString(4)));
  }

  /** Whether the initial snapshot is not completely visible yet. */
  public boolean isInSnapshot() {
    return !progress().map(WarehouseProgress::snapshotDone).orElse(false);
  }

  public long count(String sql) {
    return clickHouse.count(sql);
  }

  <T> List<T> rows(String sql, ClickHouseReader.RowMapper<T> mapper) {
    return clickHouse.list(sql, mapper);
  }
}
