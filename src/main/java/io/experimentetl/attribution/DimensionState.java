package io.experimentetl.attribution;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
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

  /**
   * The effect of a dimension's change on the users.
   *
   * @param before the dimensions before the change
   * @param isAwaited facts refer to the row, which was missing until now
   * @param restated ids of the experiments whose users must be restated
   */
  record Effect(Dimensions before, boolean isAwaited, Set<Long> restated) {}

  private final BroadcastState<Long, ExperimentDimension> experiments;
  private final BroadcastState<Long, VariantDimension> variants;
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
      String defaultZone)
      throws Exception {
    this.experiments = experiments;
    this.variants = variants;
    this.defaultZone = defaultZone;
    this.dimensions = new Dimensions(defaultZone);
    for (Map.Entry<Long, ExperimentDimension> entry : experiments.immutableEntries()) {
      dimensions.put(entry.getValue());
    }
    for (Map.Entry<Long, VariantDimension> entry : variants.immutableEntries()) {
      dimensions.put(entry.getValue());
    }
  }

  Dimensions dimensions() {
    return dimensions;
  }

  MissingReferences missing() {
    return missing;
  }

  /** Applies a change of an experiment or a variant. */
  Effect apply(Change change) throws Exception {
    Dimensions before = dimensions.copy();
    return change.table() == SourceTable.EXPERIMENTS
        ? applyExperiment(change, before)
        : applyVariant(change, before);
  }

  private Effect applyExperiment(Change change, Dimensions before) throws Exception {
    boolean isDeleted = isDeleted(change);
    ExperimentRow row = (ExperimentRow) (isDeleted ? change.before() : change.after());
    ExperimentDimension old = dimensions.experiment(row.id());
    if (isDeleted) {
      experiments.remove(row.id());
      dimensions.removeExperiment(row.id());
    } else {
      ExperimentDimension now =
          ExperimentDimension.of(row, defaultZone, old, change.position().committedAt());
      experiments.put(row.id(), now);
      dimensions.put(now);
    }
    boolean isAwaited = missing.experiments.remove(row.id()) && !isDeleted;
    boolean countsOtherwise =
        old != null && (isDeleted || !old.countsLike(dimensions.experiment(row.id())));
    return new Effect(
        before, isAwaited, isAwaited || countsOtherwise ? Set.of(row.id()) : Set.of());
  }

  private Effect applyVariant(Change change, Dimensions before) throws Exception {
    boolean isDeleted = isDeleted(change);
    VariantRow row = (VariantRow) (isDeleted ? change.before() : change.after());
    VariantDimension old = dimensions.variant(row.id());
    if (isDeleted) {
      variants.remove(row.id());
      dimensions.removeVariant(row.id());
    } else {
      VariantDimension now = VariantDimension.of(row);
      variants.put(row.id(), now);
      dimensions.put(now);
    }
    boolean isAwaited = missing.variants.remove(row.id()) && !isDeleted;
    boolean countsOtherwise =
        old != null && (isDeleted || old.experimentId() != row.experimentId());
    Set<Long> restated = new HashSet<>();
    if (isAwaited || countsOtherwise) {
      restated.add(row.experimentId());
      if (old != null) {
        restated.add(old.experimentId());
      }
    }
    return new Effect(before, isAwaited, restated);
  }

  private static boolean isDeleted(Change change) {
    return change.kind() == ChangeKind.DELETE || change.kind() == ChangeKind.KEY_CHANGE;
  }
}
