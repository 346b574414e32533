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

/** What has to hold of the warehouse before a job starts. */
public final class ClickHousePreflight {

  private static final Duration TIMEOUT = Duration.ofSeconds(15);
  private static final int[] OLDEST_VERSION = {24, 8};
  private static final int UNKNOWN_DATABASE = 81;
  private static final String REMEDY = "apply sql/clickhouse/001_tables.sql";
  private static final Pattern WINDOW =
      Pattern.compile("\\b(?:non_)?replicated_deduplication_window = (\\d+)");
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

  private ClickHousePreflight(ClickHouseConnection connection, ClickHouseReader reader) {
    this.connection = connection;
    this.reader = reader;
  }

  /**
   * Looks at the server and the tables, {@code etl_sink_progress} included. Changes nothing.
   *
   * @param mustBeEmpty the writer starts without state, and would write again what is there
   * @return every problem as a sentence that says what to do; empty if there is none
   */
  public static List<String> check(
      ClickHouseConnection connection, Collection<TableSchema> schemas, boolean mustBeEmpty) {
    try (ClickHouseReader reader = new ClickHouseReader(connection)) {
      ClickHousePreflight preflight = new ClickHousePreflight(connection, reader);
      preflight.check(schemas, mustBeEmpty);
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

  private void check(Collection<TableSchema> schemas, boolean mustBeEmpty)
      throws ClickHouseReadException, InterruptedException {
    if (!serverAnswers()) {
      return;
    }
    Set<TableSchema> all = new LinkedHashSet<>(schemas);
    all.add(ProgressMarkerEncoder.SCHEMA);
    for (TableSchema schema : all) {
      checkTable(schema);
    }
    checkOwners();
    if (mustBeEmpty) {
      checkEmpty(all);
    }
  }

  private void checkOwners() throws ClickHouseReadException, InterruptedException {
    if (select("EXISTS TABLE " + Ownership.TABLE, row -> row.getInt(1)).get(0) == 0) {
      problems.add(
          "Table "
              + Ownership.TABLE
              + " is missing in database "
              + connection.database()
              + ": "
              + REMEDY
              + ".");
    }
  }

  private void checkEmpty(Collection<TableSchema> schemas)
      throws ClickHouseReadException, InterruptedException {
    String tables =
        schemas.stream()
            .map(schema -> BatchTable.literal(schema.table()))
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
          "The job starts without state, and the database "
              + connection.database()
              + " of ClickHouse at "
              + connection.url()
              + " holds rows already ("
              + full
              + "): every row would stand there twice. Start the job from its last savepoint or"
              + " retained checkpoint (flink run -s PATH), or give it an empty database:"
              + " clickhouse.database, with sql/clickhouse applied in it. On ./etl's own servers,"
              + " ./etl submit --fresh empties the tables first.");
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
          "does not answer: start it, or correct its URL (it must be the HTTP interface). The error: "
              + failure.detail();
      case PASSWORD_MISSING -> "cannot be checked without a password: " + failure.detail();
      default ->
          "refuses user %s: correct user or password, or grant access to database %s. It says: %s"
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
                + BatchTable.literal(table),
            row ->
                new Table(row.getString(1), row.getString(2), row.getString(3), row.getString(4)));
    if (found.isEmpty()) {
      problems.add(
          "Table "
              + table
              + " is missing in database "
              + connection.database()
              + ": "
              + REMEDY
              + ".");
      return;
    }
    String engine = found.get(0).engine();
    if (!engine.endsWith("MergeTree")) {
      problems.add(
          "Table "
              + table
              + " has engine "
              + engine
              + ", and only a MergeTree takes a batch as a whole: name the MergeTree behind it, or"
              + " drop it and "
              + REMEDY
              + ".");
      return;
    }
    checkPartitionKey(table, found.get(0).partitionKey());
    checkWindow(table, engine, found.get(0).engineFull());
    if (!found.get(0).views().isEmpty()) {
      problems.add(
          "Table "
              + table
              + " feeds the materialized view "
              + found.get(0).views()
              + ", which doesn't take a batch together with its table: replace it by a refreshable"
              + " view or by a plain one.");
    }
    checkColumns(schema);
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
              + ", and the sink looks for its batches by an integer: make it anew by"
              + " sql/clickhouse/001_tables.sql.");
    }
  }

  private void checkWindow(String table, String engine, String engineFull)
      throws ClickHouseReadException, InterruptedException {
    boolean replicated = engine.startsWith("Replicated") || engine.startsWith("Shared");
    String setting =
        replicated ? "replicated_deduplication_window" : "non_replicated_deduplication_window";
    Matcher own = WINDOW.matcher(engineFull);
    long window;
    if (own.find()) {
      window = Long.parseLong(own.group(1));
    } else {
      window =
          Long.parseLong(
              select(
                      "SELECT value FROM system."
                          + (replicated ? "replicated_merge_tree_settings" : "merge_tree_settings")
                          + " WHERE name = "
                          + BatchTable.literal(setting),
                      row -> row.getString(1))
                  .get(0));
    }
    if (window == 0) {
      problems.add(
          "Table "
              + table
              + " doesn't remember deduplication tokens: ALTER TABLE "
              + table
              + " MODIFY SETTING "
              + setting
              + " = 10000.");
    }
  }

  private record Column(String name, String type, String defaultKind, String defaultExpression) {}

  private void checkColumns(TableSchema schema)
      throws ClickHouseReadException, InterruptedException {
    String table = schema.table();
    Map<String, String> types = new HashMap<>();
    Set<String> written = new HashSet<>();
    schema.insertColumns().forEach(column -> written.add(column.name()));
    for (Column column :
        select(
            "SELECT name, type, default_kind, default_expression FROM system.columns WHERE database"
                + " = currentDatabase() AND table = "
                + BatchTable.literal(table)
                + " ORDER BY position",
            row ->
                new Column(
                    row.getString(1), row.getString(2), row.getString(3), row.getString(4)))) {
      String name = column.name();
      types.put(name, column.type());
      boolean computed =
          column.defaultKind().equals("MATERIALIZED") || column.defaultKind().equals("ALIAS");
      if (written.contains(name) && computed) {
        problems.add(
            "Column "
                + name
                + " of table "
                + table
                + " is "
                + column.defaultKind()
                + ", and the sink writes it: make it a plain column.");
      } else if (!written.contains(name)
          && !column.defaultKind().equals("ALIAS")
          && NON_DETERMINISTIC.matcher(column.defaultExpression()).find()) {
        problems.add(
            "Column "
                + name
                + " of table "
                + table
                + " is filled by "
                + column.defaultExpression()
                + ", which differs when a batch is sent again: drop the column or its default.");
      }
    }
    for (TableSchema.Column column : schema.insertColumns()) {
      String actual = types.get(column.name());
      if (actual == null) {
        problems.add(
            "Table "
                + table
                + " lacks column "
                + column.name()
                + " "
                + column.type()
                + ": "
                + REMEDY
                + ", or add the column.");
      } else if (!plain(actual).equals(plain(column.type()))) {
        problems.add(
            "Column "
                + column.name()
                + " of table "
                + table
                + " is "
                + actual
                + ", the sink writes "
                + column.type()
                + ": ALTER TABLE "
                + table
                + " MODIFY COLUMN "
                + column.name()
                + " "
                + column.type()
                + ".");
      }
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
