package io.experimentetl.audit;

import io.experimentetl.audit.Observation.Kind;
import io.experimentetl.audit.Observation.Weight;
import java.util.List;

/** Rows that ClickHouse has more than once. */
final class RepeatedRows {
  private static final int MAX_LISTED = 1_000;

  private final AuditedTable table;
  private final Warehouse warehouse;
  private final TableDays found;

  RepeatedRows(AuditedTable table, Warehouse warehouse, TableDays found) {
    this.table = table;
    this.warehouse = warehouse;
    this.found = found;
  }

  void compare() {
    ClickHouseRows rows = new ClickHouseRows(table, ComparedColumns.declared(table));
    findDuplicates(rows);
    if (table.hasTime()) {
      findRepetitions(rows);
    }
  }

  /** Physical copies of a row version. */
  private void findDuplicates(ClickHouseRows rows) {
    warehouse.read(
        rows.duplicates(MAX_LISTED),
        row -> {
          String key = row.getString(1);
          String version = row.getString(2);
          long copies = row.getLong(3);
          found.observe(
              row.getInt(4),
              key,
              "is in ClickHouse " + copies + " times (version " + version + ")",
              version + " " + copies,
              Weight.CERTAIN,
              Kind.REPEATED);
        });
  }

  /** Versions of one change, or of none: such a row was loaded more than once. */
  private void findRepetitions(ClickHouseRows rows) {
    long[] total = new long[1];
    warehouse.read(
        rows.repetitions(MAX_LISTED),
        row -> {
          total[0] = row.getLong(4);
          List<Long> versions = Warehouse.longs(row, "versions");
          found.observe(
              row.getInt(2),
              row.getString(1),
              "is in ClickHouse in "
                  + (versions.size() + 1)
                  + " versions although nothing changed it: it was loaded more than once (versions "
                  + versions
                  + ")",
              versions.toString(),
              Weight.SUSPECT,
              Kind.REPEATED);
        });
    if (total[0] > MAX_LISTED) {
      found.add(
          AuditedTable.NO_DAY,
          (total[0] - MAX_LISTED) + " further rows",
          "are in ClickHouse in several versions although nothing changed them",
          Long.toString(total[0]),
          Weight.SUSPECT,
          Kind.REPEATED);
    }
  }
}
