package io.experimentetl.audit;

import io.experimentetl.audit.Observation.Kind;
import io.experimentetl.audit.Observation.Weight;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Compares, row by row, the segments whose counts or hashes differ. */
final class DifferingRows {

  private record SourceRow(Long micros, long hash, String transaction) {}

  /**
   * A row's newest version.
   *
   * @param hashAtSnapshot its hash as of the snapshot; {@link ClickHouseRows#DELETED} if it was
   *     deleted then, null if that version is merged away
   */
  private record WarehouseRow(
      long experimentId,
      long micros,
      long hash,
      long lsn,
      long version,
      boolean deleted,
      Long hashAtSnapshot,
      String fact) {

    static WarehouseRow of(ResultSet row) throws SQLException {
      long hashAtSnapshot = row.getLong(9);
      return new WarehouseRow(
          row.getLong(2),
          row.getLong(3),
          row.getLong(4),
          row.getLong(5),
          row.getLong(6),
          row.getInt(7) != 0,
          row.wasNull() ? null : (Long) hashAtSnapshot,
          row.getString(10));
    }

    /** Compares the version as of the snapshot if it still exists, else the current version. */
    boolean isEqual(SourceRow source) {
      return (hashAtSnapshot != null && hashAtSnapshot == source.hash())
          || (!deleted && hash == source.hash());
    }
  }

  private final AuditSettings settings;
  private final AuditedTable table;
  private final SourceSnapshot source;
  private final Warehouse warehouse;
  private final Retention retention;
  private final RepeatedEvents repeated;
  private final TableDays found;
  private final UndeliverableRows undeliverable;
  private final DifferentColumns columns;

  DifferingRows(
      AuditSettings settings,
      AuditedTable table,
      SourceSnapshot source,
      Warehouse warehouse,
      Retention retention,
      RepeatedEvents repeated,
      TableDays found) {
    this.settings = settings;
    this.table = table;
    this.source = source;
    this.warehouse = warehouse;
    this.retention = retention;
    this.repeated = repeated;
    this.found = found;
    this.undeliverable = new UndeliverableRows(table, warehouse);
    this.columns = new DifferentColumns(table, source.columnsOf(settings, table));
  }

  void compare(List<Segment> segments) {
    Map<String, SourceRow> sourceRows = new TreeMap<>();
    source.readRows(
        settings,
        PostgresRows.of(settings, table, source).rows(segments),
        row ->
            sourceRows.put(
                row.getString(1),
                new SourceRow(row.getObject(2, Long.class), row.getLong(3), row.getString(4))));
    Map<String, List<WarehouseRow>> warehouseRows = new TreeMap<>();
    Set<Segment> compared = new HashSet<>(segments);
    warehouse.read(
        new ClickHouseRows(table, source.columnsOf(settings, table)).rows(segments, source.lsn()),
        row -> {
          String key = row.getString(1);
          WarehouseRow version = WarehouseRow.of(row);
          Segment segment = new Segment(dayOf(version), row.getString(8));
          if (sourceRows.containsKey(key) || compared.contains(segment)) {
            warehouseRows.computeIfAbsent(key, none -> new ArrayList<>()).add(version);
          }
        });
    sourceRows.forEach(
        (key, row) -> compareRow(key, row, warehouseRows.getOrDefault(key, List.of())));
    warehouseRows.forEach(
        (key, versions) -> {
          if (!sourceRows.containsKey(key)) {
            observeExtra(key, versions);
          }
        });
  }

  /** Adds the differing columns to the observations. Called after all segments are compared. */
  void explain() {
    columns.addTo(found, settings, source, warehouse);
  }

  private void compareRow(String key, SourceRow row, List<WarehouseRow> versions) {
    long live = versions.stream().filter(version -> !version.deleted()).count();
    int day = row.micros() == null ? AuditedTable.NO_DAY : Retention.dayOf(row.micros());
    String evidence = row.transaction() + " " + versions;
    Weight weight =
        versions.stream().anyMatch(version -> version.lsn() > source.lsn())
            ? Weight.MOVING
            : Weight.SUSPECT;
    if (live > 0 || weight == Weight.MOVING) {
      found.day(day).warehouse++;
    }
    if (live > 1) {
      found.observe(
          day,
          key,
          "is in ClickHouse under " + live + " sorting keys",
          evidence,
          weight,
          Kind.REPEATED);
    } else if (versions.stream().anyMatch(version -> version.isEqual(row))) {
      return;
    } else if (undeliverable.contain(key)) {
      found.day(day).flagged++;
    } else if (live == 1) {
      columns.note(key, found.size());
      found.observe(day, key, "is different in ClickHouse", evidence, weight, Kind.DIFFERENT);
    } else if (versions.isEmpty() && row.micros() != null && retention.hasExpired(row.micros())) {
      found.day(day).retained++;
    } else {
      found.observe(
          day,
          key,
          versions.isEmpty() ? "is missing in ClickHouse" : "is deleted in ClickHouse only",
          evidence,
          weight,
          Kind.MISSING);
    }
  }

  private void observeExtra(String key, List<WarehouseRow> versions) {
    for (WarehouseRow version : versions) {
      // A version that is newer than the snapshot proves nothing about it.
      if (version.deleted() || version.lsn() > source.lsn()) {
        continue;
      }
      int day = dayOf(version);
      found.day(day).warehouse++;
      boolean livesElsewhere = repeated.contains(table.idOf(key));
      if (table.hasTime()
          && retention.wasRetained(version.micros(), version.fact())
          && !livesElsewhere) {
        found.day(day).retained++;
        found.addExperimentWithRetainedRows(version.experimentId());
      } else {
        found.observe(
            day,
            key,
            livesElsewhere
                ? "is in ClickHouse only, although the event has another row"
                : "is in ClickHouse only",
            versions.toString(),
            Weight.SUSPECT,
            Kind.EXTRA);
      }
    }
  }

  private int dayOf(WarehouseRow version) {
    return table.hasTime() ? Retention.dayOf(version.micros()) : AuditedTable.NO_DAY;
  }
}
