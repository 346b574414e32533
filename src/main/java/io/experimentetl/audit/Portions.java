package io.experimentetl.audit;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.IntSupplier;
import java.util.function.ToLongFunction;

/** Compares the rows of the parts that differ, few at a time. */
final class Portions {
  /** Rows of differing parts that are compared, and held in memory, at a time. */
  static final long PORTION_ROWS = 200_000;

  static final int MAX_OBSERVATIONS = 100_000;

  private Portions() {}

  /**
   * Compares the parts until too many rows differ or change.
   *
   * @param rows the number of a part's rows
   * @param observations that were made so far
   * @return the parts that are left to the next audit
   */
  static <P> List<P> compare(
      List<P> differing,
      ToLongFunction<P> rows,
      Consumer<List<P>> comparison,
      IntSupplier observations) {
    List<P> portion = new ArrayList<>();
    long portionRows = 0;
    for (int i = 0; i < differing.size(); i++) {
      portion.add(differing.get(i));
      portionRows += rows.applyAsLong(differing.get(i));
      boolean isLast = i == differing.size() - 1;
      if (portionRows >= PORTION_ROWS || isLast) {
        comparison.accept(List.copyOf(portion));
        portion.clear();
        portionRows = 0;
        if (observations.getAsInt() >= MAX_OBSERVATIONS) {
          return differing.subList(i + 1, differing.size());
        }
      }
    }
    return List.of();
  }
}
