package io.experimentetl.cdc;

import io.experimentetl.mapping.EntityNumber;
import io.experimentetl.mapping.KeyText;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.VariantRow;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.runtime.execution.SuppressRestartsException;

/**
 * Gives variants the numbers of their experiments, where facts name experiments by key and variants
 * name them by id. An experiment is known before its variants: it is written and read before them.
 * Refuses an experiment with the number of facts that name none.
 */
final class VariantNumbers {
  /**
   * A record of operator state.
   *
   * @param ownIds numbers of the source's own ids of experiments
   * @param numbers parallel to {@code ownIds}: the experiments' numbers here
   */
  public record State(long[] ownIds, long[] numbers) {
    static final State NONE = new State(new long[0], new long[0]);
  }

  private final boolean isNeeded;
  private final boolean byKey;
  private final boolean hasSharedFacts;

  /** Also of deleted experiments: their variants are deleted after them. */
  private final Map<Long, Long> numbers = new LinkedHashMap<>();

  VariantNumbers(SourceMapping mapping, State state) {
    isNeeded = mapping.variantsNameOtherIds();
    byKey = mapping.variantsAreNumberedByKey();
    hasSharedFacts = mapping.hasSharedFacts();
    for (int i = 0; i < state.ownIds().length; i++) {
      numbers.put(state.ownIds()[i], state.numbers()[i]);
    }
  }

  State state() {
    return new State(
        numbers.keySet().stream().mapToLong(Long::longValue).toArray(),
        numbers.values().stream().mapToLong(Long::longValue).toArray());
  }

  /**
   * The change with the numbers of its variant.
   *
   * @throws SuppressRestartsException the change is of an experiment whose number stands for none
   */
  Change numbered(Change change) {
    if (hasSharedFacts && change.after() instanceof ExperimentRow experiment) {
      refuseSharedNumber(experiment);
    }
    if (!isNeeded) {
      return change;
    }
    note(change.before());
    note(change.after());
    if (change.table() != SourceTable.VARIANTS) {
      return change;
    }
    SourceRow after = numbered(change.after());
    return change.as(
        change.kind(),
        numbered(change.before()) instanceof VariantRow before ? before : change.before(),
        after == null && change.after() != null ? unknown(change.after()) : after);
  }

  private static void refuseSharedNumber(ExperimentRow experiment) {
    if (experiment.id() == EventRow.SHARED) {
      throw new SuppressRestartsException(
          new IllegalStateException(
              "Experiment %s has the id %d, by which facts are kept that name no experiment (experiment: assigned in source.tables): give it another id, and %s"
                  .formatted(experiment.key(), EventRow.SHARED, Continuity.START_ANEW)));
    }
  }

  private void note(SourceRow row) {
    if (row instanceof ExperimentRow experiment && experiment.sourceId() != null) {
      numbers.put(EntityNumber.of(SourceTable.EXPERIMENTS, experiment.sourceId()), experiment.id());
    }
  }

  /** Null: its experiment is not known. */
  private SourceRow numbered(SourceRow row) {
    if (!(row instanceof VariantRow variant)) {
      return row;
    }
    Long experiment = numbers.get(variant.experimentId());
    if (experiment == null) {
      return null;
    }
    return variant.numbered(
        byKey
            ? EntityNumber.of(
                SourceTable.VARIANTS, KeyText.of(List.of(experiment.toString(), variant.key())))
            : variant.id(),
        experiment);
  }

  private static UnreadableRow unknown(SourceRow row) {
    return new UnreadableRow(
        SourceTable.VARIANTS,
        Subject.row(SourceTable.VARIANTS, row),
        null,
        FindingCode.S_NULL_REQUIRED,
        "experiment_id",
        "The experiment that the variant names by its id is not known.");
  }
}
