package io.experimentetl.mapping;

import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.SourceTable;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A table that is copied to ClickHouse as it is.
 *
 * @param index its place in {@code replicate}, from 0
 * @param schema exactly as the catalogue has it, without quotes
 * @param table exactly as the catalogue has it, without quotes
 * @param name the table in ClickHouse
 * @param orderBy the columns that the configuration names first in the sorting key
 * @param partitionBy a column of days or times, whose month is the partition; null: one partition
 * @param ttl how long ClickHouse keeps rows; null: for ever
 * @param truncate what a TRUNCATE means
 * @param newColumns what becomes of a column that is added while the job runs
 * @param lookups columns of other tables that its rows carry
 * @param rollups views of daily figures over its rows
 * @param key the columns that sort the table in ClickHouse: those of {@code orderBy}, and those of
 *     the primary key behind them; empty: the source's catalogue was not read yet
 * @param columns those that ClickHouse's table has of its own; empty: not read yet
 */
public record ReplicatedTable(
    int index,
    String schema,
    String table,
    String name,
    List<String> orderBy,
    String partitionBy,
    Ttl ttl,
    Truncate truncate,
    NewColumns newColumns,
    List<Lookup> lookups,
    List<Rollup> rollups,
    List<String> key,
    List<Column> columns)
    implements Serializable {

  /** The column with a JSON object of the columns that ClickHouse's table does not have. */
  public static final String NEW_COLUMNS = "_new_columns";

  /** How long ClickHouse keeps rows: whole days behind a column of days or times. */
  public record Ttl(String column, int days) implements Serializable {}

  /** What a TRUNCATE means. */
  public enum Truncate {
    /** The job stops. */
    REFUSE,
    /** The rows that PostgreSQL held are deleted. */
    APPLY
  }

  /** What becomes of a column that is added while the job runs. */
  public enum NewColumns {
    /** Its values are kept in {@link #NEW_COLUMNS}. */
    JSON,
    /** The same, and the job adds a column that reads them from there. */
    ALTER,
    /** It is not copied. */
    IGNORE
  }

  /**
   * A column of ClickHouse's table.
   *
   * @param type without {@code Nullable}
   */
  public record Column(String name, String type, boolean nullable) implements Serializable {}

  public ReplicatedTable {
    orderBy = List.copyOf(orderBy);
    lookups = List.copyOf(lookups);
    rollups = List.copyOf(rollups);
    key = List.copyOf(key);
    columns = List.copyOf(columns);
  }

  /** The entry of {@code replicate}, as messages name it. */
  public String path() {
    return "replicate[" + index + "]";
  }

  /** The source's table: {@code schema.table}. */
  public String qualifiedName() {
    return schema + "." + table;
  }

  /** The column of that name. */
  public Optional<Column> column(String wanted) {
    return columns.stream().filter(column -> column.name.equals(wanted)).findFirst();
  }

  /** What identifies a lookup among those of all tables, also when their order changes. */
  public String idOf(Lookup lookup) {
    return name + "." + lookup.columns().get(0).own();
  }

  /** The lookup that gives a column; empty: the column is of the source's table. */
  public Optional<Lookup> lookupOf(String column) {
    return lookups.stream().filter(lookup -> lookup.added().contains(column)).findFirst();
  }

  /** The same with what the catalogues of both servers say. */
  public ReplicatedTable with(List<String> sortingKey, List<Column> own) {
    return copy(lookups, sortingKey, own);
  }

  /** The same with these lookups. */
  public ReplicatedTable with(List<Lookup> others) {
    return copy(others, key, columns);
  }

  private ReplicatedTable copy(List<Lookup> others, List<String> sortingKey, List<Column> own) {
    return new ReplicatedTable(
        index,
        schema,
        table,
        name,
        orderBy,
        partitionBy,
        ttl,
        truncate,
        newColumns,
        others,
        rollups,
        sortingKey,
        own);
  }

  /**
   * The sorting key: the declared columns, those of the partition and the TTL, and the rest of the
   * primary key.
   */
  public List<String> sortingKey(List<String> primaryKey) {
    List<String> sorted = new ArrayList<>(orderBy);
    if (partitionBy != null && !sorted.contains(partitionBy)) {
      sorted.add(partitionBy);
    }
    // Else a tombstone could expire before the row that it hides.
    if (ttl != null && !sorted.contains(ttl.column)) {
      sorted.add(ttl.column);
    }
    primaryKey.stream().filter(column -> !sorted.contains(column)).forEach(sorted::add);
    return sorted;
  }

  /** How its rows are read. */
  TableBinding binding() {
    Map<String, ColumnBinding> bound = new LinkedHashMap<>();
    List<Origin> parts = new ArrayList<>();
    parts.add(new Origin.Constant(name));
    key.forEach(column -> parts.add(new Origin.Column(column)));
    if (!key.isEmpty()) {
      bound.put(ReplicatedRow.KEY, ColumnBinding.of(new Origin.Key(parts)));
    }
    bound.put(ReplicatedRow.TABLE, ColumnBinding.of(new Origin.Constant(name)));
    return new TableBinding(
        path(), SourceTable.REPLICATED, true, schema, table, bound, RowFilter.ALL);
  }

  /** The values of the sorting key, in its order, from the key of a row. */
  public static List<String> keyValues(ReplicatedRow row) {
    List<String> parts = KeyText.parts(row.key());
    return parts.subList(1, parts.size());
  }
}
