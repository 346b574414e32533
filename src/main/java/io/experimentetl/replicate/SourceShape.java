package io.experimentetl.replicate;

import io.experimentetl.mapping.ReplicatedTable;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A replicated table as PostgreSQL's catalogue describes it.
 *
 * @param columns without generated ones, which PostgreSQL does not send; empty: there is no such
 *     table
 * @param primaryKey its columns in their order; empty: there is none
 * @param deferrable whether the primary key is checked at the end of a transaction
 */
record SourceShape(
    List<Column> columns, List<String> primaryKey, boolean deferrable, List<String> generated) {
  private static final String COLUMNS =
      """
      SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typtype = 'e', a.attnotnull, a.attgenerated <> ''
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
      WHERE n.nspname = ? AND c.relname = ? AND c.relkind IN ('r', 'p')
      ORDER BY a.attnum""";

  private static final String PRIMARY_KEY =
      """
      SELECT a.attname, NOT i.indimmediate
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
      CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY k (number, position)
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
      WHERE n.nspname = ? AND c.relname = ?
      ORDER BY k.position""";

  /**
   * A column.
   *
   * @param type as PostgreSQL prints it
   */
  record Column(String name, String type, boolean isEnum, boolean nullable) {}

  Optional<Column> column(String name) {
    return columns.stream().filter(column -> column.name.equals(name)).findFirst();
  }

  /** Reads the catalogue. */
  static SourceShape read(Connection connection, ReplicatedTable table) throws SQLException {
    List<Column> columns = new ArrayList<>();
    List<String> generated = new ArrayList<>();
    List<String> key = new ArrayList<>();
    boolean deferrable = false;
    try (PreparedStatement statement = connection.prepareStatement(COLUMNS)) {
      statement.setString(1, table.schema());
      statement.setString(2, table.table());
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          if (row.getBoolean(5)) {
            generated.add(row.getString(1));
          } else {
            columns.add(
                new Column(
                    row.getString(1), row.getString(2), row.getBoolean(3), !row.getBoolean(4)));
          }
        }
      }
    }
    try (PreparedStatement statement = connection.prepareStatement(PRIMARY_KEY)) {
      statement.setString(1, table.schema());
      statement.setString(2, table.table());
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          key.add(row.getString(1));
          deferrable = row.getBoolean(2);
        }
      }
    }
    return new SourceShape(columns, key, deferrable, generated);
  }
}
