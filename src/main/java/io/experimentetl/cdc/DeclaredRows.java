package io.experimentetl.cdc;

import io.experimentetl.mapping.DeclaredExperiments;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.runtime.execution.SuppressRestartsException;

/**
 * The experiments and variants that the configuration declares, as changes of the source. At the
 * first start they are rows of the snapshot. At a later start, what differs from the configuration
 * before is a change of the stream, in front of all that follows. It belongs to no transaction.
 */
final class DeclaredRows {
  /** What was passed on; a record of operator state. */
  public record State(ExperimentRow[] experiments, VariantRow[] variants) {}

  private final DeclaredExperiments declared;
  private final State before;
  private boolean passedOn;

  private DeclaredRows(DeclaredExperiments declared, State before) {
    this.declared = declared;
    this.before = before;
    this.passedOn = declared == null;
  }

  /**
   * The rows of a start.
   *
   * @param declared null: tables hold the experiments
   * @param states {@link #state} of the run before
   * @param isRestored whether there was one
   * @throws SuppressRestartsException the experiments were in tables then, or are now
   */
  static DeclaredRows of(DeclaredExperiments declared, Iterable<State> states, boolean isRestored) {
    Iterator<State> restored = states.iterator();
    State before = restored.hasNext() ? restored.next() : null;
    if (isRestored && (before == null) != (declared == null)) {
      throw new SuppressRestartsException(
          new IllegalStateException(
              "The job's state has the experiments of %s, and its configuration those of %s (source.tables.experiments): the state cannot tell which rows of the one are those of the other. Undo the change, or %s"
                  .formatted(
                      before == null ? "a table" : "the configuration",
                      declared == null ? "a table" : "its own",
                      Continuity.START_ANEW)));
    }
    return new DeclaredRows(declared, before);
  }

  /** Whether {@link #changes} is still to be asked. */
  boolean isPending() {
    return !passedOn;
  }

  /** The rows as an operator's state keeps them. */
  static ListStateDescriptor<State> descriptor() {
    return new ListStateDescriptor<>("declared-rows", TypeInformation.of(State.class));
  }

  /**
   * The changes without sequence numbers, before the first row of this start, and before its first
   * barrier. Asked again there are none.
   *
   * @param lsn every transaction that ended at or before it was passed on
   */
  List<Change> changes(long lsn) {
    return isPending()
        ? changes(lsn, ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()))
        : List.of();
  }

  /**
   * The changes at this time, whether or not they were asked before.
   *
   * @param now microseconds since 1970 in UTC
   */
  List<Change> changes(long lsn, long now) {
    passedOn = true;
    List<Change> changes = new ArrayList<>();
    SourcePosition position =
        new SourcePosition(0, before == null ? 0 : Math.max(1, lsn), 0, 0, now);
    Map<Long, ExperimentRow> experiments =
        byId(before == null ? new ExperimentRow[0] : before.experiments(), ExperimentRow::id);
    Map<Long, VariantRow> variants =
        byId(before == null ? new VariantRow[0] : before.variants(), VariantRow::id);
    for (ExperimentRow row : declared.experiments()) {
      add(changes, SourceTable.EXPERIMENTS, position, experiments.remove(row.id()), row);
    }
    List<Change> written = new ArrayList<>();
    for (VariantRow row : declared.variants()) {
      add(written, SourceTable.VARIANTS, position, variants.remove(row.id()), row);
    }
    // As a cascade deletes: the experiment first.
    experiments.values().forEach(row -> add(changes, SourceTable.EXPERIMENTS, position, row, null));
    variants.values().forEach(row -> add(changes, SourceTable.VARIANTS, position, row, null));
    changes.addAll(written);
    return changes;
  }

  private static <R> Map<Long, R> byId(R[] rows, ToLongFunction<R> id) {
    Map<Long, R> byId = new LinkedHashMap<>();
    for (R row : rows) {
      byId.put(id.applyAsLong(row), row);
    }
    return byId;
  }

  private void add(
      List<Change> changes,
      SourceTable table,
      SourcePosition position,
      SourceRow old,
      SourceRow now) {
    if (old != null && old.equals(now)) {
      return;
    }
    ChangeKind kind =
        before == null
            ? ChangeKind.READ
            : old == null ? ChangeKind.INSERT : now == null ? ChangeKind.DELETE : ChangeKind.UPDATE;
    changes.add(new Change(table, kind, 0, position, old, now));
  }

  /** What {@link #of} continues from. */
  List<State> state() {
    if (!passedOn) {
      return before == null ? List.of() : List.of(before);
    }
    return declared == null
        ? List.of()
        : List.of(
            new State(
                declared.experiments().toArray(ExperimentRow[]::new),
                declared.variants().toArray(VariantRow[]::new)));
  }
}
