package io.experimentetl.audit;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.apache.commons.math3.special.Erf;

/**
 * The sample ratios, recomputed from ClickHouse's assignments and from {@code
 * experiment_allocations}. The code shares nothing with the job's.
 */
final class SampleRatios {
  private static final double TOLERANCE = 1e-9;
  private static final double MIN_EXPECTED = 5;

  /**
   * A test over all phases.
   *
   * @param expected users by variant
   */
  record Ratio(double chiSquare, int freedom, double p, List<Double> expected) {}

  private record Phase(int judgedAs, Map<Long, Double> weights) {}

  private record Assigned(long variantId, int phase, long users) {}

  private final Map<Long, Map<Integer, Phase>> phases = new HashMap<>();
  private final Map<Long, NavigableMap<Integer, List<Assigned>>> assigned = new HashMap<>();

  private SampleRatios() {}

  /** Reads the phases as of an LSN. */
  static SampleRatios read(Warehouse warehouse, long lsn) {
    SampleRatios ratios = new SampleRatios();
    warehouse.read(
        """
        SELECT experiment_id, phase, judged_as, variant_ids, weights, _deleted
        FROM experiment_allocations
        WHERE _lsn <= %d
        ORDER BY _version DESC
        LIMIT 1 BY experiment_id, phase"""
            .formatted(lsn),
        row -> {
          Map<Long, Double> weights = new TreeMap<>();
          List<Long> ids = Warehouse.longs(row, "variant_ids");
          List<Double> of = Warehouse.doubles(row, "weights");
          for (int i = 0; i < of.size(); i++) {
            weights.put(ids.get(i), of.get(i));
          }
          if (!row.getBoolean("_deleted")) {
            ratios
                .phases
                .computeIfAbsent(row.getLong("experiment_id"), none -> new HashMap<>())
                .put(row.getInt("phase"), new Phase(row.getInt("judged_as"), weights));
          }
        });
    return ratios;
  }

  /** Adds users who were assigned on a day. */
  void add(long experimentId, int day, long variantId, int phase, long users) {
    if (users != 0) {
      assigned
          .computeIfAbsent(experimentId, none -> new TreeMap<>())
          .computeIfAbsent(day, none -> new ArrayList<>())
          .add(new Assigned(variantId, phase, users));
    }
  }

  /** The test of the users assigned up to a day. */
  Ratio asOf(long experimentId, int day, List<Long> variants) {
    Map<Integer, Phase> known = phases.getOrDefault(experimentId, Map.of());
    Map<Integer, Map<Long, Long>> users = new TreeMap<>();
    assigned.getOrDefault(experimentId, new TreeMap<>()).headMap(day, true).values().stream()
        .flatMap(List::stream)
        .forEach(
            of -> {
              Phase phase = known.get(of.phase());
              users
                  .computeIfAbsent(
                      phase == null ? of.phase() : phase.judgedAs(), none -> new TreeMap<>())
                  .merge(of.variantId(), of.users(), Long::sum);
            });
    double chiSquare = 0;
    int freedom = 0;
    Map<Long, Double> expected = new TreeMap<>();
    for (Map.Entry<Integer, Map<Long, Long>> of : users.entrySet()) {
      Phase phase = known.get(of.getKey());
      if (phase == null) {
        continue;
      }
      List<double[]> cells = cells(of.getValue(), phase.weights(), expected);
      for (double[] cell : cells.size() < 2 ? List.<double[]>of() : cells) {
        chiSquare += Math.pow(cell[0] - cell[1], 2) / cell[1];
      }
      freedom += Math.max(0, cells.size() - 1);
    }
    return new Ratio(
        chiSquare,
        freedom,
        freedom == 0 ? 1 : upperTail(chiSquare, freedom),
        variants.stream().map(id -> expected.getOrDefault(id, 0.0)).toList());
  }

  /** Observed and expected users; small cells are pooled. */
  private static List<double[]> cells(
      Map<Long, Long> users, Map<Long, Double> weights, Map<Long, Double> expected) {
    double totalWeight = weights.values().stream().mapToDouble(Double::doubleValue).sum();
    double totalUsers =
        users.entrySet().stream()
            .filter(of -> weights.getOrDefault(of.getKey(), 0.0) > 0)
            .mapToDouble(Map.Entry::getValue)
            .sum();
    double[] pool = new double[2];
    List<double[]> large = new ArrayList<>();
    for (Map.Entry<Long, Double> weight : weights.entrySet()) {
      double expects = weight.getValue() / totalWeight * totalUsers;
      if (weight.getValue() <= 0 || totalUsers == 0) {
        continue;
      }
      expected.merge(weight.getKey(), expects, Double::sum);
      double[] cell = {users.getOrDefault(weight.getKey(), 0L), expects};
      if (expects < MIN_EXPECTED) {
        pool[0] += cell[0];
        pool[1] += cell[1];
      } else {
        large.add(cell);
      }
    }
    if (pool[1] == 0) {
      return large;
    }
    if (pool[1] < MIN_EXPECTED && !large.isEmpty()) {
      double[] smallest = large.get(0);
      for (double[] cell : large) {
        smallest = cell[1] < smallest[1] ? cell : smallest;
      }
      smallest[0] += pool[0];
      smallest[1] += pool[1];
      return large;
    }
    large.add(pool);
    return large;
  }

  /** Whether two sums differ by more than rounding. */
  static boolean differ(double a, double b) {
    return Math.abs(a - b) > TOLERANCE * Math.max(1, Math.abs(a));
  }

  /** Whether two probabilities differ by more than rounding: of tiny ones the digits count. */
  static boolean differInDigits(double a, double b) {
    return Math.abs(a - b) > TOLERANCE * Math.max(a, b) + Double.MIN_NORMAL;
  }

  static boolean differ(List<Double> a, List<Double> b) {
    boolean differ = a.size() != b.size();
    for (int i = 0; !differ && i < a.size(); i++) {
      differ = differ(a.get(i), b.get(i));
    }
    return differ;
  }

  /**
   * P(X > x) of a chi-square distribution, by the finite sums for even and odd degrees of freedom
   * (Abramowitz and Stegun 26.4.4 and 26.4.5).
   */
  static double upperTail(double x, int freedom) {
    double half = x / 2;
    if (freedom % 2 == 0) {
      double term = Math.exp(-half);
      double sum = term;
      for (int i = 1; i < freedom / 2; i++) {
        term *= half / i;
        sum += term;
      }
      return sum;
    }
    double sum = Erf.erfc(Math.sqrt(half));
    double term = Math.exp(-half) * Math.sqrt(half) / (Math.sqrt(Math.PI) / 2);
    for (int i = 1; i <= (freedom - 1) / 2; i++) {
      sum += term;
      term *= half / (i + 0.5);
    }
    return sum;
  }
}
