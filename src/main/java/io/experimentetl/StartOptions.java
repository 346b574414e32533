package io.experimentetl;

import io.experimentetl.model.AllocationHistory;
import java.util.Map;
import java.util.Set;

/**
 * What distinguishes a start of the job from an ordinary one.
 *
 * @param restatedMetrics names of metrics whose days are recomputed from the raw rows, where the
 *     settings differ from the savepoint's
 * @param knownAllocations phases of allocations that an older warehouse knows, by experiment
 * @param correctedAllocations experiments whose present weights hold for all their users, each with
 *     a number that increases with every correction
 */
public record StartOptions(
    Set<String> restatedMetrics,
    Map<Long, AllocationHistory> knownAllocations,
    Map<Long, Long> correctedAllocations) {

  /** An ordinary start. */
  public static final StartOptions NONE = new StartOptions(Set.of(), Map.of(), Map.of());
}
