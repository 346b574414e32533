package io.experimentetl.attribution;

import io.experimentetl.model.AllocationHistory;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.flink.api.common.state.BroadcastState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;

/** Experiments and variants in broadcast state, and on the heap for the join. */
final class DimensionState {
  static final MapStateDescriptor<Long, ExperimentDimension> EXPERIMENTS =
      new MapStateDescriptor<>(
          "experiments", Types.LONG, TypeInformation.of(ExperimentDimension.class));
  static final MapStateDescriptor<Long, VariantDimension> VARIANTS =
      new MapStateDescriptor<>("variants", Types.LONG, TypeInformation.of(VariantDimension.class));
  static final MapStateDescriptor<Long, AllocationHistory> ALLOCATIONS =
      new MapStateDescriptor<>(
          "allocations", Types.LONG, TypeInformation.of(AllocationHistory.class));

  /** By experiment, see {@link Dimensions#versionOf}; also of experiments that are deleted. */
  static final MapStateDescriptor<Long, Long> VERSIONS =
      new MapStateDescriptor<>("experiment-versions", Types.LONG, Types.LONG);

  /**
   * The effect of a dimension's change on the users.
   *
   * @param before the dimensions before the change
   * @param isAwaited facts refer to the row, which was missing until now
   * @param restated ids of the experiments whose users must be restated
   * @param reallocated ids of the experiments in which a phase of the allocation began: users that
   *     were assigned behind this change must be restated
   * @param rejoined ids of the experiments that were deleted, are back, or have another zone: the
   *     rows of their facts must be written again
   */
  record Effect(
      Dimensions before,
      boolean isAwaited,
      Set<Long> restated,
      Set<Long> reallocated,
      Set<Long> rejoined) {}

  private final BroadcastState<Long, ExperimentDimension> experiments;
  private final BroadcastState<Long, VariantDimension> variants;
  private final BroadcastState<Long, AllocationHistory> allocations;
  private final BroadcastState<Long, Long> versions;
  private final String defaultZone;
  private final Dimensions dimensions;
  private final MissingReferences missing = new MissingReferences();

  /**
   * Reads the state.
   *
   * @param defaultZone of experiments whose configuration names none
   */
  DimensionState(
      BroadcastState<Long, ExperimentDimension> experiments,
      BroadcastState<Long, VariantDimension> variants,
      BroadcastState<Long, AllocationHistory> allocations,
      BroadcastState<Long, Long> versions,
      String defaultZone)
      throws Exception {
    this.experiments = experiments;
    this.variants = variants;
    this.allocations = allocations;
    this.versions = versions;
    this.defaultZone = defaultZone;
    this.dimensions = new Dimensions(defaultZone);
    for (Map.Entry<Long, ExperimentDimension> entry : experiments.immutableEntries()) {
      dimensions.put(entry.getValue());
    }
    for (Map.Entry<Long, VariantDimension> entry : variants.immutableEntries()) {
      dimensions.put(entry.getValue());
    }
    for (Map.Entry<Long, AllocationHistory> entry : allocations.immutableEntries()) {
      dimensions.putAllocation(entry.getKey(), entry.getValue());
    }
    for (Map.Entry<Long, Long> entry : versions.immutableEntries()) {
      dimensions.putVersion(entry.getKey(), entry.getValue());
    }
  }

  /** Takes over the phases that an older warehouse knows. */
  void carryOver(Map<Long, AllocationHistory> known) throws Exception {
    for (Map.Entry<Long, AllocationHistory> entry : known.entrySet()) {
      putAllocation(entry.getKey(), entry.getValue());
    }
  }

  private void putAllocation(long experimentId, AllocationHistory allocation) throws Exception {
    allocations.put(experimentId, allocation);
    dimensions.putAllocation(experimentId, allocation);
  }

  Dimensions dimensions() {
    return dimensions;
  }

  MissingReferences missing() {
    return missing;
  }

  /** Whether users may have been counted by what the change concerns. */
  boolean isConcernedBy(Change change) {
    if (change.table() != SourceTable.EXPERIMENTS) {
      return true;
    }
    SourceRow row = isDeleted(change) ? change.before() : change.after();
    long id = ((ExperimentRow) row).id();
    return dimensions.experiment(id) != null || missing.experiments.contains(id);
  }

  /** Applies a change of an experiment or a variant. */
  Effect apply(Change change) throws Exception {
    return change.table() == SourceTable.EXPERIMENTS
        ? applyExperiment(change)
        : applyVariant(change);
  }

  /** Users of the experiment who were counted until now must be counted again. */
  private void nextVersion(long experimentId) throws Exception {
    long version = dimensions.versionOf(experimentId) + 1;
    versions.put(experimentId, version);
    dimensions.putVersion(experimentId, version);
  }

  private Effect applyExperiment(Change change) throws Exception {
    boolean isDeleted = isDeleted(change);
    ExperimentRow row = (ExperimentRow) (isDeleted ? change.before() : change.after());
    Dimensions before = dimensions.copyOf(Set.of(row.id()));
    ExperimentDimension old = dimensions.experiment(row.id());
    if (isDeleted) {
      experiments.remove(row.id());
      allocations.remove(row.id());
      dimensions.removeExperiment(row.id());
    } else {
      ExperimentDimension now =
          ExperimentDimension.of(row, defaultZone, old, change.position().committedAt());
      experiments.put(row.id(), now);
      dimensions.put(now);
    }
    boolean isAwaited = missing.experiments.remove(row.id()) && !isDeleted;
    boolean isRejoined =
        isDeleted
            ? old != null && missing.deletedExperiments.add(row.id())
            : missing.deletedExperiments.remove(row.id());
    boolean isMoved =
        old != null && !isDeleted && !old.zone().equals(dimensions.experiment(row.id()).zone());
    boolean countsOtherwise =
        old != null && (isDeleted || !old.countsLike(dimensions.experiment(row.id())));
    // Which facts a subtask has is its own matter; the version is the same in all of them.
    if (old == null || countsOtherwise) {
      nextVersion(row.id());
    }
    return new Effect(
        before,
        isAwaited,
        isAwaited || countsOtherwise ? Set.of(row.id()) : Set.of(),
        Set.of(),
        isRejoined || isMoved ? Set.of(row.id()) : Set.of());
  }

  private Effect applyVariant(Change change) throws Exception {
    boolean isDeleted = isDeleted(change);
    VariantRow row = (VariantRow) (isDeleted ? change.before() : change.after());
    VariantDimension old = dimensions.variant(row.id());
    Set<Long> of = new TreeSet<>(Set.of(row.experimentId()));
    if (old != null) {
      of.add(old.experimentId());
    }
    Dimensions before = dimensions.copyOf(of);
    if (isDeleted) {
      variants.remove(row.id());
      dimensions.removeVariant(row.id());
    } else {
      VariantDimension now = VariantDimension.of(row);
      variants.put(row.id(), now);
      dimensions.put(now);
    }
    boolean isAwaited = missing.variants.remove(row.id()) && !isDeleted;
    if (isDeleted && old != null) {
      missing.deletedVariants.add(row.id());
    }
    // The facts of its users have stayed, and count again.
    boolean isBack = !isDeleted && missing.deletedVariants.remove(row.id());
    boolean countsOtherwise =
        old != null && (isDeleted || old.experimentId() != row.experimentId());
    Set<Long> restated = new HashSet<>();
    if (isAwaited || isBack || countsOtherwise) {
      restated.addAll(of);
    }
    if (old == null || countsOtherwise) {
      for (long experimentId : of) {
        nextVersion(experimentId);
      }
    }
    Set<Long> reallocated = new HashSet<>();
    if (old != null && old.experimentId() != row.experimentId()) {
      reallocate(
          old.experimentId(),
          before.allocationOf(old.experimentId()).without(row.id(), change),
          reallocated,
          restated);
    }
    reallocate(
        row.experimentId(),
        before.allocationOf(row.experimentId()).after(change),
        reallocated,
        restated);
    return new Effect(before, isAwaited, restated, reallocated, Set.of());
  }

  private void reallocate(
      long experimentId, AllocationHistory now, Set<Long> reallocated, Set<Long> restated)
      throws Exception {
    AllocationHistory before = dimensions.allocationOf(experimentId);
    if (now.equals(before)) {
      return;
    }
    putAllocation(experimentId, now);
    if (now.last().fromSequence() > 0) {
      reallocated.add(experimentId);
    } else if (before.last() != null && !now.datesLike(before)) {
      restated.add(experimentId);
      nextVersion(experimentId);
    }
  }

  private static boolean isDeleted(Change change) {
    return change.kind() == ChangeKind.DELETE || change.kind() == ChangeKind.KEY_CHANGE;
  }
}
