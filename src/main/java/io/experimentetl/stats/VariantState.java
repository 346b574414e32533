package io.experimentetl.stats;

import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.state.BroadcastState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.OperatorStateStore;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;

/** The variants in broadcast state, with those of each experiment on the heap. */
final class VariantState {
  private static final MapStateDescriptor<Long, VariantWeight> VARIANTS =
      new MapStateDescriptor<>("weights", Types.LONG, TypeInformation.of(VariantWeight.class));

  private final BroadcastState<Long, VariantWeight> variants;
  private final Map<Long, Map<Long, VariantWeight>> byExperiment = new HashMap<>();

  VariantState(OperatorStateStore store) throws Exception {
    variants = store.getBroadcastState(VARIANTS);
    for (Map.Entry<Long, VariantWeight> variant : variants.immutableEntries()) {
      index(variant.getKey(), variant.getValue());
    }
  }

  private void index(long id, VariantWeight variant) {
    byExperiment.computeIfAbsent(variant.experimentId(), none -> new HashMap<>()).put(id, variant);
  }

  /** The variant, or null where it is not known. */
  VariantWeight get(long id) throws Exception {
    return variants.get(id);
  }

  void put(long id, VariantWeight variant) throws Exception {
    remove(id);
    variants.put(id, variant);
    index(id, variant);
  }

  void remove(long id) throws Exception {
    VariantWeight old = variants.get(id);
    if (old != null) {
      variants.remove(id);
      byExperiment.computeIfPresent(
          old.experimentId(),
          (experiment, of) -> {
            of.remove(id);
            return of.isEmpty() ? null : of;
          });
    }
  }

  /** The variants of an experiment, by id. */
  Map<Long, VariantWeight> of(long experimentId) {
    return byExperiment.getOrDefault(experimentId, Map.of());
  }
}
