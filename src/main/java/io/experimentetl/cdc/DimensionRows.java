package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.flink.runtime.execution.SuppressRestartsException;

/**
 * The experiments and variants that the source holds. A TRUNCATE names no rows: it deletes those
 * which its transaction does not write again. Rows that retention has deleted are not among them.
 */
final class DimensionRows {
  /**
   * The rows; a record of operator state.
   *
   * @param experimentTruncates parallel to {@code experiments}: the truncates that delete them at
   *     the commit, or null
   * @param variantTruncates the same of {@code variants}
   */
  public record State(
      ExperimentRow[] experiments,
      TruncatedTable[] experimentTruncates,
      VariantRow[] variants,
      TruncatedTable[] variantTruncates) {
    static final State NONE =
        new State(
            new ExperimentRow[0], new TruncatedTable[0], new VariantRow[0], new TruncatedTable[0]);
  }

  /** A row, and the truncate that deletes it. */
  private record Held<R extends SourceRow>(R row, TruncatedTable truncate) {}

  private final Map<Long, Held<ExperimentRow>> experiments = new LinkedHashMap<>();
  private final Map<Long, Held<VariantRow>> variants = new LinkedHashMap<>();

  DimensionRows(State state) {
    for (int i = 0; i < state.experiments().length; i++) {
      ExperimentRow row = state.experiments()[i];
      experiments.put(row.id(), new Held<>(row, state.experimentTruncates()[i]));
    }
    for (int i = 0; i < state.variants().length; i++) {
      VariantRow row = state.variants()[i];
      variants.put(row.id(), new Held<>(row, state.variantTruncates()[i]));
    }
  }

  State state() {
    return new State(
        experiments.values().stream().map(Held::row).toArray(ExperimentRow[]::new),
        experiments.values().stream().map(Held::truncate).toArray(TruncatedTable[]::new),
        variants.values().stream().map(Held::row).toArray(VariantRow[]::new),
        variants.values().stream().map(Held::truncate).toArray(TruncatedTable[]::new));
  }

  /** Notes a change of one row. */
  void observe(Change change) {
    if (change.before() instanceof ExperimentRow before) {
      experiments.remove(before.id());
    } else if (change.before() instanceof VariantRow before) {
      variants.remove(before.id());
    }
    if (change.after() instanceof ExperimentRow after) {
      Held<ExperimentRow> other = experiments.put(after.id(), new Held<>(after, null));
      if (other != null) {
        refuseCollision(
            after.id(), other.row.sourceId(), other.row.key(), after.sourceId(), after.key());
      }
    } else if (change.after() instanceof VariantRow after) {
      Held<VariantRow> other = variants.put(after.id(), new Held<>(after, null));
      if (other != null) {
        refuseCollision(
            after.id(), other.row.sourceId(), other.row.key(), after.sourceId(), after.key());
      }
    }
  }

  /** A row keeps its id or its key; another one with the same number has both of its own. */
  private static void refuseCollision(
      long number, String heldId, String heldKey, String id, String key) {
    if (!Objects.equals(heldId, id) && !heldKey.equals(key)) {
      throw new SuppressRestartsException(
          new IllegalStateException(
              "%s (id %s) and %s (id %s) have the same number %d here, which is made from their ids or keys (docs/mapping.md): give one of them another, and %s"
                  .formatted(heldKey, heldId, key, id, number, Continuity.START_ANEW)));
    }
  }

  /** Notes that the table was truncated. */
  void truncate(TruncatedTable truncated) {
    if (truncated.table() == SourceTable.EXPERIMENTS) {
      experiments.replaceAll((id, held) -> new Held<>(held.row(), truncated));
    } else {
      variants.replaceAll((id, held) -> new Held<>(held.row(), truncated));
    }
  }

  /** Ends the transaction, and returns the deletes of its truncates: variants first. */
  List<Change> commit() {
    List<Change> deletes = new ArrayList<>();
    removeTruncated(variants, deletes);
    removeTruncated(experiments, deletes);
    return deletes;
  }

  private static <R extends SourceRow> void removeTruncated(
      Map<Long, Held<R>> rows, List<Change> deletes) {
    rows.values()
        .removeIf(
            held -> {
              boolean isGone = held.truncate() != null;
              if (isGone) {
                deletes.add(held.truncate().deleteOf(held.row()));
              }
              return isGone;
            });
  }
}
