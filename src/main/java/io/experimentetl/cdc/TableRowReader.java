package io.experimentetl.cdc;

import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads single rows of a captured table by a query, with the values that the stream would send. */
final class TableRowReader extends RowReader<Object[]> {
  private final SourceTable table;
  private final Set<String> present;
  private final String idType;

  /** Reads which columns the table has. */
  TableRowReader(SourceTable table, Connection connection, String schema) throws SQLException {
    super(table);
    this.table = table;
    this.present = new HashSet<>();
    String type = null;
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = format('%I.%I', ?::text, ?::text)::regclass"
                + " AND attnum > 0 AND NOT attisdropped")) {
      statement.setString(1, schema);
      statement.setString(2, table.tableName());
      try (ResultSet columns = statement.executeQuery()) {
        while (columns.next()) {
          present.add(columns.getString(1));
          if (columns.getString(1).equals(id().name())) {
            type = columns.getString(2);
          }
        }
      }
    }
    this.idType = type;
  }

  private SourceColumn<?> id() {
    return table.columns().all().get(0);
  }

  /**
   * The rows with these primary keys, by key.
   *
   * @param keys see {@link TableComparison#keyOf}
   */
  Map<String, SourceRow> read(Connection connection, String schema, Collection<String> keys)
      throws SQLException {
    Map<String, SourceRow> rows = new HashMap<>();
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT "
                + String.join(", ", expressions())
                + " FROM "
                + SourceServer.quoted(schema)
                + "."
                + SourceServer.quoted(table.tableName())
                + " WHERE "
                + SourceServer.quoted(id().name())
                + " = ANY (CAST(? AS "
                + idType
                + "[]))")) {
      statement.setArray(
          1, connection.createArrayOf("text", keys.stream().map(this::idOf).distinct().toArray()));
      try (ResultSet found = statement.executeQuery()) {
        while (found.next()) {
          Object[] values = new Object[table.columns().all().size()];
          for (SourceColumn<?> column : table.columns().all()) {
            values[column.index()] = found.getObject(column.index() + 1);
          }
          SourceRow row = read(values, null);
          String key = TableComparison.keyOf(table, row);
          if (keys.contains(key)) {
            rows.put(key, row);
          }
        }
      }
    }
    return rows;
  }

  private String idOf(String key) {
    return table == SourceTable.EVENTS ? key.substring(0, key.lastIndexOf('@')) : key;
  }

  private List<String> expressions() {
    List<String> expressions = new ArrayList<>();
    for (SourceColumn<?> column : table.columns().all()) {
      String name = SourceServer.quoted(column.name());
      expressions.add(
          !present.contains(column.name())
              ? "NULL"
              : switch (column.type()) {
                case BIGINT, INT, BOOL -> name;
                case EVENT_ID, NUMBER, TEXT, LABEL, JSON -> name + "::text";
                case TIMESTAMP ->
                    ("CASE WHEN isfinite(%1$s) THEN (extract(epoch FROM %1$s) * 1000000)::bigint"
                            + " WHEN %1$s > now() THEN 9223372036854775807"
                            + " WHEN %1$s < now() THEN -9223372036854775808 END")
                        .formatted(name);
              });
    }
    return expressions;
  }

  @Override
  Object sent(Object[] row, SourceColumn<?> column) {
    return row[column.index()];
  }

  /** A query returns every value. */
  @Override
  Object sent(Object[] row, Object[] before, SourceColumn<?> column) {
    return sent(row, column);
  }

  @Override
  boolean has(Object[] row, SourceColumn<?> column) {
    return present.contains(column.name());
  }

  @Override
  Unit unit(SourceColumn<?> column) {
    return column.type() == ColumnType.TIMESTAMP ? Unit.MICROS : Unit.NONE;
  }
}
