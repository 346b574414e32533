package io.experimentetl.audit;

import io.experimentetl.audit.Observation.Kind;
import io.experimentetl.audit.Observation.Weight;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Compares every cell of {@code experiment_daily_stats} at one fence with its recomputation from
 * ClickHouse's raw rows and with its recomputation from PostgreSQL's tables.
 *
 * <p>With running writers the three are not at one position of the stream. The stored statistics
 * are therefore read as of a progress marker, and ClickHouse's rows are recomputed as of the same
 * marker. PostgreSQL's snapshot is before the marker: if rows were written in between, PostgreSQL's
 * figures are compared with ClickHouse's rows as of the snapshot.
 */
final class StatisticsComparison {
  /** The place that its observations name. */
  static final String PLACE = "statistics";

  /**
   * The comparison's result.
   *
   * @param retainedExperiments experiments with rows that PostgreSQL's retention has removed:
   *     compared with ClickHouse's rows only
   * @param expiredExperiments experiments with rows that ClickHouse's retention has removed: not
   *     compared, because their statistics cannot be recomputed
   * @param endedMetrics metrics that are no longer counted: their days stay unchanged and are not
   *     compared
   */
  record Result(
      int experiments,
      int cells,
      Set<Long> retainedExperiments,
      Set<Long> expiredExperiments,
      Set<String> endedMetrics,
      List<Observation> observations) {}

  private final AuditSettings settings;
  private final SourceSnapshot source;
  private final Warehouse warehouse;
  private final StatisticsSql sql;
  private final Set<String> ended;
  private final Warehouse.Progress marker;
  private final Map<StatisticsCell, StatisticsFigures> stored;
  private final Map<StatisticsCell, StatisticsFigures> atMarker;

  /**
   * Reads ClickHouse's side immediately: merges remove replaced rows.
   *
   * @param reached a progress marker after the snapshot
   */
  StatisticsComparison(
      AuditSettings settings,
      SourceSnapshot source,
      Warehouse warehouse,
      StatisticsSql sql,
      Warehouse.Progress reached) {
    this.settings = settings;
    this.source = source;
    this.warehouse = warehouse;
    this.sql = sql;
    requireZonesInWarehouse();
    this.ended = endedMetrics();
    Warehouse.Progress latest = reached;
    Map<StatisticsCell, StatisticsFigures> cells = stored(latest);
    // If a later checkpoint has already replaced a row, use a later progress marker.
    while (replacedSince(latest)) {
      Warehouse.Progress later = warehouse.progress().orElse(latest);
      if (later.sequenceNumber() == latest.sequenceNumber()) {
        break;
      }
      latest = later;
      cells = stored(latest);
    }
    this.marker = latest;
    this.stored = cells;
    this.atMarker = fromWarehouse(latest.sequenceNumber());
  }

  /** The progress marker as of which the statistics were read. */
  Warehouse.Progress marker() {
    return marker;
  }

  /** The zones that PostgreSQL's experiments name. */
  static Set<String> zonesInSource(AuditSettings settings, SourceSnapshot source) {
    Set<String> names = new HashSet<>();
    source.recompute(
        settings,
        "SELECT DISTINCT config ->> 'zone' FROM experiments WHERE jsonb_typeof(config -> 'zone') = 'string'",
        row -> names.add(row.getString(1)));
    return names;
  }

  /** The zones that the experiments name, on both sides. */
  static Set<String> zones(Set<String> inSource, Warehouse warehouse) {
    Set<String> names = new HashSet<>(inSource);
    warehouse.read(
        "SELECT DISTINCT toString(zone) FROM experiments", row -> names.add(row.getString(1)));
    return names;
  }

  /** Fails early if PostgreSQL's own zone database does not contain a zone. */
  static void requireZonesInSource(
      AuditSettings settings, SourceSnapshot source, StatisticsSql sql) {
    Set<String> known = new HashSet<>();
    source.read(settings, "SELECT name FROM pg_timezone_names", row -> known.add(row.getString(1)));
    requireZones(sql, known, "PostgreSQL");
  }

  private static void requireZones(StatisticsSql sql, Set<String> known, String server) {
    for (String zone : sql.zoneNames()) {
      if (!known.contains(zone)) {
        throw new CannotCompareException(
            "The zone "
                + zone
                + " is not known to "
                + server
                + ": install its time zone data, or give the experiments a zone that all know.");
      }
    }
  }

  private void requireZonesInWarehouse() {
    Set<String> known = new HashSet<>();
    warehouse.read("SELECT time_zone FROM system.time_zones", row -> known.add(row.getString(1)));
    requireZones(sql, known, "ClickHouse");
  }

  /**
   * Compares the statistics.
   *
   * @param inSource the figures from PostgreSQL's rows
   * @param experimentsWithRetainedRows experiments of which PostgreSQL no longer has all rows
   */
  Result compare(SourceFigures inSource, Set<Long> experimentsWithRetainedRows) {
    Map<StatisticsCell, StatisticsFigures> fromSource = inSource.statistics();
    Map<StatisticsCell, StatisticsFigures> atSnapshot =
        fromSource.equals(atMarker) ? atMarker : fromWarehouse(source.lsn());
    Set<StatisticsCell> all = new TreeSet<>(stored.keySet());
    all.addAll(atMarker.keySet());
    all.addAll(fromSource.keySet());
    Set<Long> experiments = new HashSet<>();
    List<Observation> observations = new ArrayList<>();
    Set<Long> expired = expiredExperiments();
    compareKinds(observations);
    for (StatisticsCell cell : all) {
      experiments.add(cell.experimentId());
      StatisticsFigures a = stored.getOrDefault(cell, StatisticsFigures.NONE);
      StatisticsFigures b = atMarker.getOrDefault(cell, StatisticsFigures.NONE);
      StatisticsFigures c = fromSource.getOrDefault(cell, StatisticsFigures.NONE);
      StatisticsFigures d = atSnapshot.getOrDefault(cell, StatisticsFigures.NONE);
      boolean retained = experimentsWithRetainedRows.contains(cell.experimentId());
      boolean sourceAgrees = retained || c.equals(b) || c.equals(d);
      if (!expired.contains(cell.experimentId()) && (!a.equals(b) || !sourceAgrees)) {
        observations.add(
            new Observation(
                PLACE,
                AuditedTable.NO_DAY,
                "experiment "
                    + cell.experimentId()
                    + ", metric "
                    + cell.metric()
                    + ", variant "
                    + cell.variantId()
                    + ", "
                    + LocalDate.ofEpochDay(cell.day()),
                "differs: " + StatisticsFigures.differences(a, b, retained ? null : c),
                a + " " + b + " " + c,
                a.minus(b) + " " + c.minus(d),
                Weight.SUSPECT,
                Kind.FIGURES));
      }
    }
    Set<Long> retained = new TreeSet<>(experimentsWithRetainedRows);
    retained.retainAll(experiments);
    retained.removeAll(expired);
    return new Result(experiments.size(), all.size(), retained, expired, ended, observations);
  }

  /** Rows without a kind are skipped. */
  private void compareKinds(List<Observation> observations) {
    Map<String, String> kinds = new HashMap<>();
    settings.statistics().metrics().forEach(m -> kinds.put(m.name(), m.kind().columnValue()));
    warehouse.read(
        "SELECT DISTINCT metric, kind FROM experiment_daily_stats FINAL WHERE kind != ''",
        row -> {
          String metric = row.getString(1);
          String kind = row.getString(2);
          if (!ended.contains(metric) && !kind.equals(kinds.get(metric))) {
            observations.add(
                new Observation(
                    PLACE,
                    AuditedTable.NO_DAY,
                    "metric " + metric,
                    "differs: kind stored " + kind + ", configured " + kinds.get(metric),
                    kind,
                    kind,
                    Weight.SUSPECT,
                    Kind.FIGURES));
          }
        });
  }

  /** Statistics outlive the rows they were computed from: events, and the users' assignments. */
  private Set<Long> expiredExperiments() {
    Set<Long> expired = new TreeSet<>();
    for (AuditedTable table : List.of(AuditedTable.EVENTS, AuditedTable.ASSIGNMENTS)) {
      expired.addAll(warehouse.expiredExperiments(table, source.takenAt()));
    }
    return expired;
  }

  /** Metrics that the job reports as ended (M-ENDED) and that are not configured. */
  private Set<String> endedMetrics() {
    Set<String> names = new TreeSet<>();
    warehouse.read(
        "SELECT subject_key FROM data_inconsistencies FINAL WHERE code = 'M-ENDED'",
        row -> names.add(row.getString(1)));
    settings.statistics().metrics().forEach(metric -> names.remove(metric.name()));
    return names;
  }

  private boolean replacedSince(Warehouse.Progress marker) {
    return warehouse.count(
            "SELECT count() FROM (SELECT min(_version) AS oldest FROM experiment_daily_stats"
                + " GROUP BY experiment_id, metric, variant_id, day HAVING oldest > "
                + marker.versionBound()
                + ")")
        > 0;
  }

  private Map<StatisticsCell, StatisticsFigures> stored(Warehouse.Progress marker) {
    Map<StatisticsCell, StatisticsFigures> cells = new HashMap<>();
    warehouse.read(
        "SELECT experiment_id, variant_id, metric, toInt32(day) AS day, "
            + StatisticsFigures.NAMES.stream()
                .map(name -> "toString(" + name + ")")
                .collect(Collectors.joining(", "))
            + ", _deleted FROM experiment_daily_stats"
            + " WHERE _version <= "
            + marker.versionBound()
            + " ORDER BY _version DESC LIMIT 1 BY experiment_id, metric, variant_id, day",
        row -> {
          StatisticsCell cell = cell(row);
          if (row.getInt(5 + StatisticsFigures.NAMES.size()) == 0
              && !ended.contains(cell.metric())) {
            cells.put(cell, StatisticsFigures.ofDecimals(figures(row)));
          }
        });
    return cells;
  }

  private Map<StatisticsCell, StatisticsFigures> fromWarehouse(long lsn) {
    Map<StatisticsCell, StatisticsFigures> cells = new HashMap<>();
    warehouse.read(
        sql.clickhouse(lsn),
        row -> cells.put(cell(row), StatisticsFigures.ofUnscaled(figures(row))));
    return cells;
  }

  private static StatisticsCell cell(ResultSet row) throws SQLException {
    return new StatisticsCell(row.getLong(1), row.getString(3), row.getLong(2), row.getInt(4));
  }

  private static List<String> figures(ResultSet row) throws SQLException {
    List<String> figures = new ArrayList<>();
    for (int i = 0; i < StatisticsFigures.NAMES.size(); i++) {
      figures.add(row.getString(5 + i));
    }
    return figures;
  }
}
