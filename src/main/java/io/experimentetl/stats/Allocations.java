package io.experimentetl.stats;

import io.experimentetl.model.AllocationPhase;
import java.math.BigDecimal;
import java.util.Arrays;
import java.util.stream.Collectors;

/** Allocations in words. */
final class Allocations {
  private static final int MAX_NAMED = 10;

  private Allocations() {}

  /** A weight, without the zeros behind the point. */
  static String text(double weight) {
    return BigDecimal.valueOf(weight).stripTrailingZeros().toPlainString();
  }

  /** The weights in the order of the variants' ids, such as {@code 90 : 10}. */
  static String text(AllocationPhase phase) {
    String named =
        Arrays.stream(phase.weights())
            .limit(MAX_NAMED)
            .mapToObj(Allocations::text)
            .collect(Collectors.joining(" : "));
    return phase.weights().length > MAX_NAMED ? named + " : …" : named;
  }
}
