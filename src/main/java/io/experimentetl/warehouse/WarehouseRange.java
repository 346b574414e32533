package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.RowBinaryWriter;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.RowColumns;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;

/**
 * The times that ClickHouse can hold. PostgreSQL's timestamps reach further; a row with a time
 * outside the range cannot be written.
 */
public final class WarehouseRange {
  private static final long MICROS_PER_DAY = 86_400_000_000L;

  private WarehouseRange() {}

  /** The first column whose time is outside, or null. */
  public static String columnOutside(SourceTable table, SourceRow row) {
    return isWritten(table) ? columnOutside(table.columns(), row, false) : null;
  }

  /** Whether a time of the key is outside: the warehouse has no version of such a row. */
  public static boolean isKeyOutside(SourceTable table, SourceRow row) {
    return isWritten(table) && columnOutside(table.columns(), row, true) != null;
  }

  /**
   * The row for a tombstone: times outside are replaced.
   *
   * @param instead the time for a required column, microseconds since 1970 in UTC
   */
  public static SourceRow within(SourceTable table, SourceRow row, long instead) {
    return columnOutside(table, row) == null ? row : within(table.columns(), row, instead);
  }

  private static boolean isWritten(SourceTable table) {
    return table != SourceTable.OUTBOX_EVENTS && table != SourceTable.ETL_HEARTBEAT;
  }

  private static <R extends SourceRow> String columnOutside(
      RowColumns<R> columns, SourceRow row, boolean ofKey) {
    for (SourceColumn<R> column : columns.all()) {
      if (column.type() == ColumnType.TIMESTAMP
          && (column.isKey() || !ofKey)
          && !fits((Long) valueOf(column, row))) {
        return column.name();
      }
    }
    return null;
  }

  private static <R extends SourceRow> R within(
      RowColumns<R> columns, SourceRow row, long instead) {
    return columns.read(
        column -> {
          Object value = valueOf(columns.all().get(column.index()), row);
          return column.type() != ColumnType.TIMESTAMP || fits((Long) value)
              ? value
              : column.isNullable() ? null : (Long) instead;
        });
  }

  @SuppressWarnings("unchecked") // The rows of a table are of the type of its declaration.
  private static <R> Object valueOf(SourceColumn<R> column, SourceRow row) {
    return column.of((R) row);
  }

  /** With a day to spare on either side: the day of a time depends on the zone. */
  private static boolean fits(Long micros) {
    return micros == null
        || (RowBinaryWriter.fitsDateTime64(micros - MICROS_PER_DAY)
            && RowBinaryWriter.fitsDateTime64(micros + MICROS_PER_DAY));
  }
}
