package io.experimentetl.cdc;

import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Lsn;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.quality.FindingVersions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.flink.runtime.execution.SuppressRestartsException;

/**
 * The tables that the open transaction has truncated, until its commit, and the rows of the
 * dimensions that a truncate deletes.
 */
final class TruncatedTables {
  /** A record of operator state. */
  public record State(TruncatedTable[] tables, DimensionRows.State dimensions) {
    static final State NONE = new State(new TruncatedTable[0], DimensionRows.State.NONE);
  }

  private final List<TruncatedTable> tables = new ArrayList<>();
  private final DimensionRows dimensions;

  TruncatedTables(State state) {
    tables.addAll(List.of(state.tables()));
    dimensions = new DimensionRows(state.dimensions());
  }

  State state() {
    return new State(tables.toArray(TruncatedTable[]::new), dimensions.state());
  }

  /** Notes a change of one row of a dimension. */
  void observe(Change change) {
    dimensions.observe(change);
  }

  void add(Change truncate) {
    TruncatedTable truncated =
        TruncatedTable.of(truncate, truncate.kind() == ChangeKind.RETENTION_TRUNCATE);
    tables.add(truncated);
    if (truncate.table() == SourceTable.EXPERIMENTS || truncate.table() == SourceTable.VARIANTS) {
      dimensions.truncate(truncated);
    }
  }

  /** The deletes of the dimensions' rows, at the commit. */
  List<Change> deletes() {
    return tables.isEmpty() ? List.of() : dimensions.commit();
  }

  /** The findings about the truncates, one for each table. The transaction ends with them. */
  List<Finding> findings() {
    List<Finding> findings = tables.stream().map(TruncatedTables::finding).toList();
    tables.clear();
    return findings;
  }

  private static Finding finding(TruncatedTable truncated) {
    Change truncate = truncated.truncate();
    return Finding.opened(
            truncated.byRetention() ? FindingCode.C_DELETE_RETENTION : FindingCode.C_TRUNCATE,
            Subject.sourceTable(truncate.table()))
        .detail(
            truncated.byRetention()
                ? "truncated by a retention transaction; the warehouse keeps the rows"
                : "truncated; deleted is what the table held, but not what the same transaction wrote again, what was older than its retention, and what a retention transaction had deleted before")
        .at(truncate, FindingVersions.of(truncate));
  }

  /**
   * A TRUNCATE names no rows: where several tables of the source give rows of one kind, it cannot
   * be applied.
   *
   * @throws SuppressRestartsException it concerns one of several tables, with what to do
   */
  static void requireOneTable(Change truncate, SourceMapping mapping) {
    if (truncate.kind() == ChangeKind.TRUNCATE
        && truncate.table() != SourceTable.REPLICATED
        && mapping.of(truncate.table()).size() > 1) {
      throw new SuppressRestartsException(
          new IllegalStateException(
              "One of the tables "
                  + mapping.of(truncate.table()).stream()
                      .map(TableBinding::readableName)
                      .collect(Collectors.joining(", "))
                  + " was truncated in transaction "
                  + truncate.position().txId()
                  + " at LSN "
                  + Lsn.print(truncate.position().lsn())
                  + ". Their rows are of one kind here, and a TRUNCATE does not name those that it deletes: "
                  + Continuity.START_ANEW
                  + " DELETE deletes rows of one table."));
    }
  }

  /** Why a TRUNCATE of {@code users} is refused, and what to do. */
  static String refusal(SourcePosition truncate) {
    return "The table users was truncated in transaction "
        + truncate.txId()
        + " at LSN "
        + Lsn.print(truncate.lsn())
        + ", which deletes every user, and the job applies it only if it is told to. If it was meant, set"
        + " source.users-truncate: erase and start the job from its last checkpoint: users that are absent at"
        + " the commit are erased. If it was a mistake, restore the rows in PostgreSQL, and "
        + Continuity.START_ANEW;
  }
}
