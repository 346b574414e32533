package io.experimentetl.audit;

import io.experimentetl.audit.Observation.Kind;
import io.experimentetl.audit.Observation.Weight;
import io.experimentetl.cdc.DayRange;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Compares one table at one fence: first count and hash per segment, then the rows of the segments
 * that differ.
 */
final class RowComparison {
  private static final Tally EMPTY = new Tally(0, BigInteger.ZERO);

  record Tally(long count, BigInteger hash) {}

  /** The comparison's result for one table. */
  record Result(
      List<DayCounts> days,
      List<Observation> observations,
      Set<Long> experimentsWithRetainedRows) {}

  private final AuditSettings settings;
  private final AuditedTable table;
  private final SourceSnapshot source;
  private final Warehouse warehouse;
  private final Retention retention;
  private final TableDays found;

  RowComparison(
      AuditSettings settings, AuditedTable table, SourceSnapshot source, Warehouse warehouse) {
    this.settings = settings;
    this.table = table;
    this.source = source;
    this.warehouse = warehouse;
    this.retention = new Retention(settings, table, source, warehouse);
    this.found = new TableDays(table);
  }

  /**
   * Compares all rows, and looks for repeated versions.
   *
   * @param inSource {@link #segmentsInSource}
   */
  Result compare(Map<Segment, Tally> inSource) {
    compareRows(inSource, Optional.empty());
    new RepeatedRows(table, warehouse, found).compare();
    return found.result();
  }

  /**
   * Compares rows without looking for repeated versions.
   *
   * @param days only rows of these days; empty: all rows
   */
  Result compare(Optional<DayRange> days) {
    compareRows(segmentsInSource(settings, table, source, days), days);
    return found.result();
  }

  /** Count and hash of each of the table's segments in PostgreSQL. */
  static Map<Segment, Tally> segmentsInSource(
      AuditSettings settings, AuditedTable table, SourceSnapshot source, Optional<DayRange> days) {
    Map<Segment, Tally> segments = new HashMap<>();
    source.readRows(
        settings,
        PostgresRows.of(settings, table, source).segments(days),
        row ->
            segments.put(
                new Segment(row.getInt(1), row.getString(2)),
                new Tally(row.getLong(3), new BigInteger(row.getString(4)))));
    return segments;
  }

  private void compareRows(Map<Segment, Tally> inSource, Optional<DayRange> days) {
    Map<Segment, Tally> inWarehouse = new HashMap<>();
    warehouse.read(
        new ClickHouseRows(table, source.columnsOf(settings, table)).segments(source.lsn(), days),
        row ->
            inWarehouse.put(
                new Segment(row.getInt(1), row.getString(2)),
                new Tally(row.getLong(3), new BigInteger(row.getString(4)))));
    if (table.hasTime()) {
      warehouse.read(
          new ClickHouseRows(table, source.columnsOf(settings, table)).keptBeyondSource(days),
          row -> {
            found.day(row.getInt(1)).retained += row.getLong(3);
            found.addExperimentWithRetainedRows(row.getLong(2));
          });
    }
    RepeatedEvents repeated =
        table == AuditedTable.EVENTS && days.isEmpty()
            ? RepeatedEvents.of(settings, source, warehouse, retention)
            : RepeatedEvents.NONE;
    compareRows(differing(inSource, inWarehouse, repeated), inSource, inWarehouse, repeated);
  }

  private List<Segment> differing(
      Map<Segment, Tally> inSource, Map<Segment, Tally> inWarehouse, RepeatedEvents repeated) {
    Set<Segment> all = new HashSet<>(inSource.keySet());
    all.addAll(inWarehouse.keySet());
    List<Segment> differing = new ArrayList<>();
    List<Integer> retainedDays = new ArrayList<>();
    Set<Integer> daysInSource = new HashSet<>();
    inSource.keySet().forEach(segment -> daysInSource.add(segment.day()));
    for (Segment segment : all.stream().sorted().toList()) {
      Tally ours = inSource.getOrDefault(segment, EMPTY);
      Tally theirs = inWarehouse.getOrDefault(segment, EMPTY);
      TableDays.Day day = found.day(segment.day());
      day.source += ours.count();
      if (ours.equals(theirs)) {
        day.warehouse += theirs.count();
      } else if (!daysInSource.contains(segment.day())
          && retention.wasRetained(segment.day())
          && !repeated.concern(segment)) {
        day.warehouse += theirs.count();
        day.retained += theirs.count();
        if (!retainedDays.contains(segment.day())) {
          retainedDays.add(segment.day());
        }
      } else {
        differing.add(segment);
      }
    }
    if (!retainedDays.isEmpty()) {
      warehouse.read(
          new ClickHouseRows(table, source.columnsOf(settings, table))
              .experimentsOnDays(retainedDays),
          row -> found.addExperimentWithRetainedRows(row.getLong(1)));
    }
    return differing;
  }

  private void compareRows(
      List<Segment> differing,
      Map<Segment, Tally> inSource,
      Map<Segment, Tally> inWarehouse,
      RepeatedEvents repeated) {
    if (differing.isEmpty()) {
      return;
    }
    DifferingRows rows =
        new DifferingRows(settings, table, source, warehouse, retention, repeated, found);
    List<Segment> left =
        Portions.compare(
            differing,
            segment ->
                Math.max(
                    inSource.getOrDefault(segment, EMPTY).count(),
                    inWarehouse.getOrDefault(segment, EMPTY).count()),
            rows::compare,
            found::size);
    if (!left.isEmpty()) {
      notListed(left, inWarehouse);
    }
    rows.explain();
  }

  /** Too many rows differ or change: the remaining segments are left to the next audit. */
  private void notListed(List<Segment> segments, Map<Segment, Tally> inWarehouse) {
    for (Segment segment : segments) {
      found.day(segment.day()).warehouse += inWarehouse.getOrDefault(segment, EMPTY).count();
    }
    found.add(
        AuditedTable.NO_DAY,
        "the rows of " + segments.size() + " further segments",
        "were not compared, since too much differs before them",
        "",
        Weight.MOVING,
        Kind.DIFFERENT);
  }
}
