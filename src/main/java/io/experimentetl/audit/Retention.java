package io.experimentetl.audit;

import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;

/** Which rows of a table may be absent on one side because of their age. */
final class Retention {
  private final Instant retainedBefore;
  private final Instant expiredBefore;
  private final boolean expires;
  private final ArchivedMonths archived;
  private final String warehouseTable;

  Retention(
      AuditSettings settings, AuditedTable table, SourceSnapshot source, Warehouse warehouse) {
    this.retainedBefore =
        source
            .takenAt()
            .minus(
                table == AuditedTable.EVENTS
                    ? settings.eventRetention()
                    : settings.assignmentRetention());
    this.expiredBefore = source.takenAt().minus(warehouse.retention(table.warehouseTable()));
    this.warehouseTable = table.warehouseTable();
    this.expires = warehouse.hasTtl(warehouseTable);
    this.archived = warehouse.archived();
  }

  /** PostgreSQL's retention may have removed rows that are older. */
  Instant retainedBefore() {
    return retainedBefore;
  }

  /** Whether PostgreSQL's retention may have removed the row. */
  boolean wasRetained(long micros) {
    return isBefore(micros, retainedBefore);
  }

  /** Whether PostgreSQL's retention may have removed all rows of the day. */
  boolean wasRetained(int day) {
    return day != AuditedTable.NO_DAY
        && wasRetained(
            LocalDate.ofEpochDay(day + 1L).atStartOfDay(ZoneOffset.UTC).toEpochSecond()
                * 1_000_000);
  }

  /** Whether ClickHouse's own retention may have removed the row, or the archive has. */
  boolean hasExpired(long micros) {
    return (expires && isBefore(micros, expiredBefore))
        || archived.contains(warehouseTable, micros);
  }

  private static boolean isBefore(long micros, Instant moment) {
    return Math.floorDiv(micros, 1_000_000) < moment.getEpochSecond();
  }

  /** Days since 1970-01-01 in UTC. */
  static int dayOf(long micros) {
    return Math.toIntExact(Math.floorDiv(micros, 86_400_000_000L));
  }
}
