package io.experimentetl.stats;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.commons.math3.special.Gamma;

/**
 * Pearson's chi-square test of the users per variant against the allocation (Fabijan et al.,
 * "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD 2019), summed over the
 * phases of the allocation. In each phase chi2 = sum (o - e)^2 / e with e = w / sum w * N, and the
 * degrees of freedom are the number of cells less one. Both add up over phases, because a phase's
 * users are other users.
 *
 * <p>Cells that expect fewer than {@link #MIN_EXPECTED} users are pooled into one; where that one
 * still expects fewer, the next smallest cell joins it.
 *
 * @param degreesOfFreedom 0: not computable
 * @param p the upper tail; 1 where not computable
 * @param expected users that each variant expects, over all phases with known weights
 */
public record SampleRatio(double chiSquare, int degreesOfFreedom, double p, double[] expected) {

  /** Below it, the chi-square distribution is no good approximation (Cochran, 1954). */
  static final double MIN_EXPECTED = 5;

  /**
   * The users of one phase.
   *
   * @param users by variant
   * @param weights by variant; variants of weight 0 take no part
   */
  public record Phase(long[] users, double[] weights) {}

  private record Cell(double observed, double expected) {
    Cell plus(Cell other) {
      return new Cell(observed + other.observed, expected + other.expected);
    }
  }

  /**
   * The test.
   *
   * @param variants the length of all arrays
   */
  public static SampleRatio of(List<Phase> phases, int variants) {
    double chiSquare = 0;
    int degreesOfFreedom = 0;
    double[] expected = new double[variants];
    for (Phase phase : phases) {
      List<Cell> cells = pooled(cells(phase, expected));
      if (cells.size() > 1) {
        for (Cell cell : cells) {
          double difference = cell.observed() - cell.expected();
          chiSquare += difference * difference / cell.expected();
        }
        degreesOfFreedom += cells.size() - 1;
      }
    }
    return new SampleRatio(
        chiSquare, degreesOfFreedom, upperTail(chiSquare, degreesOfFreedom), expected);
  }

  private static List<Cell> cells(Phase phase, double[] expected) {
    long totalUsers = 0;
    double totalWeight = 0;
    for (int i = 0; i < expected.length; i++) {
      if (phase.weights()[i] > 0) {
        totalUsers += phase.users()[i];
        totalWeight += phase.weights()[i];
      }
    }
    List<Cell> cells = new ArrayList<>();
    for (int i = 0; i < expected.length; i++) {
      if (phase.weights()[i] > 0 && totalUsers > 0) {
        Cell cell = new Cell(phase.users()[i], phase.weights()[i] / totalWeight * totalUsers);
        expected[i] += cell.expected();
        cells.add(cell);
      }
    }
    return cells;
  }

  private static List<Cell> pooled(List<Cell> cells) {
    List<Cell> pooled = new ArrayList<>(cells);
    pooled.sort(Comparator.comparingDouble(Cell::expected));
    while (pooled.size() > 1
        && (pooled.get(0).expected() < MIN_EXPECTED || pooled.get(1).expected() < MIN_EXPECTED)) {
      pooled.set(0, pooled.get(0).plus(pooled.remove(1)));
    }
    return pooled;
  }

  /** Of tiny probabilities all digits count: 1 less the distribution function would be 0. */
  private static double upperTail(double chiSquare, int degreesOfFreedom) {
    return degreesOfFreedom == 0
        ? 1
        : Gamma.regularizedGammaQ(degreesOfFreedom / 2.0, chiSquare / 2);
  }
}
