package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.RowColumns;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.List;

/**
 * The times that ClickHouse can hold: {@link #FIRST} to {@link #LAST}. PostgreSQL's timestamps
 * reach further, to {@code infinity}. A time outside is read as the end of the range on its side.
 * So an {@code ends_at} of infinity is an open end, and a {@code starts_at} of infinity has not
 * begun. A time of the key is not replaced, because two rows would become one: such a row cannot be
 * written.
 */
public final class WarehouseRange {
  private static final long MICROS_PER_DAY = 86_400_000_000L;

  /**
   * 1900-01-02 00:00:00, microseconds since 1970 in UTC: a day after the first time that ClickHouse
   * can hold, because the day of a time depends on the zone.
   */
  public static final long FIRST = NativeWriter.MIN_DATE_TIME_MICROS + MICROS_PER_DAY;

  /** 2299-12-30 23:59:59.999999, microseconds since 1970 in UTC. */
  public static final long LAST = NativeWriter.MAX_DATE_TIME_MICROS - MICROS_PER_DAY;

  private WarehouseRange() {}

  /** The nearest time that ClickHouse can hold, microseconds since 1970 in UTC. */
  public static long nearest(long micros) {
    return Math.max(FIRST, Math.min(LAST, micros));
  }

  /**
   * Whether the time is an end of the range: it is at or beyond it in PostgreSQL.
   *
   * @param micros microseconds since 1970 in UTC, as {@link #nearest} returns them; null: no time
   */
  public static boolean isEnd(Long micros) {
    return micros != null && (micros == FIRST || micros == LAST);
  }

  /** The columns whose time is an end of the range, without those of the key. */
  public static List<String> columnsAtEnd(SourceTable table, SourceRow row) {
    return columnsAtEnd(table.columns(), row);
  }

  private static <R extends SourceRow> List<String> columnsAtEnd(
      RowColumns<R> columns, SourceRow row) {
    List<String> names = new ArrayList<>(0);
    for (SourceColumn<R> column : columns.all()) {
      if (column.type() == ColumnType.TIMESTAMP
          && !column.isKey()
          && isEnd((Long) valueOf(column, row))) {
        names.add(column.name());
      }
    }
    return names;
  }

  /** The first column of the key whose time is outside, or null: the warehouse has no such row. */
  public static String keyOutside(SourceTable table, SourceRow row) {
    return isWritten(table) ? keyOutside(table.columns(), row) : null;
  }

  /**
   * The row for a tombstone: times outside, which stand for values that were not sent, are
   * replaced.
   *
   * @param instead the time for a required column, microseconds since 1970 in UTC
   */
  public static SourceRow within(SourceTable table, SourceRow row, long instead) {
    return isWritten(table) ? within(table.columns(), row, instead) : row;
  }

  /** Whether rows of the table are written to ClickHouse. */
  public static boolean isWritten(SourceTable table) {
    return table != SourceTable.OUTBOX_EVENTS && table != SourceTable.ETL_HEARTBEAT;
  }

  private static <R extends SourceRow> String keyOutside(RowColumns<R> columns, SourceRow row) {
    for (SourceColumn<R> column : columns.all()) {
      if (column.type() == ColumnType.TIMESTAMP
          && column.isKey()
          && !fits((Long) valueOf(column, row))) {
        return column.name();
      }
    }
    return null;
  }

  private static <R extends SourceRow> SourceRow within(
      RowColumns<R> columns, SourceRow row, long instead) {
    boolean fits = true;
    for (SourceColumn<R> column : columns.all()) {
      fits &= column.type() != ColumnType.TIMESTAMP || fits((Long) valueOf(column, row));
    }
    if (fits) {
      return row;
    }
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

  private static boolean fits(Long micros) {
    return micros == null || (micros >= FIRST && micros <= LAST);
  }
}
