package io.experimentetl.replicate;

import io.experimentetl.cdc.PostgresSourceSettings;
import io.experimentetl.cdc.SourceServer;
import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReadException;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.config.JobConfig;
import io.experimentetl.mapping.Lookup;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.Rollup;
import io.experimentetl.mapping.SqlNames;
import io.experimentetl.warehouse.ReplicatedType;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** What the catalogues of both servers say about the replicated tables. */
public final class Replication {
  private static final Duration TIMEOUT = Duration.ofSeconds(15);
  private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");

  /**
   * The outcome.
   *
   * @param tables those without problems, with their keys and columns
   * @param problems each with its remedy
   */
  public record Resolved(List<ReplicatedTable> tables, List<String> problems) {}

  private final PostgresSourceSettings source;
  private final ClickHouseConnection warehouse;
  private final List<String> problems = new ArrayList<>();

  private Replication(PostgresSourceSettings source, ClickHouseConnection warehouse) {
    this.source = source;
    this.warehouse = warehouse;
  }

  /**
   * Reads both catalogues.
   *
   * @param warehouse with the tables; nothing of it is changed
   */
  public static Resolved resolve(
      JobConfig config, PostgresSourceSettings source, ClickHouseConnection warehouse) {
    if (config.replicate().isEmpty()) {
      return new Resolved(List.of(), List.of());
    }
    Replication replication = new Replication(source, warehouse);
    return new Resolved(replication.tables(config.replicate()), replication.problems);
  }

  /**
   * The statements that make the tables in ClickHouse.
   *
   * @throws IllegalStateException with every problem
   */
  public static String ddl(List<ReplicatedTable> tables, PostgresSourceSettings source)
      throws SQLException {
    Replication replication = new Replication(source, null);
    StringBuilder statements = new StringBuilder();
    try (Connection connection = SourceServer.connect(source)) {
      LookupShapes lookups = new LookupShapes(tables, connection, source.place());
      for (ReplicatedTable table : tables) {
        SourceShape shape = SourceShape.read(connection, table);
        if (replication.isFit(table, shape, lookups)) {
          statements.append(statements.isEmpty() ? "" : "\n");
          List<SourceShape.Column> lookedUp = lookups.columns(table);
          statements.append(ReplicatedDdl.create(table, shape, lookedUp));
          for (Rollup rollup : table.rollups()) {
            statements.append("\n");
            statements.append(RollupViews.create(table, rollup, shape, lookedUp));
          }
        }
      }
    }
    if (!replication.problems.isEmpty()) {
      throw new IllegalStateException(String.join(System.lineSeparator(), replication.problems));
    }
    return statements.toString();
  }

  /** What is wrong with the tables at the source; empty: nothing. */
  public static List<String> sourceProblems(
      List<ReplicatedTable> tables, Connection connection, PostgresSourceSettings source)
      throws SQLException {
    Replication replication = new Replication(source, null);
    LookupShapes lookups = new LookupShapes(tables, connection, source.place());
    for (ReplicatedTable table : tables) {
      replication.isFit(table, SourceShape.read(connection, table), lookups);
    }
    return replication.problems;
  }

  /**
   * The tables that a job with state would not read: the snapshot is of the tables that it began
   * with. One problem for each whose rows ClickHouse has none of.
   */
  public static List<String> unread(
      List<ReplicatedTable> tables, PostgresSourceSettings source, ClickHouseConnection warehouse) {
    List<String> problems = new ArrayList<>();
    try (Connection connection = SourceServer.connect(source);
        Statement statement = connection.createStatement();
        ClickHouseReader reader = new ClickHouseReader(warehouse)) {
      for (ReplicatedTable table : tables) {
        boolean isEmpty =
            reader
                .list(
                    "SELECT count() FROM (SELECT 1 FROM %s LIMIT 1)"
                        .formatted(ClickHouseReader.quoted(table.name())),
                    Map.of(),
                    TIMEOUT,
                    row -> row.getLong(1))
                .equals(List.of(0L));
        try (ResultSet any =
            statement.executeQuery(
                "SELECT EXISTS (SELECT FROM %s.%s)"
                    .formatted(
                        SourceServer.quoted(table.schema()), SourceServer.quoted(table.table())))) {
          any.next();
          if (isEmpty && any.getBoolean(1)) {
            problems.add(
                "%s: the table %s has rows and ClickHouse's table %s has none, and a job that continues does not read them: start it without state, into empty tables."
                    .formatted(table.path(), table.qualifiedName(), table.name()));
          }
        }
      }
    } catch (SQLException | ClickHouseReadException e) {
      problems.add("The replicated tables cannot be read: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      problems.add("The check of the replicated tables was interrupted: run it again.");
    }
    return problems;
  }

  private List<ReplicatedTable> tables(List<ReplicatedTable> declared) {
    List<ReplicatedTable> tables = new ArrayList<>();
    try (Connection connection = SourceServer.connect(source);
        ClickHouseReader reader = new ClickHouseReader(warehouse)) {
      LookupShapes lookups = new LookupShapes(declared, connection, source.place());
      for (ReplicatedTable table : declared) {
        SourceShape shape = SourceShape.read(connection, table);
        if (isFit(table, shape, lookups)) {
          ReplicatedTable resolved = made(table, shape, reader);
          if (resolved != null) {
            tables.add(resolved);
          }
        }
      }
    } catch (SQLException e) {
      problems.add(
          "The replicated tables cannot be read in PostgreSQL %s: %s"
              .formatted(source.place(), e.getMessage()));
    } catch (ClickHouseReadException | IllegalStateException e) {
      problems.add("The replicated tables cannot be read in ClickHouse: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      problems.add("The check of the replicated tables was interrupted: run it again.");
    }
    return tables;
  }

  private boolean isFit(ReplicatedTable table, SourceShape shape, LookupShapes lookups)
      throws SQLException {
    int before = problems.size();
    if (shape.columns().isEmpty()) {
      problem(table, "table", "does not exist", "correct %s.table".formatted(table.path()));
      return false;
    }
    if (shape.primaryKey().isEmpty()) {
      problem(
          table,
          "table",
          "has no primary key, so its updates and deletes cannot be told apart",
          "ALTER TABLE %s ADD PRIMARY KEY (…)".formatted(inSql(table)));
    } else if (shape.deferrable()) {
      problem(
          table,
          "table",
          "has a DEFERRABLE primary key, so two rows may have one key for a while",
          "make it NOT DEFERRABLE");
    }
    for (SourceShape.Column column : shape.columns()) {
      if (!NAME.matcher(column.name()).matches()
          || WarehouseShape.OWN_COLUMNS.contains(column.name())) {
        problem(
            table,
            "table",
            "has the column \"%s\", whose name ClickHouse's table cannot have"
                .formatted(column.name()),
            "rename it: letters, digits and underscores, and not one of the job's own columns");
      }
    }
    Set<String> key = new LinkedHashSet<>(table.orderBy());
    if (table.partitionBy() != null) {
      key.add(table.partitionBy());
    }
    for (String column : key) {
      String path = table.orderBy().contains(column) ? "order-by" : "partition-by";
      checkNamed(table, shape, path, column);
    }
    if (table.partitionBy() != null) {
      checkTime(table, shape, "partition-by", table.partitionBy());
    }
    if (table.ttl() != null) {
      checkNamed(table, shape, "ttl.column", table.ttl().column());
      checkTime(table, shape, "ttl.column", table.ttl().column());
    }
    problems.addAll(lookups.problems(table, shape));
    problems.addAll(RollupViews.problems(table, shape, lookups.columns(table)));
    return problems.size() == before;
  }

  private void checkNamed(ReplicatedTable table, SourceShape shape, String path, String name) {
    if (shape.column(name).isEmpty()) {
      problem(
          table,
          path,
          "has no column " + name,
          "name one of "
              + shape.columns().stream()
                  .map(SourceShape.Column::name)
                  .collect(Collectors.joining(", ")));
    } else if (shape.column(name).get().nullable()) {
      problem(
          table,
          path,
          "has the column %s, which may be NULL".formatted(name),
          "ALTER TABLE %s ALTER COLUMN %s SET NOT NULL, or name another column"
              .formatted(inSql(table), SqlNames.readable(name)));
    }
  }

  private static String inSql(ReplicatedTable table) {
    return SqlNames.readable(table.schema()) + "." + SqlNames.readable(table.table());
  }

  private void checkTime(ReplicatedTable table, SourceShape shape, String path, String name) {
    shape
        .column(name)
        .filter(column -> !column.type().equals("date") && !column.type().startsWith("timestamp"))
        .ifPresent(
            column ->
                problem(
                    table,
                    path,
                    "has the column %s of type %s".formatted(name, column.type()),
                    "name a column of days or times"));
  }

  private void problem(ReplicatedTable table, String key, String what, String remedy) {
    problems.add(
        "%s.%s: the table %s in %s %s: %s."
            .formatted(table.path(), key, table.qualifiedName(), source.place(), what, remedy));
  }

  /** The table as ClickHouse has it; null after a problem. */
  private ReplicatedTable made(ReplicatedTable table, SourceShape shape, ClickHouseReader reader)
      throws ClickHouseReadException, InterruptedException {
    String here =
        "The table %s in ClickHouse's database %s".formatted(table.name(), warehouse.database());
    WarehouseShape made = WarehouseShape.read(reader, table.name(), TIMEOUT).orElse(null);
    if (made == null) {
      problems.add(here + " is missing: review and apply what map --clickhouse prints.");
      return null;
    }
    int before = problems.size();
    List<String> key = table.sortingKey(shape.primaryKey());
    if (!made.sortingKey().equals(key)) {
      problems.add(
          "%s is sorted by (%s), but the rows of %s are identified by (%s): create it again with what map --clickhouse prints."
              .formatted(
                  here,
                  String.join(", ", made.sortingKey()),
                  table.path(),
                  String.join(", ", key)));
    }
    String partition = table.partitionBy() == null ? "" : "toYYYYMM(" + table.partitionBy() + ")";
    if (!made.partitionKey().equals(partition)) {
      problems.add(
          "%s is partitioned by %s, but %s asks for %s: create it again with what map --clickhouse prints."
              .formatted(here, orNothing(made.partitionKey()), table.path(), orNothing(partition)));
    }
    made.columns().forEach(column -> checkWritable(column, here));
    checkLookedUp(table, made, here);
    for (Rollup rollup : table.rollups()) {
      if (WarehouseShape.read(reader, rollup.name(), TIMEOUT).isEmpty()) {
        problems.add(
            "The view %s in ClickHouse's database %s is missing: review and apply what map --clickhouse prints."
                .formatted(rollup.name(), warehouse.database()));
      }
    }
    return problems.size() == before ? table.with(key, made.columns()) : null;
  }

  private void checkLookedUp(ReplicatedTable table, WarehouseShape made, String here) {
    for (Lookup lookup : table.lookups()) {
      for (String added : lookup.added()) {
        boolean holds =
            made.columns().stream()
                .anyMatch(column -> column.name().equals(added) && column.nullable());
        if (!holds) {
          problems.add(
              "%s needs the Nullable column %s for %s: add what map --clickhouse prints."
                  .formatted(here, added, lookup.path()));
        }
      }
    }
  }

  private static String orNothing(String partitionKey) {
    return partitionKey.isEmpty() ? "nothing" : partitionKey;
  }

  private void checkWritable(ReplicatedTable.Column column, String here) {
    try {
      ReplicatedType.of(column.type());
    } catch (IllegalArgumentException e) {
      problems.add(
          "%s has the column %s of type %s, which the job cannot write: use a type that map --clickhouse prints."
              .formatted(here, column.name(), column.type()));
    }
  }

  /**
   * The statement that adds a column to ClickHouse's table; null: the source has no such column any
   * more.
   */
  static String addColumn(ReplicatedTable table, String column, PostgresSourceSettings source)
      throws SQLException {
    try (Connection connection = SourceServer.connect(source)) {
      return SourceShape.read(connection, table)
          .column(column)
          .map(found -> ReplicatedDdl.addColumn(table, found))
          .orElse(null);
    }
  }
}
