package io.experimentetl.clickhouse;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * The table and columns that a sink writes, in encoded order.
 *
 * @param table the table's name without its database
 * @param columns without {@code _batch_id}, which the sink appends
 */
public record TableSchema(String table, List<Column> columns) implements Serializable {

  private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");

  /** The column with the id of a row's batch. */
  public static final Column BATCH_ID = new Column("_batch_id", "LowCardinality(String)");

  /**
   * One column.
   *
   * @param name the column's name
   * @param type the type as ClickHouse prints it, for instance {@code DateTime64(6, 'UTC')}
   */
  public record Column(String name, String type) implements Serializable {
    public Column {
      requireName(name, "column");
    }
  }

  /**
   * Checks the names.
   *
   * @throws IllegalArgumentException if a name is not an identifier, or a column is listed twice
   */
  public TableSchema {
    requireName(table, "table");
    columns = new ArrayList<>(columns);
    if (columns.stream().map(Column::name).distinct().count() != columns.size()) {
      throw new IllegalArgumentException("Table " + table + ": a column is listed twice.");
    }
    if (columns.stream().anyMatch(column -> column.name().equals(BATCH_ID.name()))) {
      throw new IllegalArgumentException(
          "Table " + table + ": remove _batch_id, which the sink appends.");
    }
    columns = List.copyOf(columns);
  }

  /** Starts a schema: {@code TableSchema.of("users").column("user_id", "String")…}. */
  public static TableSchema of(String table) {
    return new TableSchema(table, List.of());
  }

  /** Returns a copy with one more column at the end. */
  public TableSchema column(String name, String type) {
    List<Column> more = new ArrayList<>(columns);
    more.add(new Column(name, type));
    return new TableSchema(table, more);
  }

  /** The columns of an INSERT: the encoded ones and {@code _batch_id}. */
  List<Column> insertColumns() {
    List<Column> all = new ArrayList<>(columns);
    all.add(BATCH_ID);
    return List.copyOf(all);
  }

  private static void requireName(String name, String what) {
    if (!NAME.matcher(name).matches()) {
      throw new IllegalArgumentException(
          "The " + what + " name '" + name + "' may contain only letters, digits and underscores.");
    }
  }
}
