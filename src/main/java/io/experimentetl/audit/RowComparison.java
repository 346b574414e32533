package io.experimentetl.audit;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.audit.Observation.Kind;
import io.experimentetl.audit.Observation.Weight;
import io.experimentetl.model.Subject;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.StringJoiner;
import java.util.TreeMap;

/**
 * One table, compared at one fence: count and hash per segment first, then the rows of the segments
 * that differ.
 */
final class RowComparison {
  /** Rows of differing segments that are compared at a time. */
  private static final long PORTION_ROWS = 200_000;

  private static final int MAX_OBSERVATIONS = 100_000;
  private static final int MAX_DOUBLES = 1_000;

  /** Rows whose columns are told. */
  private static final int MAX_TOLD = 200;

  private static final Tally EMPTY = new Tally(0, BigInteger.ZERO);

  private record Tally(long count, BigInteger hash) {}

  private record SourceRow(Long micros, long hash, String transaction) {}

  private record WarehouseRow(
      long experimentId,
      long micros,
      long hash,
      long lsn,
      long version,
      boolean deleted,
      Long hashAtSnapshot) {}

  /** What was seen of a table. */
  record Result(
      List<DayCounts> days,
      List<Observation> observations,
      Set<Long> experimentsWithRetainedRows) {}

  private static final class Day {
    private long source;
    private long warehouse;
    private long retained;
    private long flagged;
  }

  private final AuditSettings settings;
  private final AuditedTable table;
  private final PostgresRows inPostgres;
  private final ClickHouseRows inClickHouse;
  private final SourceSnapshot source;
  private final Warehouse warehouse;
  private final Instant retainedBefore;
  private final Instant expiredBefore;
  private final boolean expires;
  private final Map<Integer, Day> days = new TreeMap<>();
  private final List<Observation> observations = new ArrayList<>();
  private final Set<Long> experimentsWithRetainedRows = new HashSet<>();
  private final Map<String, Integer> told = new HashMap<>();

  RowComparison(
      AuditSettings settings, AuditedTable table, SourceSnapshot source, Warehouse warehouse) {
    this.settings = settings;
    this.table = table;
    this.inPostgres = new PostgresRows(table);
    this.inClickHouse = new ClickHouseRows(table);
    this.source = source;
    this.warehouse = warehouse;
    Duration retention =
        table == AuditedTable.EVENTS ? settings.eventRetention() : settings.assignmentRetention();
    this.retainedBefore = source.takenAt().minus(retention);
    this.expiredBefore = source.takenAt().minus(Warehouse.RETENTION);
    this.expires = warehouse.expires(table.warehouseTable());
  }

  Result compare() {
    Map<Segment, Tally> inSource = new HashMap<>();
    source.read(
        settings,
        inPostgres.segments(),
        row ->
            inSource.put(
                new Segment(row.getInt(1), row.getString(2)),
                new Tally(row.getLong(3), new BigInteger(row.getString(4)))));
    Map<Segment, Tally> inWarehouse = new HashMap<>();
    warehouse.read(
        inClickHouse.segments(source.lsn()),
        row ->
            inWarehouse.put(
                new Segment(row.get(0).asInt(), row.get(1).asText()),
                new Tally(row.get(2).asLong(), new BigInteger(row.get(3).asText()))));
    compareRows(differing(inSource, inWarehouse), inSource, inWarehouse);
    tellColumns();
    findDoubles();
    if (table.hasTime()) {
      findRepetitions();
    }
    List<DayCounts> counts = new ArrayList<>();
    days.forEach(
        (day, d) ->
            counts.add(new DayCounts(table, day, d.source, d.warehouse, d.retained, d.flagged)));
    return new Result(counts, observations, experimentsWithRetainedRows);
  }

  private List<Segment> differing(Map<Segment, Tally> inSource, Map<Segment, Tally> inWarehouse) {
    Set<Segment> all = new HashSet<>(inSource.keySet());
    all.addAll(inWarehouse.keySet());
    List<Segment> differing = new ArrayList<>();
    List<Integer> retainedDays = new ArrayList<>();
    Set<Integer> daysInSource = new HashSet<>();
    inSource.keySet().forEach(segment -> daysInSource.add(segment.day()));
    for (Segment segment : all.stream().sorted().toList()) {
      Tally ours = inSource.getOrDefault(segment, EMPTY);
      Tally theirs = inWarehouse.getOrDefault(segment, EMPTY);
      Day day = days.computeIfAbsent(segment.day(), none -> new Day());
      day.source += ours.count();
      if (ours.equals(theirs)) {
        day.warehouse += theirs.count();
        continue;
      }
      if (!daysInSource.contains(segment.day()) && wasRetained(endOfDay(segment.day()))) {
        day.warehouse += theirs.count();
        day.retained += theirs.count();
        if (!retainedDays.contains(segment.day())) {
          retainedDays.add(segment.day());
        }
        continue;
      }
      differing.add(segment);
    }
    if (!retainedDays.isEmpty()) {
      warehouse.read(
          inClickHouse.experimentsOnDays(retainedDays),
          row -> experimentsWithRetainedRows.add(row.get(0).asLong()));
    }
    return differing;
  }

  /** In portions, so that neither side's rows need more memory than there is. */
  private void compareRows(
      List<Segment> differing, Map<Segment, Tally> inSource, Map<Segment, Tally> inWarehouse) {
    if (differing.isEmpty()) {
      return;
    }
    Set<String> flagged = flaggedKeys();
    List<Segment> portion = new ArrayList<>();
    long rows = 0;
    for (int i = 0; i < differing.size(); i++) {
      Segment segment = differing.get(i);
      portion.add(segment);
      rows +=
          Math.max(
              inSource.getOrDefault(segment, EMPTY).count(),
              inWarehouse.getOrDefault(segment, EMPTY).count());
      if (rows >= PORTION_ROWS || i == differing.size() - 1) {
        comparePortion(portion, flagged);
        portion.clear();
        rows = 0;
        if (observations.size() >= MAX_OBSERVATIONS && i < differing.size() - 1) {
          notListed(differing.subList(i + 1, differing.size()), inWarehouse);
          return;
        }
      }
    }
  }

  private void comparePortion(List<Segment> portion, Set<String> flagged) {
    Map<String, SourceRow> sourceRows = new TreeMap<>();
    source.read(
        settings,
        inPostgres.rows(portion),
        row ->
            sourceRows.put(
                row.getString(1),
                new SourceRow(row.getObject(2, Long.class), row.getLong(3), row.getString(4))));
    Map<String, List<WarehouseRow>> warehouseRows = new TreeMap<>();
    Set<Segment> compared = new HashSet<>(portion);
    warehouse.read(
        inClickHouse.rows(portion, source.lsn()),
        row -> {
          String key = row.get(0).asText();
          WarehouseRow found = warehouseRow(row);
          int day = table.hasTime() ? dayOf(found.micros()) : AuditedTable.NO_DAY;
          if (sourceRows.containsKey(key)
              || compared.contains(new Segment(day, row.get(7).asText()))) {
            warehouseRows.computeIfAbsent(key, none -> new ArrayList<>()).add(found);
          }
        });
    sourceRows.forEach(
        (key, row) -> compareRow(key, row, warehouseRows.getOrDefault(key, List.of()), flagged));
    warehouseRows.forEach(
        (key, found) -> {
          if (!sourceRows.containsKey(key)) {
            unexpected(key, found);
          }
        });
  }

  /**
   * Enough is known to be wrong, or on the move; the rest can't be judged before that is settled.
   */
  private void notListed(List<Segment> segments, Map<Segment, Tally> inWarehouse) {
    for (Segment segment : segments) {
      days.get(segment.day()).warehouse += inWarehouse.getOrDefault(segment, EMPTY).count();
    }
    observations.add(
        new Observation(
            table.sourceTable(),
            AuditedTable.NO_DAY,
            "the rows of " + segments.size() + " further segments",
            "were not looked at, since too much differs before them",
            "",
            Observation.NO_OFFSET,
            Weight.MOVING,
            Kind.DIFFERENT));
  }

  /**
   * Keys of rows that can't be delivered, as far as they can be told: of an event with an
   * unreadable time, the id alone.
   */
  private Set<String> flaggedKeys() {
    Set<String> keys = new HashSet<>();
    warehouse.read(
        "SELECT subject_key, ifNull(source_id, toString(event_id)) FROM data_inconsistencies FINAL"
            + " WHERE dead_letter_since IS NOT NULL AND status = 'OPEN' AND subject_kind = '"
            + table.subjectKind().text()
            + "'",
        row -> keys.add(normalised(sourceKey(row))));
    return keys;
  }

  /** The key with an event's own id, as this comparison writes it. */
  private String sourceKey(JsonNode row) {
    Subject subject = new Subject(table.subjectKind(), row.get(0).asText());
    return row.get(1).isNull() ? subject.key() : subject.keyWithId(row.get(1).asText());
  }

  /**
   * Findings name an event's time in microseconds or, where it couldn't be read, as it was sent.
   */
  private String normalised(String key) {
    int at = key.lastIndexOf('@');
    if (table != AuditedTable.EVENTS || at < 0) {
      return key;
    }
    String time = key.substring(at + 1);
    if (time.matches("-?\\d+")) {
      return key;
    }
    try {
      Instant instant = OffsetDateTime.parse(time).toInstant();
      return key.substring(0, at + 1)
          + (instant.getEpochSecond() * 1_000_000 + instant.getNano() / 1_000);
    } catch (DateTimeParseException e) {
      return key.substring(0, at);
    }
  }

  private static boolean isFlagged(String key, Set<String> flagged) {
    int at = key.lastIndexOf('@');
    return flagged.contains(key) || (at > 0 && flagged.contains(key.substring(0, at)));
  }

  private static WarehouseRow warehouseRow(JsonNode row) {
    return new WarehouseRow(
        row.get(1).asLong(),
        row.get(2).asLong(),
        row.get(3).asLong(),
        row.get(4).asLong(),
        row.get(5).asLong(),
        row.get(6).asInt() != 0,
        row.get(8).isNull() ? null : (Long) row.get(8).asLong());
  }

  private void compareRow(
      String key, SourceRow ours, List<WarehouseRow> found, Set<String> flagged) {
    List<WarehouseRow> live = found.stream().filter(row -> !row.deleted()).toList();
    int day = ours.micros() == null ? AuditedTable.NO_DAY : dayOf(ours.micros());
    String evidence = ours.transaction() + " " + found;
    Weight weight =
        found.stream().anyMatch(row -> row.lsn() > source.lsn()) ? Weight.MOVING : Weight.SUSPECT;
    if (!live.isEmpty() || weight == Weight.MOVING) {
      days.get(day).warehouse++;
    }
    if (live.size() > 1) {
      observe(
          day,
          key,
          "stands in ClickHouse under " + live.size() + " keys",
          evidence,
          weight,
          Kind.REPEATED);
    } else if (found.stream().anyMatch(row -> isEqual(row, ours))) {
      return;
    } else if (isFlagged(key, flagged)) {
      days.get(day).flagged++;
    } else if (live.size() == 1) {
      if (told.size() < MAX_TOLD) {
        told.put(key, observations.size());
      }
      observe(day, key, "is different in ClickHouse", evidence, weight, Kind.DIFFERENT);
    } else if (found.isEmpty() && hasExpired(ours)) {
      days.get(day).retained++;
    } else {
      observe(
          day,
          key,
          found.isEmpty() ? "is missing in ClickHouse" : "is deleted in ClickHouse only",
          evidence,
          weight,
          Kind.MISSING);
    }
  }

  /** As of the snapshot where that is still known, or as it stands. */
  private static boolean isEqual(WarehouseRow row, SourceRow ours) {
    return (row.hashAtSnapshot() != null && row.hashAtSnapshot() == ours.hash())
        || (!row.deleted() && row.hash() == ours.hash());
  }

  /** Whether ClickHouse's own retention has removed the row. */
  private boolean hasExpired(SourceRow row) {
    return expires && row.micros() != null && isBefore(row.micros(), expiredBefore);
  }

  private void unexpected(String key, List<WarehouseRow> found) {
    for (WarehouseRow row : found) {
      // A row that is newer than the snapshot came after it.
      if (row.deleted() || row.lsn() > source.lsn()) {
        continue;
      }
      int day = table.hasTime() ? dayOf(row.micros()) : AuditedTable.NO_DAY;
      days.get(day).warehouse++;
      if (table.hasTime() && wasRetained(row.micros())) {
        days.get(day).retained++;
        experimentsWithRetainedRows.add(row.experimentId());
      } else {
        observe(day, key, "is in ClickHouse only", found.toString(), Weight.SUSPECT, Kind.EXTRA);
      }
    }
  }

  /** Which columns differ, with both values, of the first rows that do. */
  private void tellColumns() {
    if (told.isEmpty()) {
      return;
    }
    List<String> names = table.columns().stream().map(AuditedColumn::warehouse).toList();
    Map<String, List<String>> inSource = new HashMap<>();
    source.read(
        settings,
        inPostgres.values(told.keySet()),
        row -> {
          List<String> values = new ArrayList<>();
          for (int i = 0; i < names.size(); i++) {
            values.add(row.getString(2 + i));
          }
          inSource.put(row.getString(1), values);
        });
    warehouse.read(
        inClickHouse.values(told.keySet()),
        row -> {
          List<String> ours = inSource.get(row.get(0).asText());
          Integer at = told.get(row.get(0).asText());
          if (ours == null || at == null) {
            return;
          }
          StringJoiner columns = new StringJoiner("; ");
          for (int i = 0; i < names.size(); i++) {
            String theirs = row.get(1 + i).asText();
            if (!theirs.equals(ours.get(i))) {
              columns.add(
                  names.get(i)
                      + " is "
                      + EnrichmentComparison.shortened(theirs)
                      + ", in PostgreSQL "
                      + EnrichmentComparison.shortened(ours.get(i)));
            }
          }
          if (columns.length() > 0) {
            Observation seen = observations.get(at);
            observations.set(at, seen.saying(seen.problem() + ": " + columns));
          }
        });
  }

  /**
   * Rows that stand in several versions although nothing changed them: they were loaded more than
   * once.
   */
  private void findRepetitions() {
    long[] rows = new long[1];
    warehouse.read(
        inClickHouse.repetitions(MAX_DOUBLES),
        row -> {
          rows[0] = row.get(3).asLong();
          observe(
              row.get(1).asInt(),
              row.get(0).asText(),
              "stands in "
                  + (row.get(2).size() + 1)
                  + " versions in ClickHouse although nothing changed it: it was loaded more than once (versions "
                  + row.get(2)
                  + ")",
              row.get(2).toString(),
              Weight.SUSPECT,
              Kind.REPEATED);
        });
    if (rows[0] > MAX_DOUBLES) {
      observe(
          AuditedTable.NO_DAY,
          (rows[0] - MAX_DOUBLES) + " further rows",
          "stand in several versions in ClickHouse although nothing changed them",
          Long.toString(rows[0]),
          Weight.SUSPECT,
          Kind.REPEATED);
    }
  }

  private void findDoubles() {
    warehouse.read(
        inClickHouse.duplicates(MAX_DOUBLES),
        row ->
            observe(
                row.get(3).asInt(),
                row.get(0).asText(),
                "stands "
                    + row.get(2).asText()
                    + " times in ClickHouse (version "
                    + row.get(1).asText()
                    + ")",
                row.toString(),
                Weight.CERTAIN,
                Kind.REPEATED));
  }

  private void observe(
      int day, String key, String problem, String evidence, Weight weight, Kind kind) {
    observations.add(
        new Observation(
            table.sourceTable(),
            day,
            new Subject(table.subjectKind(), key).toString(),
            problem,
            evidence,
            Observation.NO_OFFSET,
            weight,
            kind));
  }

  private boolean wasRetained(long micros) {
    return isBefore(micros, retainedBefore);
  }

  private static boolean isBefore(long micros, Instant moment) {
    return Math.floorDiv(micros, 1_000_000) < moment.getEpochSecond();
  }

  private static int dayOf(long micros) {
    return Math.toIntExact(Math.floorDiv(micros, 86_400_000_000L));
  }

  private long endOfDay(int day) {
    if (day == AuditedTable.NO_DAY) {
      return Long.MAX_VALUE;
    }
    return LocalDate.ofEpochDay(day + 1L).atStartOfDay(ZoneOffset.UTC).toEpochSecond() * 1_000_000;
  }
}
