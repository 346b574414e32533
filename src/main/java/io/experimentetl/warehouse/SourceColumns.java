package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.EventId;
import io.experimentetl.model.RowColumns;
import io.experimentetl.model.SourceColumn;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.UUID;
import java.util.stream.Collectors;

/**
 * How ClickHouse holds the columns of a source table: their types there, and their values written
 * and read back. A column has the name that it has at the source. The exception is an event's id:
 * {@code event_id}, and {@code source_id} for an id that is no UUID.
 */
public final class SourceColumns {
  static final String EVENT_ID = "event_id";
  static final String SOURCE_ID = "source_id";

  private SourceColumns() {}

  /** The column's name in ClickHouse. */
  public static String nameOf(SourceColumn<?> column) {
    return column.type() == ColumnType.EVENT_ID ? EVENT_ID : column.name();
  }

  /** The schema with the source's columns at its end. */
  static TableSchema append(TableSchema schema, RowColumns<?> columns) {
    TableSchema appended = schema;
    for (SourceColumn<?> column : columns.all()) {
      appended = appended.column(nameOf(column), typeOf(column));
      if (column.type() == ColumnType.EVENT_ID) {
        appended = appended.column(SOURCE_ID, "Nullable(String)");
      }
    }
    return appended;
  }

  private static String typeOf(SourceColumn<?> column) {
    String type =
        switch (column.type()) {
          case EVENT_ID -> "UUID";
          case BIGINT -> "Int64";
          case INT -> "Int32";
          case NUMBER -> "Float64";
          case TEXT, JSON -> "String";
          case LABEL -> "LowCardinality(String)";
          case BOOL -> "Bool";
          case TIMESTAMP -> "DateTime64(6, 'UTC')";
        };
    return column.isNullable() ? "Nullable(" + type + ")" : type;
  }

  /** Writes a row's columns, in the order of {@link #append}. */
  static <R> void write(R row, RowColumns<R> columns, NativeWriter out) {
    for (SourceColumn<R> column : columns.all()) {
      Object value = column.of(row);
      if (column.isNullable()) {
        writeNullable(column, value, out);
      } else {
        writeRequired(column, value, out);
      }
    }
  }

  private static void writeNullable(SourceColumn<?> column, Object value, NativeWriter out) {
    switch (column.type()) {
      case BIGINT -> out.writeNullableInt64((Long) value);
      case TEXT, JSON -> out.writeNullableString((String) value);
      case TIMESTAMP -> out.writeNullableDateTime64((Long) value);
      case EVENT_ID, INT, NUMBER, LABEL, BOOL ->
          throw new IllegalArgumentException(
              "Column %s: a %s column is never NULL. Declare it as required."
                  .formatted(column.name(), column.type()));
    }
  }

  private static void writeRequired(SourceColumn<?> column, Object value, NativeWriter out) {
    switch (column.type()) {
      case EVENT_ID -> {
        EventId id = (EventId) value;
        out.writeUuid(id.high(), id.low());
        out.writeNullableString(id.sourceId());
      }
      case BIGINT -> out.writeInt64((Long) value);
      case INT -> out.writeInt32((Integer) value);
      case NUMBER -> out.writeFloat64((Double) value);
      case TEXT, LABEL, JSON -> out.writeString((String) value);
      case BOOL -> out.writeBool((Boolean) value);
      case TIMESTAMP -> out.writeDateTime64((Long) value);
    }
  }

  /** The list of a SELECT whose rows {@link #read} reads. */
  public static String select(RowColumns<?> columns) {
    return columns.all().stream()
        .map(
            column ->
                switch (column.type()) {
                  case EVENT_ID -> EVENT_ID + ", " + SOURCE_ID;
                  case TIMESTAMP ->
                      "toUnixTimestamp64Micro(%1$s) AS %2$s"
                          .formatted(nameOf(column), microsOf(column));
                  case BIGINT, INT, NUMBER, TEXT, LABEL, JSON, BOOL -> nameOf(column);
                })
        .collect(Collectors.joining(", "));
  }

  /** Not the column's own name: conditions of the query would mean the number. */
  private static String microsOf(SourceColumn<?> column) {
    return column.name() + "_micros";
  }

  /** Reads a row back. */
  public static <R> R read(ResultSet row, RowColumns<R> columns) throws SQLException {
    try {
      return columns.read(column -> value(row, column));
    } catch (ReadException e) {
      throw e.cause;
    }
  }

  private static Object value(ResultSet row, SourceColumn<?> column) {
    try {
      Object value =
          switch (column.type()) {
            case EVENT_ID ->
                EventId.of(row.getObject(EVENT_ID, UUID.class), row.getString(SOURCE_ID));
            case BIGINT -> row.getLong(column.name());
            case INT -> row.getInt(column.name());
            case NUMBER -> row.getDouble(column.name());
            case TEXT, LABEL, JSON -> row.getString(column.name());
            case BOOL -> row.getBoolean(column.name());
            case TIMESTAMP -> row.getLong(microsOf(column));
          };
      return column.isNullable() && row.wasNull() ? null : value;
    } catch (SQLException e) {
      throw new ReadException(e);
    }
  }

  /** Carries the driver's exception through {@link RowColumns#read}. */
  private static final class ReadException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final SQLException cause;

    private ReadException(SQLException cause) {
      super(cause);
      this.cause = cause;
    }
  }
}
