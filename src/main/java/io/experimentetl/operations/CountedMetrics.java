package io.experimentetl.operations;

import java.util.Set;
import java.util.TreeSet;

/** The metrics that the warehouse has been counted for. */
final class CountedMetrics {
  private CountedMetrics() {}

  /** Their names, from the table that each start writes; empty: no job was started yet. */
  static Set<String> of(Databases databases) {
    return new TreeSet<>(
        databases
            .clickHouse()
            .list("SELECT DISTINCT toString(metric) FROM metrics", row -> row.getString(1)));
  }
}
