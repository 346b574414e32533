package io.experimentetl.stats;

import io.experimentetl.model.HealthCounts;

/**
 * An experiment's health figures; a record of keyed state. The arrays are parallel: one place a
 * (day, variant).
 *
 * @param srmOpen a sample ratio mismatch was reported and not closed
 * @param version of the rows that were sent last
 */
public record HealthState(
    int[] dayEpoch, long[] variantId, HealthCounts[] counts, boolean srmOpen, long version) {

  static final HealthState EMPTY =
      new HealthState(new int[0], new long[0], new HealthCounts[0], false, 0);
}
