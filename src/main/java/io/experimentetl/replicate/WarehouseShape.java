package io.experimentetl.replicate;

import io.experimentetl.clickhouse.ClickHouseReadException;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.mapping.ReplicatedTable;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A replicated table as ClickHouse's catalogue describes it.
 *
 * @param sortingKey its columns in their order
 * @param partitionKey the expression; empty: there is none
 * @param columns those that hold values of the source, without those that read them from {@link
 *     ReplicatedTable#NEW_COLUMNS}
 */
public record WarehouseShape(
    List<String> sortingKey, String partitionKey, List<ReplicatedTable.Column> columns) {
  /** The columns that the job adds to those of the source. */
  static final Set<String> OWN_COLUMNS =
      Set.of(
          ReplicatedTable.NEW_COLUMNS,
          "_lsn",
          "_committed_at",
          "_version",
          "_deleted",
          "_delete_reason",
          "_batch_id");

  private static final String NULLABLE = "Nullable(";

  /**
   * Reads the catalogue.
   *
   * @param timeout of each of two queries
   * @return empty: there is no such table
   */
  public static Optional<WarehouseShape> read(
      ClickHouseReader reader, String table, Duration timeout)
      throws ClickHouseReadException, InterruptedException {
    Map<String, String> named = Map.of("table", table);
    List<ReplicatedTable.Column> columns =
        reader
            .list(
                "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String} AND default_kind = '' ORDER BY position",
                named,
                timeout,
                row -> column(row.getString(1), row.getString(2)))
            .stream()
            .filter(column -> !OWN_COLUMNS.contains(column.name()))
            .toList();
    return reader
        .list(
            "SELECT sorting_key, partition_key FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
            named,
            timeout,
            row ->
                new WarehouseShape(
                    List.of(withoutParentheses(plain(row.getString(1))).split(", ")),
                    plain(row.getString(2)),
                    columns))
        .stream()
        .findFirst();
  }

  private static ReplicatedTable.Column column(String name, String type) {
    return type.startsWith(NULLABLE)
        ? new ReplicatedTable.Column(
            name, type.substring(NULLABLE.length(), type.length() - 1), true)
        : new ReplicatedTable.Column(name, type, false);
  }

  /** The key of one column that was declared in parentheses is shown in them. */
  private static String withoutParentheses(String key) {
    return key.startsWith("(") ? key.substring(1, key.length() - 1) : key;
  }

  /** Without the quotes that ClickHouse needs around some names. */
  private static String plain(String key) {
    return key.replace("`", "");
  }
}
