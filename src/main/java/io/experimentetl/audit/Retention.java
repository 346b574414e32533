package io.experimentetl.audit;

import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.Comparator;
import java.util.Map;
import java.util.stream.Stream;

/** Which rows of a table may be absent on one side because of their age. */
final class Retention {
  private final Instant takenAt;
  private final Duration period;
  private final Map<String, Duration> periodsOfFacts;
  private final Instant expiredBefore;
  private final boolean expires;
  private final ArchivedMonths archived;
  private final String warehouseTable;

  Retention(
      AuditSettings settings, AuditedTable table, SourceSnapshot source, Warehouse warehouse) {
    boolean isOfEvents = table == AuditedTable.EVENTS;
    this.takenAt = source.takenAt();
    this.period = isOfEvents ? settings.eventRetention() : settings.assignmentRetention();
    this.periodsOfFacts = isOfEvents ? settings.mapping().retentionOfFacts() : Map.of();
    this.expiredBefore = source.takenAt().minus(warehouse.retention(table.warehouseTable()));
    this.warehouseTable = table.warehouseTable();
    this.expires = warehouse.hasTtl(warehouseTable);
    this.archived = warehouse.archived();
  }

  /** PostgreSQL's retention may have removed rows that are older, of one table or another. */
  Instant retainedBefore() {
    return takenAt.minus(periods().min(Comparator.naturalOrder()).orElseThrow());
  }

  private Stream<Duration> periods() {
    return Stream.concat(Stream.of(period), periodsOfFacts.values().stream());
  }

  /**
   * Whether PostgreSQL's retention may have removed the row.
   *
   * @param fact the name of its table of metric events; null: another table
   */
  boolean wasRetained(long micros, String fact) {
    return isBefore(
        micros, takenAt.minus(fact == null ? period : periodsOfFacts.getOrDefault(fact, period)));
  }

  /** Whether PostgreSQL's retention may have removed all rows of the day. */
  boolean wasRetained(int day) {
    return day != AuditedTable.NO_DAY
        && isBefore(
            LocalDate.ofEpochDay(day + 1L).atStartOfDay(ZoneOffset.UTC).toEpochSecond() * 1_000_000,
            takenAt.minus(periods().max(Comparator.naturalOrder()).orElseThrow()));
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
