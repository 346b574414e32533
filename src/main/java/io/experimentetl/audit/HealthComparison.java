package io.experimentetl.audit;

import io.experimentetl.audit.Observation.Kind;
import io.experimentetl.audit.Observation.Weight;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Compares {@code experiment_health_daily}. Users and exposures are compared with their
 * recomputation from either side's rows, as in {@link StatisticsComparison}; the sample ratio with
 * its recomputation from ClickHouse's assignments and the phases of their allocation; the weights
 * with those of the variants, unless these changed after the row was written.
 */
final class HealthComparison {
  static final String PLACE = "health";

  /** The comparison's result. */
  record Result(int days, long unjudgedWeights, List<Observation> observations) {}

  /** An experiment's day. */
  record Cell(long experimentId, int day) implements Comparable<Cell> {
    @Override
    public int compareTo(Cell other) {
      int byExperiment = Long.compare(experimentId, other.experimentId);
      return byExperiment != 0 ? byExperiment : Integer.compare(day, other.day);
    }
  }

  /**
   * Figures as of a day: users assigned and exposed by variant, crossovers, the day's exposures.
   */
  record Figures(
      Map<Long, Long> assigned, Map<Long, Long> exposed, long crossovers, long exposures) {
    static final Figures NONE = new Figures(Map.of(), Map.of(), 0, 0);

    /** The difference of the two, as a text. */
    String minus(Figures other) {
      return minus(assigned, other.assigned)
          + " "
          + minus(exposed, other.exposed)
          + " "
          + (crossovers - other.crossovers)
          + " "
          + (exposures - other.exposures);
    }

    private static Map<Long, Long> minus(Map<Long, Long> ours, Map<Long, Long> theirs) {
      Map<Long, Long> difference = new TreeMap<>(ours);
      theirs.forEach((variant, users) -> difference.merge(variant, -users, Long::sum));
      return difference;
    }

    @Override
    public String toString() {
      return "assigned "
          + assigned
          + ", exposed "
          + exposed
          + ", crossovers "
          + crossovers
          + ", exposures "
          + exposures;
    }
  }

  /** The increments of one day. */
  record Added(
      int day, long variantId, long assigned, long exposed, long crossovers, long exposures) {}

  private final SourceSnapshot source;
  private final Warehouse warehouse;
  private final StatisticsSql sql;
  private final Map<Cell, Figures> stored = new TreeMap<>();
  private final Map<Cell, String> inconsistent = new TreeMap<>();
  private final SampleRatios ratios;
  private final Map<Cell, Figures> atMarker;
  private long unjudgedWeights;

  /** Reads ClickHouse's side immediately. */
  HealthComparison(
      SourceSnapshot source, Warehouse warehouse, StatisticsSql sql, Warehouse.Progress marker) {
    this.source = source;
    this.warehouse = warehouse;
    this.sql = sql;
    this.ratios = SampleRatios.read(warehouse, marker.sequenceNumber());
    this.atMarker = fromWarehouse(marker.sequenceNumber(), ratios);
    readStored(marker);
  }

  /**
   * Compares the figures.
   *
   * @param inSource the figures from PostgreSQL's rows
   */
  Result compare(SourceFigures inSource, Set<Long> experimentsWithRetainedRows, Set<Long> expired) {
    Map<Cell, Figures> fromSource = inSource.health();
    Map<Cell, Figures> atSnapshot =
        fromSource.equals(atMarker) ? atMarker : fromWarehouse(source.lsn(), null);
    Set<Cell> all = new TreeSet<>(stored.keySet());
    all.addAll(atMarker.keySet());
    all.addAll(fromSource.keySet());
    List<Observation> observations = new ArrayList<>();
    for (Cell cell : all) {
      if (expired.contains(cell.experimentId())) {
        continue;
      }
      Figures a = stored.getOrDefault(cell, Figures.NONE);
      Figures b = atMarker.getOrDefault(cell, Figures.NONE);
      Figures c = fromSource.getOrDefault(cell, Figures.NONE);
      Figures d = atSnapshot.getOrDefault(cell, Figures.NONE);
      boolean retained = experimentsWithRetainedRows.contains(cell.experimentId());
      if (!a.equals(b) || !(retained || c.equals(b) || c.equals(d))) {
        observe(
            observations,
            cell,
            "differs: stored "
                + a
                + "; from ClickHouse's rows "
                + b
                + "; from PostgreSQL's rows "
                + (retained ? "not compared" : c),
            a + " " + b + " " + c,
            a.minus(b) + " " + c.minus(d));
      }
      if (inconsistent.containsKey(cell)) {
        observe(observations, cell, inconsistent.get(cell), inconsistent.get(cell), "");
      }
    }
    return new Result(all.size(), unjudgedWeights, observations);
  }

  private static void observe(
      List<Observation> observations, Cell cell, String problem, String evidence, String offset) {
    observations.add(
        new Observation(
            PLACE,
            AuditedTable.NO_DAY,
            "experiment " + cell.experimentId() + ", " + LocalDate.ofEpochDay(cell.day()),
            problem,
            evidence,
            offset,
            Weight.SUSPECT,
            Kind.FIGURES));
  }

  /** A row of {@code experiment_health_daily}; the lists have one entry per variant. */
  private record StoredRow(
      Cell cell,
      List<Long> variants,
      List<Long> assigned,
      List<Long> exposed,
      List<Double> weights,
      List<Double> expected,
      long crossovers,
      long exposures,
      double chiSquare,
      int freedom,
      double p,
      long version) {

    static StoredRow of(ResultSet row) throws SQLException {
      return new StoredRow(
          new Cell(row.getLong("experiment_id"), row.getInt("day_")),
          Warehouse.longs(row, "variant_ids"),
          Warehouse.longs(row, "assigned_users"),
          Warehouse.longs(row, "exposed_users"),
          Warehouse.doubles(row, "weights"),
          Warehouse.doubles(row, "expected_users"),
          row.getLong("crossover_users"),
          row.getLong("exposures"),
          row.getDouble("srm_chi_square"),
          row.getInt("srm_df"),
          row.getDouble("srm_p"),
          row.getLong("_version"));
    }
  }

  private void readStored(Warehouse.Progress marker) {
    Map<Long, Map<Long, Double>> weights = new HashMap<>();
    Map<Long, Long> weighedAt = new HashMap<>();
    warehouse.read(
        """
        SELECT experiment_id, id, argMax(allocation_pct, _version), argMax(_deleted, _version), max(_version)
        FROM variants
        GROUP BY experiment_id, id""",
        row -> {
          weighedAt.merge(row.getLong(1), row.getLong(5), Math::max);
          if (row.getInt(4) == 0) {
            weights
                .computeIfAbsent(row.getLong(1), none -> new TreeMap<>())
                .put(row.getLong(2), row.getDouble(3));
          }
        });
    warehouse.read(
        """
        SELECT experiment_id, toInt32(day) AS day_, variant_ids, assigned_users, exposed_users, weights, expected_users,
          crossover_users, exposures, srm_chi_square, srm_df, srm_p, _version, _deleted
        FROM experiment_health_daily
        WHERE _version <= %d
        ORDER BY _version DESC
        LIMIT 1 BY experiment_id, day_"""
            .formatted(marker.versionBound()),
        row -> {
          if (!row.getBoolean("_deleted")) {
            StoredRow health = StoredRow.of(row);
            long experiment = health.cell().experimentId();
            stored.put(
                health.cell(),
                new Figures(
                    byVariant(health.variants(), health.assigned()),
                    byVariant(health.variants(), health.exposed()),
                    health.crossovers(),
                    health.exposures()));
            check(
                health,
                weights.getOrDefault(experiment, Map.of()),
                weighedAt.getOrDefault(experiment, 0L) < health.version());
          }
        });
  }

  /** Checks the sample ratio against the row's users and weights, and the weights. */
  private void check(StoredRow row, Map<Long, Double> weights, boolean weightsAreOlder) {
    List<String> problems = new ArrayList<>();
    Map<Long, Double> storedWeights = new TreeMap<>();
    for (int i = 0; i < row.variants().size(); i++) {
      if (row.weights().get(i) != 0 || weights.containsKey(row.variants().get(i))) {
        storedWeights.put(row.variants().get(i), row.weights().get(i));
      }
    }
    if (!storedWeights.equals(weights)) {
      if (weightsAreOlder) {
        problems.add("weights are " + storedWeights + " and should be " + weights);
      } else {
        unjudgedWeights++;
      }
    }
    checkSampleRatio(row, problems);
    if (!problems.isEmpty()) {
      inconsistent.put(row.cell(), String.join("; ", problems));
    }
  }

  private void checkSampleRatio(StoredRow row, List<String> problems) {
    SampleRatios.Ratio ratio =
        ratios.asOf(row.cell().experimentId(), row.cell().day(), row.variants());
    if (SampleRatios.differ(ratio.chiSquare(), row.chiSquare())
        || ratio.freedom() != row.freedom()
        || SampleRatios.differInDigits(ratio.p(), row.p())
        || SampleRatios.differ(ratio.expected(), row.expected())) {
      problems.add(
          "srm_chi_square, srm_df, srm_p, expected_users are %s, %d, %s, %s and should be %s, %d, %s, %s"
              .formatted(
                  row.chiSquare(),
                  row.freedom(),
                  row.p(),
                  row.expected(),
                  ratio.chiSquare(),
                  ratio.freedom(),
                  ratio.p(),
                  ratio.expected()));
    }
  }

  private static Map<Long, Long> byVariant(List<Long> ids, List<Long> users) {
    Map<Long, Long> byVariant = new TreeMap<>();
    for (int i = 0; i < ids.size() && i < users.size(); i++) {
      if (users.get(i) != 0) {
        byVariant.put(ids.get(i), users.get(i));
      }
    }
    return byVariant;
  }

  /**
   * The figures as of an LSN.
   *
   * @param phases takes the assigned users by phase; null: nobody needs them
   */
  private Map<Cell, Figures> fromWarehouse(long lsn, SampleRatios phases) {
    Map<Long, List<Added>> added = new TreeMap<>();
    warehouse.read(
        sql.healthInClickhouse(lsn),
        row -> {
          Added of = added(row, 3);
          added.computeIfAbsent(row.getLong(1), none -> new ArrayList<>()).add(of);
          if (phases != null) {
            phases.add(row.getLong(1), of.day(), of.variantId(), row.getInt(8), of.assigned());
          }
        });
    return cumulated(added);
  }

  /**
   * The increments of a row of either side's statement.
   *
   * @param dayColumn where the day is; the figures follow it
   */
  static Added added(ResultSet row, int dayColumn) throws SQLException {
    return new Added(
        row.getInt(dayColumn),
        row.getLong(2),
        row.getLong(dayColumn + 1),
        row.getLong(dayColumn + 2),
        row.getLong(dayColumn + 3),
        row.getLong(dayColumn + 4));
  }

  /** The figures as of each day, from the increments by experiment. */
  static Map<Cell, Figures> cumulated(Map<Long, List<Added>> byExperiment) {
    Map<Cell, Figures> cells = new TreeMap<>();
    byExperiment.forEach(
        (experimentId, added) -> {
          NavigableMap<Integer, List<Added>> days = new TreeMap<>();
          added.forEach(a -> days.computeIfAbsent(a.day(), none -> new ArrayList<>()).add(a));
          Map<Long, Long> assigned = new TreeMap<>();
          Map<Long, Long> exposed = new TreeMap<>();
          long crossovers = 0;
          for (Map.Entry<Integer, List<Added>> day : days.entrySet()) {
            long exposures = 0;
            for (Added a : day.getValue()) {
              merge(assigned, a.variantId(), a.assigned());
              merge(exposed, a.variantId(), a.exposed());
              crossovers += a.crossovers();
              exposures += a.exposures();
            }
            cells.put(
                new Cell(experimentId, day.getKey()),
                new Figures(
                    new TreeMap<>(assigned), new TreeMap<>(exposed), crossovers, exposures));
          }
        });
    return cells;
  }

  private static void merge(Map<Long, Long> users, long variantId, long more) {
    if (more != 0) {
      users.merge(variantId, more, Long::sum);
    }
  }
}
