package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The experiments and variants that the source holds. A TRUNCATE names no rows: it deletes those
 * which its transaction does not write again. Rows that retention has deleted are not among them.
 */
final class DimensionRows {
  /**
   * The rows; a record of operator state.
   *
   * @param experimentTruncates parallel to {@code experiments}; see {@link Truncate}
   */
  public record State(
      ExperimentRow[] experiments,
      Truncate[] experimentTruncates,
      VariantRow[] variants,
      Truncate[] variantTruncates) {
    static final State NONE =
        new State(new ExperimentRow[0], new Truncate[0], new VariantRow[0], new Truncate[0]);
  }

  /**
   * The truncate that deletes a row at the commit; a record of operator state.
   *
   * @param sequenceNumber 0: none
   */
  public record Truncate(
      long sequenceNumber, long previousCommitLsn, long lsn, long txId, long committedAt) {
    static final Truncate NONE = new Truncate(0, 0, 0, 0, 0);

    private static Truncate of(Change change) {
      SourcePosition position = change.position();
      return new Truncate(
          change.sequenceNumber(),
          position.previousCommitLsn(),
          position.lsn(),
          position.txId(),
          position.committedAt());
    }

    private Change delete(SourceTable table, SourceRow row) {
      return new Change(
          table,
          ChangeKind.DELETE,
          sequenceNumber,
          new SourcePosition(previousCommitLsn, lsn, txId, 0, committedAt),
          row,
          null);
    }
  }

  /** A row, and the truncate that deletes it. */
  private record Held<R extends SourceRow>(R row, Truncate truncate) {}

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
        experiments.values().stream().map(Held::truncate).toArray(Truncate[]::new),
        variants.values().stream().map(Held::row).toArray(VariantRow[]::new),
        variants.values().stream().map(Held::truncate).toArray(Truncate[]::new));
  }

  /** Notes a change of one row. */
  void observe(Change change) {
    if (change.before() instanceof ExperimentRow before) {
      experiments.remove(before.id());
    } else if (change.before() instanceof VariantRow before) {
      variants.remove(before.id());
    }
    if (change.after() instanceof ExperimentRow after) {
      experiments.put(after.id(), new Held<>(after, Truncate.NONE));
    } else if (change.after() instanceof VariantRow after) {
      variants.put(after.id(), new Held<>(after, Truncate.NONE));
    }
  }

  /** Notes that the table was truncated. Retention keeps the rows in the warehouse. */
  void truncate(Change change, boolean byRetention) {
    Map<Long, ?> rows = change.table() == SourceTable.EXPERIMENTS ? experiments : variants;
    if (byRetention) {
      rows.clear();
    } else if (change.table() == SourceTable.EXPERIMENTS) {
      experiments.replaceAll((id, held) -> new Held<>(held.row(), Truncate.of(change)));
    } else {
      variants.replaceAll((id, held) -> new Held<>(held.row(), Truncate.of(change)));
    }
  }

  /** Ends the transaction, and returns the deletes of its truncates: variants first. */
  List<Change> commit() {
    List<Change> deletes = new ArrayList<>();
    removeTruncated(SourceTable.VARIANTS, variants, deletes);
    removeTruncated(SourceTable.EXPERIMENTS, experiments, deletes);
    return deletes;
  }

  private static <R extends SourceRow> void removeTruncated(
      SourceTable table, Map<Long, Held<R>> rows, List<Change> deletes) {
    rows.values()
        .removeIf(
            held -> {
              boolean isGone = held.truncate().sequenceNumber() != 0;
              if (isGone) {
                deletes.add(held.truncate().delete(table, held.row()));
              }
              return isGone;
            });
  }
}
