package io.experimentetl.clickhouse;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Checks the server and the tables before a job starts. */
public final class ClickHousePreflight {

  private static final Duration TIMEOUT = Duration.ofSeconds(15);
  private static final int[] OLDEST_VERSION = {24, 8};
  private static final int UNKNOWN_DATABASE = 81;
  private static final String REMEDY = "apply sql/clickhouse/001_tables.sql";
  private static final Pattern INTEGER = Pattern.compile("U?Int(8|16|32|64)");
  private static final Pattern NON_DETERMINISTIC =
      Pattern.compile(
          "(?i)\\b(now|now64|nowInBlock|today|yesterday|current_timestamp|rand|rand32|rand64"
              + "|randConstant|randomString|randomFixedString|randomPrintableASCII|canonicalRand"
              + "|fuzzBits|generate\\w+|hostName|fqdn|serverUUID|queryID|initialQueryID|currentUser"
              + "|rowNumberIn\\w+|blockNumber|uptime|version)\\s*\\(");

  private final ClickHouseReader reader;
  private final ClickHouseConnection connection;
  private final List<String> problems = new ArrayList<>();
  private ReplicaCheck.Profile profile;

  private ClickHousePreflight(ClickHouseConnection connection, ClickHouseReader reader) {
    this.connection = connection;
    this.reader = reader;
  }

  /**
   * Checks the server and the tables, including {@code etl_sink_progress} and {@code etl_owners}.
   * Changes nothing.
   *
   * @param mustBeEmpty whether the job starts without state, so that it would write existing rows
   *     again
   * @return every problem with its remedy; empty if there is none
   */
  public static List<String> check(
      ClickHouseConnection connection, Collection<TableSchema> schemas, boolean mustBeEmpty) {
    return check(connection, schemas, List.of(), mustBeEmpty);
  }

  /**
   * The same, with tables that the job uses and no sink writes: they must have the columns.
   *
   * @param others their schemas, without {@code _batch_id}
   */
  public static List<String> check(
      ClickHouseConnection connection,
      Collection<TableSchema> schemas,
      Collection<TableSchema> others,
      boolean mustBeEmpty) {
    try (ClickHouseReader reader = new ClickHouseReader(connection)) {
      ClickHousePreflight preflight = new ClickHousePreflight(connection, reader);
      preflight.check(schemas, others, mustBeEmpty);
      return List.copyOf(preflight.problems);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return List.of("The check of ClickHouse was interrupted: run it again.");
    } catch (ClickHouseReadException e) {
      return List.of("The check of ClickHouse failed: " + e.getMessage());
    } catch (IllegalStateException e) {
      return List.of("ClickHouse at " + connection.url() + " cannot be checked: " + e.getMessage());
    }
  }

  private void check(
      Collection<TableSchema> schemas, Collection<TableSchema> others, boolean mustBeEmpty)
      throws ClickHouseReadException, InterruptedException {
    if (!serverAnswers()) {
      return;
    }
    Set<TableSchema> all = new LinkedHashSet<>(schemas);
    all.add(ProgressTable.SCHEMA);
    for (TableSchema schema : all) {
      checkTable(schema);
    }
    checkColumns(Ownership.SCHEMA, Ownership.SCHEMA.columns());
    for (TableSchema other : others) {
      checkColumns(other, other.columns());
    }
    if (mustBeEmpty) {
      checkEmpty(all);
    }
  }

  private void checkEmpty(Collection<TableSchema> schemas)
      throws ClickHouseReadException, InterruptedException {
    String tables =
        schemas.stream()
            .map(schema -> ClickHouseReader.literal(schema.table()))
            .collect(Collectors.joining(", "));
    String full =
        String.join(
            ", ",
            select(
                "SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0"
                    + " AND name IN ("
                    + tables
                    + ") ORDER BY name",
                row -> row.getString(1)));
    if (!full.isEmpty()) {
      problems.add(
          "The job starts without state, but the database "
              + connection.database()
              + " of ClickHouse at "
              + connection.url()
              + " already has rows ("
              + full
              + "), and every row would be there twice. Start the job from its last savepoint or"
              + " retained checkpoint (flink run -s PATH), or set clickhouse.database to an empty"
              + " database with sql/clickhouse applied. With the servers of ./etl, ./etl submit --fresh"
              + " empties the tables.");
    }
  }

  private boolean serverAnswers() throws InterruptedException {
    String where = "ClickHouse at " + connection.url();
    try {
      String version = select("SELECT version()", row -> row.getString(1)).get(0);
      if (olderThanSupported(version)) {
        problems.add(
            where
                + " is version "
                + version
                + ": upgrade it to "
                + OLDEST_VERSION[0]
                + "."
                + OLDEST_VERSION[1]
                + " or newer.");
      }
      return true;
    } catch (ClickHouseReadException e) {
      problems.add(where + " " + problem(e));
      return false;
    }
  }

  private String problem(ClickHouseReadException failure) {
    if (failure.code() == UNKNOWN_DATABASE) {
      return "has no database %s: create it and %s in it.".formatted(connection.database(), REMEDY);
    }
    return switch (failure.reason()) {
      case UNREACHABLE, TIMED_OUT ->
          "does not answer: start it, or correct its URL, which must be the HTTP interface. The error: "
              + failure.detail();
      case PASSWORD_MISSING -> "cannot be checked without a password: " + failure.detail();
      default ->
          "refuses user %s: correct user or password, or grant access to database %s. Its answer: %s"
              .formatted(connection.user(), connection.database(), failure.detail());
    };
  }

  private static boolean olderThanSupported(String version) {
    Matcher numbers = Pattern.compile("(\\d+)\\.(\\d+).*").matcher(version);
    if (!numbers.matches()) {
      return false;
    }
    int major = Integer.parseInt(numbers.group(1));
    int minor = Integer.parseInt(numbers.group(2));
    return major < OLDEST_VERSION[0] || (major == OLDEST_VERSION[0] && minor < OLDEST_VERSION[1]);
  }

  private record Table(String engine, String engineFull, String partitionKey, String views) {}

  private void checkTable(TableSchema schema) throws ClickHouseReadException, InterruptedException {
    String table = schema.table();
    List<Table> found =
        select(
            "SELECT engine, engine_full, partition_key, arrayStringConcat(dependencies_table, ', ') AS views"
                + " FROM system.tables WHERE database = currentDatabase() AND name = "
                + ClickHouseReader.literal(table),
            row ->
                new Table(row.getString(1), row.getString(2), row.getString(3), row.getString(4)));
    if (found.isEmpty()) {
      addMissing(table);
      return;
    }
    String engine = found.get(0).engine();
    if (!engine.endsWith("MergeTree")) {
      problems.add(
          "Table "
              + table
              + " has engine "
              + engine
              + ", but only a MergeTree writes a batch as a whole: use the MergeTree behind it, or"
              + " drop it and "
              + REMEDY
              + ".");
      return;
    }
    checkPartitionKey(table, found.get(0).partitionKey());
    checkWindow(table, engine, found.get(0).engineFull());
    if (engine.startsWith("Replicated")) {
      checkReplica(table);
    }
    if (!found.get(0).views().isEmpty()) {
      problems.add(
          "Table "
              + table
              + " feeds the materialized view "
              + found.get(0).views()
              + ", which the server does not write together with the batch: replace it with a"
              + " refreshable or a plain view.");
    }
    checkColumns(schema, schema.insertColumns());
  }

  private void addMissing(String table) {
    problems.add(
        "Table "
            + table
            + " is missing in database "
            + connection.database()
            + ": "
            + REMEDY
            + ".");
  }

  private void checkPartitionKey(String table, String key)
      throws ClickHouseReadException, InterruptedException {
    if (key.isEmpty()) {
      return;
    }
    String type =
        select(
                "DESCRIBE TABLE (SELECT " + key + " AS p FROM " + BatchTable.quoted(table) + ")",
                row -> row.getString("type"))
            .get(0);
    if (!INTEGER.matcher(type).matches()) {
      problems.add(
          "Table "
              + table
              + " is partitioned by "
              + key
              + " of type "
              + type
              + ", but the sink needs an integer partition key: create it again with"
              + " sql/clickhouse/001_tables.sql.");
    }
  }

  private void checkWindow(String table, String engine, String engineFull)
      throws ClickHouseReadException, InterruptedException {
    boolean replicated = engine.startsWith("Replicated") || engine.startsWith("Shared");
    String setting =
        replicated ? "replicated_deduplication_window" : "non_replicated_deduplication_window";
    if (setting(replicated, engineFull, setting) == 0) {
      problems.add(
          "Table "
              + table
              + " does not remember deduplication tokens: run ALTER TABLE "
              + table
              + " MODIFY SETTING "
              + setting
              + " = 10000.");
    }
    if (replicated) {
      problems.addAll(
          ReplicaCheck.windowProblems(
              table,
              setting(true, engineFull, "replicated_deduplication_window_seconds"),
              BatchLimits.DEFAULT.probeAfter()));
    }
  }

  /** The table's own value of a setting, else the server's. */
  private long setting(boolean replicated, String engineFull, String name)
      throws ClickHouseReadException, InterruptedException {
    Long own = ReplicaCheck.setting(engineFull, name);
    if (own != null) {
      return own;
    }
    return Long.parseLong(
        select(
                "SELECT value FROM system."
                    + (replicated ? "replicated_merge_tree_settings" : "merge_tree_settings")
                    + " WHERE name = "
                    + ClickHouseReader.literal(name),
                row -> row.getString(1))
            .get(0));
  }

  private void checkReplica(String table) throws ClickHouseReadException, InterruptedException {
    List<ReplicaCheck.Replica> found =
        select(
            "SELECT is_readonly, total_replicas, active_replicas, absolute_delay FROM system.replicas"
                + " WHERE database = currentDatabase() AND table = "
                + ClickHouseReader.literal(table),
            row ->
                new ReplicaCheck.Replica(
                    row.getInt(1) == 1, row.getLong(2), row.getLong(3), row.getLong(4)));
    for (ReplicaCheck.Replica replica : found) {
      problems.addAll(ReplicaCheck.problems(table, replica, profile()));
    }
  }

  private ReplicaCheck.Profile profile() throws ClickHouseReadException, InterruptedException {
    if (profile == null) {
      profile =
          select(
                  "SELECT anyIf(value, name = 'insert_quorum'),"
                      + " anyIf(value, name = 'insert_quorum_parallel') IN ('1', 'true'),"
                      + " anyIf(value, name = 'select_sequential_consistency') NOT IN ('0', 'false')"
                      + " FROM system.settings WHERE name IN"
                      + " ('insert_quorum', 'insert_quorum_parallel', 'select_sequential_consistency')",
                  row ->
                      new ReplicaCheck.Profile(
                          row.getString(1), row.getInt(2) == 1, row.getInt(3) == 1))
              .get(0);
    }
    return profile;
  }

  private record Column(String name, String type, String defaultKind, String defaultExpression) {}

  /**
   * Checks a table's columns.
   *
   * @param columns that the job writes
   */
  private void checkColumns(TableSchema schema, List<TableSchema.Column> columns)
      throws ClickHouseReadException, InterruptedException {
    Map<String, String> types = new HashMap<>();
    Set<String> written = new HashSet<>();
    columns.forEach(column -> written.add(column.name()));
    for (Column column :
        select(
            "SELECT name, type, default_kind, default_expression FROM system.columns WHERE database"
                + " = currentDatabase() AND table = "
                + ClickHouseReader.literal(schema.table())
                + " ORDER BY position",
            row ->
                new Column(
                    row.getString(1), row.getString(2), row.getString(3), row.getString(4)))) {
      types.put(column.name(), column.type());
      checkDefault(schema.table(), column, written.contains(column.name()));
    }
    if (types.isEmpty()) {
      addMissing(schema.table());
      return;
    }
    for (TableSchema.Column column : columns) {
      checkType(schema.table(), column, types.get(column.name()));
    }
  }

  private void checkDefault(String table, Column column, boolean isWritten) {
    String kind = column.defaultKind();
    String place = "Column " + column.name() + " of table " + table;
    if (isWritten && (kind.equals("MATERIALIZED") || kind.equals("ALIAS"))) {
      problems.add(place + " is " + kind + ", but the sink writes it: make it a plain column.");
    } else if (!isWritten
        && !kind.equals("ALIAS")
        && NON_DETERMINISTIC.matcher(column.defaultExpression()).find()) {
      problems.add(
          place
              + " is filled by "
              + column.defaultExpression()
              + ", which differs when the sink sends a batch again: drop the column or its default.");
    }
  }

  /**
   * @param actual the column's type in the table; null if it is missing
   */
  private void checkType(String table, TableSchema.Column column, String actual) {
    String wanted = column.name() + " " + column.type();
    if (actual == null) {
      problems.add(
          "Table " + table + " has no column " + wanted + ": " + REMEDY + ", or add the column.");
    } else if (!plain(actual).equals(plain(column.type()))) {
      problems.add(
          "Column "
              + column.name()
              + " of table "
              + table
              + " is "
              + actual
              + ", but the job writes "
              + column.type()
              + ": run ALTER TABLE "
              + table
              + " MODIFY COLUMN "
              + wanted
              + ".");
    }
  }

  private static String plain(String type) {
    return type.replace(" ", "");
  }

  private <T> List<T> select(String sql, ClickHouseReader.RowMapper<T> mapper)
      throws ClickHouseReadException, InterruptedException {
    return reader.list(sql, Map.of(), TIMEOUT, mapper);
  }
}
