package io.experimentetl.audit;

import io.experimentetl.audit.Observation.Weight;
import io.experimentetl.mapping.ReplicatedTable;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * The three-way audit: PostgreSQL's rows, ClickHouse's rows, and the daily statistics.
 *
 * <p><b>Position.</b> PostgreSQL is read in a snapshot S with the exact LSN L ({@link
 * SourceSnapshot}). ClickHouse is read when {@code etl_progress} is beyond L ({@link Fence}). It
 * then shows every transaction of S, and perhaps later ones, because writers continue to write.
 * Rows that agree are finished. Rows that differ are compared again at the next fence.
 *
 * <p><b>Why a reported difference is real.</b> Assume that a row differs at the fences (S1, L1) and
 * (S2, L2), read from ClickHouse at t1 and t2, with S1 before t1 before S2 before t2.
 *
 * <ul>
 *   <li>The row is in PostgreSQL, and S1 and S2 see the same version of it (written by the same
 *       transaction): it did not change between S1 and S2. At t1 ClickHouse shows at least
 *       everything up to L1, and at most everything committed by t1, before S2. The row has one
 *       state in this interval, and ClickHouse shows another.
 *   <li>The row is in neither S1 nor S2, and ClickHouse shows the same version of it at t1 and t2.
 *       The version was there at t1, so its change was committed before S2. S2 does not see the
 *       row, so a delete followed, also before S2 and hence before L2. At t2 ClickHouse shows
 *       everything up to L2, but not that delete.
 *   <li>The same holds for a cell of the statistics with equal values at both fences on all sides.
 * </ul>
 *
 * <p>A row that differs at both fences but changed in between proves nothing and is compared again.
 * A version in ClickHouse that is newer than the snapshot cannot be compared with it. A row that
 * differs at five fences, and is never newer, is a difference as well. A row version that exists
 * twice is a difference at once: no delivery in flight explains it.
 */
public final class Audit {
  private static final int MAX_FENCES = 5;
  private static final int MAX_FENCES_FOR_MOVING = 3;

  private final AuditSettings settings;
  private final Consumer<String> progress;
  private final Set<Long> experimentsWithRetainedRows = new TreeSet<>();

  public Audit(AuditSettings settings) {
    this(settings, line -> {});
  }

  /**
   * An audit that reports what it does while a step takes long.
   *
   * @param progress receives the lines, on another thread
   */
  public Audit(AuditSettings settings, Consumer<String> progress) {
    this.settings = settings;
    this.progress = progress;
  }

  private record Findings(
      long sourceLsn,
      Instant takenAt,
      Warehouse.Progress marker,
      List<DayCounts> days,
      List<ReplicatedComparison.Counts> replicated,
      StatisticsComparison.Result statistics,
      HealthComparison.Result health,
      List<EnrichmentComparison.Result> enrichment,
      long openFindings,
      List<String> missingColumns,
      Map<String, Observation> observations) {}

  /** What is compared at a fence: everything, and then only where something differed. */
  private record Scope(
      Set<AuditedTable> tables, List<ReplicatedTable> replicated, Set<Part> parts) {}

  /** The comparisons besides the tables' rows. Each is repeated only if it found a difference. */
  private enum Part {
    STATISTICS,
    ENRICHMENT,
    FINDINGS;

    static Part of(String place) {
      return switch (place) {
        case StatisticsComparison.PLACE, HealthComparison.PLACE -> STATISTICS;
        case "events_processed", "assignments_processed" -> ENRICHMENT;
        case FindingsComparison.PLACE -> FINDINGS;
        default -> null;
      };
    }
  }

  /**
   * Runs the audit.
   *
   * @throws CannotCompareException with the reason and the remedy
   */
  public AuditReport run() {
    Instant startedAt = Instant.now();
    List<Observation> differences = new ArrayList<>();
    int fences = 1;
    try (Deadline deadline = new Deadline(settings.deadline(), progress);
        Warehouse warehouse = new Warehouse(settings, deadline);
        Fence fence = new Fence(settings, deadline)) {
      EnumSet<AuditedTable> tables = EnumSet.allOf(AuditedTable.class);
      tables.removeIf(table -> !settings.mapping().gives(table.source()));
      Findings first =
          look(
              fence,
              warehouse,
              deadline,
              new Scope(tables, settings.replicated(), EnumSet.allOf(Part.class)));
      Findings last = first;
      Map<String, Observation> pending = new LinkedHashMap<>();
      for (Map.Entry<String, Observation> seen : first.observations().entrySet()) {
        if (seen.getValue().weight() == Weight.CERTAIN) {
          differences.add(seen.getValue());
        } else {
          pending.put(seen.getKey(), seen.getValue());
        }
      }
      while (needsAnotherFence(pending, fences)) {
        fences++;
        Findings next = look(fence, warehouse, deadline, scopeOf(pending));
        last = next;
        Map<String, Observation> left = new LinkedHashMap<>();
        for (Map.Entry<String, Observation> before : pending.entrySet()) {
          Observation seen = next.observations().get(before.getKey());
          if (seen == null) {
            continue;
          }
          Observation now = seen.after(before.getValue());
          boolean unmoved =
              before.getValue().weight() == Weight.SUSPECT
                  && now.evidence().equals(before.getValue().evidence());
          if (now.weight() == Weight.SUSPECT
              && (unmoved || (fences == MAX_FENCES && now.hasSteadyOffset()))) {
            differences.add(now);
          } else {
            left.put(before.getKey(), now);
          }
        }
        pending = left;
      }
      return report(first, last.marker(), differences, pending.values(), fences, startedAt);
    }
  }

  private static boolean needsAnotherFence(Map<String, Observation> pending, int fences) {
    boolean allMoving =
        pending.values().stream()
            .allMatch(seen -> seen.weight() == Weight.MOVING || !seen.hasSteadyOffset());
    return !pending.isEmpty() && fences < (allMoving ? MAX_FENCES_FOR_MOVING : MAX_FENCES);
  }

  private Scope scopeOf(Map<String, Observation> pending) {
    Set<String> names =
        pending.values().stream().map(Observation::table).collect(Collectors.toSet());
    return new Scope(
        tablesOf(pending),
        settings.replicated().stream()
            .filter(table -> names.contains(table.qualifiedName()))
            .toList(),
        partsOf(pending));
  }

  private static EnumSet<AuditedTable> tablesOf(Map<String, Observation> pending) {
    EnumSet<AuditedTable> tables = EnumSet.noneOf(AuditedTable.class);
    for (Observation observation : pending.values()) {
      for (AuditedTable table : AuditedTable.values()) {
        if (observation.table().equals(table.sourceTable())) {
          tables.add(table);
        }
      }
    }
    return tables;
  }

  private static EnumSet<Part> partsOf(Map<String, Observation> pending) {
    EnumSet<Part> parts = EnumSet.noneOf(Part.class);
    for (Observation observation : pending.values()) {
      Part part = Part.of(observation.table());
      if (part != null) {
        parts.add(part);
      }
    }
    return parts;
  }

  private Findings look(Fence fence, Warehouse warehouse, Deadline deadline, Scope scope) {
    Set<AuditedTable> tables = scope.tables();
    Set<Part> parts = scope.parts();
    deadline.begin("Taking PostgreSQL's snapshot");
    try (SourceSnapshot source = SourceSnapshot.take(settings, deadline);
        SourceReading reading = beginReading(source, tables, parts)) {
      deadline.begin("Waiting until ClickHouse shows PostgreSQL's snapshot");
      Warehouse.Progress progress = fence.awaitBeyond(source.lsn(), warehouse);
      StatisticsSql sql = sqlOfBothSides(reading, warehouse);
      StatisticsComparison comparison = null;
      HealthComparison health = null;
      if (parts.contains(Part.STATISTICS)) {
        deadline.begin("Recomputing the statistics from ClickHouse's rows");
        comparison = new StatisticsComparison(settings, source, warehouse, sql, progress);
        health = new HealthComparison(source, warehouse, sql, comparison.marker());
      }
      Map<String, Observation> observations = new LinkedHashMap<>();
      List<DayCounts> days =
          compareRows(source, reading, warehouse, deadline, tables, observations);
      List<ReplicatedComparison.Counts> replicated =
          compareReplicated(source, warehouse, deadline, scope.replicated(), observations);
      List<EnrichmentComparison.Result> enrichment =
          compareEnrichment(source, warehouse, sql, deadline, parts, observations);
      long openFindings = 0;
      if (parts.contains(Part.FINDINGS)) {
        deadline.begin("Comparing the findings");
        FindingsComparison findings = new FindingsComparison(settings, source, warehouse, sql);
        openFindings = findings.open();
        findings.compare().forEach(seen -> observations.put(seen.identity(), seen));
      }
      StatisticsComparison.Result cells = null;
      HealthComparison.Result healthDays = null;
      if (comparison != null) {
        deadline.begin("Recomputing the statistics from PostgreSQL's rows");
        cells = comparison.compare(reading.figures(), experimentsWithRetainedRows);
        healthDays =
            health.compare(
                reading.figures(), experimentsWithRetainedRows, cells.expiredExperiments());
        cells.observations().forEach(seen -> observations.put(seen.identity(), seen));
        healthDays.observations().forEach(seen -> observations.put(seen.identity(), seen));
      }
      return new Findings(
          source.lsn(),
          source.takenAt(),
          progress,
          days,
          replicated,
          cells,
          healthDays,
          enrichment,
          openFindings,
          missingColumns(source, tables),
          observations);
    }
  }

  private SourceReading beginReading(
      SourceSnapshot source, Set<AuditedTable> tables, Set<Part> parts) {
    return SourceReading.begin(settings, source, tables, parts.contains(Part.STATISTICS));
  }

  private StatisticsSql sqlOfBothSides(SourceReading reading, Warehouse warehouse) {
    return new StatisticsSql(
        settings.statistics(),
        StatisticsComparison.zones(reading.zones(), warehouse),
        settings.mapping().hasSharedFacts());
  }

  private List<DayCounts> compareRows(
      SourceSnapshot source,
      SourceReading reading,
      Warehouse warehouse,
      Deadline deadline,
      Set<AuditedTable> tables,
      Map<String, Observation> observations) {
    List<DayCounts> days = new ArrayList<>();
    for (AuditedTable table : tables) {
      deadline.begin("Comparing the rows of " + table.sourceTable());
      RowComparison.Result rows =
          new RowComparison(settings, table, source, warehouse).compare(reading.segments(table));
      days.addAll(rows.days());
      experimentsWithRetainedRows.addAll(rows.experimentsWithRetainedRows());
      rows.observations().forEach(seen -> observations.put(seen.identity(), seen));
    }
    return days;
  }

  private List<ReplicatedComparison.Counts> compareReplicated(
      SourceSnapshot source,
      Warehouse warehouse,
      Deadline deadline,
      List<ReplicatedTable> tables,
      Map<String, Observation> observations) {
    List<ReplicatedComparison.Counts> counts = new ArrayList<>();
    for (ReplicatedTable table : tables) {
      deadline.begin("Comparing the rows of " + table.qualifiedName());
      List<Observation> found = new ArrayList<>();
      counts.add(new ReplicatedComparison(settings, table, source, warehouse).compare(found));
      found.forEach(seen -> observations.put(seen.identity(), seen));
    }
    return counts;
  }

  private List<EnrichmentComparison.Result> compareEnrichment(
      SourceSnapshot source,
      Warehouse warehouse,
      StatisticsSql sql,
      Deadline deadline,
      Set<Part> parts,
      Map<String, Observation> observations) {
    if (!parts.contains(Part.ENRICHMENT)) {
      return List.of();
    }
    deadline.begin("Comparing joined columns and codes");
    List<EnrichmentComparison.Result> tables =
        new EnrichmentComparison(settings, source, warehouse, sql).compare();
    tables.forEach(
        table -> table.observations().forEach(seen -> observations.put(seen.identity(), seen)));
    return tables;
  }

  private List<String> missingColumns(SourceSnapshot source, Set<AuditedTable> tables) {
    List<String> missing = new ArrayList<>();
    for (AuditedTable table : tables) {
      missing.addAll(source.columnsOf(settings, table).missing());
    }
    return missing;
  }

  private AuditReport report(
      Findings first,
      Warehouse.Progress marker,
      List<Observation> differences,
      Collection<Observation> undecided,
      int fences,
      Instant startedAt) {
    Map<String, Integer> perPlace = new HashMap<>();
    List<AuditReport.Difference> printed = new ArrayList<>();
    differences.sort(Comparator.comparing(Observation::place).thenComparing(Observation::subject));
    for (Observation difference : differences) {
      perPlace.merge(difference.place(), 1, Integer::sum);
      printed.add(named(difference));
    }
    return new AuditReport(
        first.sourceLsn(),
        first.takenAt(),
        first.marker().lsn(),
        marker,
        fences,
        lines(first, perPlace),
        first.statistics().experiments(),
        first.statistics().cells(),
        first.health().days(),
        first.enrichment(),
        first.openFindings(),
        first.health().unjudgedWeights(),
        first.statistics().retainedExperiments(),
        first.statistics().expiredExperiments(),
        first.statistics().endedMetrics(),
        first.missingColumns(),
        printed,
        undecided.stream().map(this::named).toList(),
        Duration.between(startedAt, Instant.now()));
  }

  private List<AuditReport.TableLine> lines(Findings first, Map<String, Integer> perPlace) {
    List<AuditReport.TableLine> lines = new ArrayList<>();
    for (DayCounts day : first.days()) {
      LocalDate date = day.day() == AuditedTable.NO_DAY ? null : LocalDate.ofEpochDay(day.day());
      lines.add(
          new AuditReport.TableLine(
              nameOf(day.table()),
              date,
              day.source(),
              day.warehouse(),
              day.retained(),
              day.flagged(),
              perPlace.getOrDefault(
                  day.table().sourceTable() + (date == null ? "" : " " + date), 0)));
    }
    for (ReplicatedComparison.Counts counts : first.replicated()) {
      String name = counts.table().qualifiedName();
      lines.add(
          new AuditReport.TableLine(
              name,
              null,
              counts.source(),
              counts.warehouse(),
              0,
              0,
              perPlace.getOrDefault(name, 0)));
    }
    return lines;
  }

  private AuditReport.Difference named(Observation observation) {
    return new AuditReport.Difference(
        placeOf(observation),
        warehouseTable(observation.table()),
        observation.kind(),
        observation.subject(),
        observation.problem());
  }

  /** The place, with the table as the source names it. */
  private String placeOf(Observation observation) {
    return Arrays.stream(AuditedTable.values())
        .filter(table -> table.sourceTable().equals(observation.table()))
        .findAny()
        .map(table -> nameOf(table) + observation.place().substring(observation.table().length()))
        .orElse(observation.place());
  }

  /** The source's tables that give the rows. */
  private String nameOf(AuditedTable table) {
    return settings.mapping().nameOf(table.source());
  }

  private static String warehouseTable(String place) {
    for (AuditedTable table : AuditedTable.values()) {
      if (place.equals(table.sourceTable())) {
        return table.warehouseTable();
      }
    }
    return switch (place) {
      case StatisticsComparison.PLACE -> "experiment_daily_stats";
      case HealthComparison.PLACE -> "experiment_health_daily";
      default -> place;
    };
  }
}
