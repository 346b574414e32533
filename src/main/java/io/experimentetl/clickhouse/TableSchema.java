package io.experimentetl.clickhouse;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * The table a sink writes and the columns it writes, in the order in which they are encoded.
 *
 * @param table the table's name, without its database
 * @param columns without {@code _batch_id}: the sink appends it
 */
public record TableSchema(String table, List<Column> columns) implements Serializable {

  private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");

  /** The column that says which batch a row came with. */
  public static final Column BATCH_ID = new Column("_batch_id", "LowCardinality(String)");

  /**
   * One column.
   *
   * @param name the column's name
   * @param type its type as ClickHouse prints it, for instance {@code DateTime64(6, 'UTC')}
   */
  public record Column(String name, String type) implements Serializable {
    public Column {
      requireName(name, "column");
    }
  }

  /**
   * Checks the names.
   *
   * @throws IllegalArgumentException if a name isn't an identifier, or a column comes twice
   */
  public TableSchema {
    requireName(table, "table");
    columns = new ArrayList<>(columns);
    if (columns.stream().map(Column::name).distinct().count() != columns.size()) {
      throw new IllegalArgumentException("Table " + table + ": a column is listed twice.");
    }
    if (columns.stream().anyMatch(column -> column.name().equals(BATCH_ID.name()))) {
      throw new IllegalArgumentException(
          "Table " + table + ": leave out _batch_id, the sink appends it.");
    }
    columns = List.copyOf(columns);
  }

  /** Starts a schema: {@code TableSchema.of("users").column("user_id", "String")…}. */
  public static TableSchema of(String table) {
    return new TableSchema(table, List.of());
  }

  /** The same schema with one more column at its end. */
  public TableSchema column(String name, String type) {
    List<Column> more = new ArrayList<>(columns);
    more.add(new Column(name, type));
    return new TableSchema(table, more);
  }

  /** All columns of an INSERT: the encoded ones and {@code _batch_id}. */
  List<Column> insertColumns() {
    List<Column> all = new ArrayList<>(columns);
    all.add(BATCH_ID);
    return List.copyOf(all);
  }

  private static void requireName(String name, String what) {
    if (!NAME.matcher(name).matches()) {
      throw new IllegalArgumentException(
          "The " + what + " name '" + name + "' isn't of letters, digits and underscores.");
    }
  }
}
