package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.model.Change;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.RowColumns;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UserRow;

/** Rows of the tables {@code experiments}, {@code variants} and {@code users}. */
public final class DimensionEncoder implements RowEncoder<Change> {
  private static final long serialVersionUID = 1L;

  private final SourceTable table;

  /**
   * The encoder of one dimension.
   *
   * @throws IllegalArgumentException if the table is not a dimension
   */
  public DimensionEncoder(SourceTable table) {
    if (table != SourceTable.EXPERIMENTS
        && table != SourceTable.VARIANTS
        && table != SourceTable.USERS) {
      throw new IllegalArgumentException(table + " is not a dimension");
    }
    this.table = table;
  }

  @Override
  public TableSchema schema() {
    TableSchema columns = SourceColumns.append(TableSchema.of(table.tableName()), table.columns());
    return VersionColumns.append(
        table == SourceTable.EXPERIMENTS
            ? columns.column("zone", "LowCardinality(String)")
            : columns);
  }

  @Override
  public long partition(Change change) {
    return 0;
  }

  @Override
  public boolean isReplayStable(Change change) {
    return versionOf(change).isReplayStable();
  }

  @Override
  public void encode(Change change, NativeWriter out) {
    SourceRow row = change.row();
    boolean isErased = VersionColumns.isTombstone(change) && row instanceof UserRow;
    encode(isErased ? erased((UserRow) row) : row, table.columns(), out);
    if (row instanceof ExperimentRow experiment) {
      out.writeString(experiment.zone(""));
    }
    VersionColumns.write(versionOf(change), out);
  }

  @SuppressWarnings("unchecked") // The rows of a table are of the type of its declaration.
  private static <R extends SourceRow> void encode(
      SourceRow row, RowColumns<R> columns, NativeWriter out) {
    SourceColumns.write((R) row, columns, out);
  }

  private RowVersion versionOf(Change change) {
    return VersionColumns.of(change, table == SourceTable.USERS ? "erasure" : "unexpected");
  }

  /** Keeps nothing of an erased user but the key. */
  private static UserRow erased(UserRow row) {
    return new UserRow(row.userId(), null, null, null, false, row.createdAt(), row.updatedAt());
  }
}
