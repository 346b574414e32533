package io.experimentetl.bench;

import java.util.Arrays;
import java.util.List;

/**
 * The seconds from the commit of each row until readers saw it. Rows are told by their number: the
 * row that is committed n-th is seen when n rows are visible.
 */
record Freshness(double p50, double p99, double max) {
  private static final double NANOS = 1e9;

  /**
   * How many rows there were at a time.
   *
   * @param at nanoseconds of {@link System#nanoTime}
   */
  record Step(long at, long rows) {}

  /**
   * The freshness of some rows.
   *
   * @param committed in the order of time
   * @param visible the same of what readers saw; the last step has the rows
   * @param from the number of rows in front of them
   * @param to the number of the last one
   */
  static Freshness of(List<Step> committed, List<Step> visible, long from, long to) {
    double[] seconds = new double[Math.toIntExact(to - from)];
    int commit = 0;
    int look = 0;
    for (long row = from; row < to; row++) {
      commit = firstAbove(committed, commit, row);
      look = firstAbove(visible, look, row);
      // A row may be seen before its writer has the answer to the commit.
      long waited = Math.max(0, visible.get(look).at() - committed.get(commit).at());
      seconds[(int) (row - from)] = waited / NANOS;
    }
    Arrays.sort(seconds);
    return new Freshness(at(seconds, 0.5), at(seconds, 0.99), at(seconds, 1));
  }

  private static int firstAbove(List<Step> steps, int from, long row) {
    int step = from;
    while (steps.get(step).rows() <= row) {
      step++;
    }
    return step;
  }

  /** The smallest value that this part of the values does not exceed. */
  private static double at(double[] sorted, double part) {
    return sorted[(int) Math.ceil(part * sorted.length) - 1];
  }
}
