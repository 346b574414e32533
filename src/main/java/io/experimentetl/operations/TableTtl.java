package io.experimentetl.operations;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How long the tables of a database keep their rows. */
final class TableTtl {
  private static final Pattern CLAUSE = Pattern.compile("(?s) TTL (.+?)(?: SETTINGS .*)?$");
  private static final Pattern AGE_AND_INTERVAL =
      Pattern.compile("(?s)((?!.*toInterval.*toInterval).+ \\+ toInterval\\w+\\(\\d+\\))");

  private TableTtl() {}

  /** The TTL clause of each table that has one, by the table's name. */
  static Map<String, String> of(ClickHouseLogin database) {
    Map<String, String> ttls = new TreeMap<>();
    database
        .list(
            "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'",
            row -> List.of(row.getString(1), row.getString(2)))
        .forEach(table -> clause(table.get(1)).ifPresent(ttl -> ttls.put(table.get(0), ttl)));
    return ttls;
  }

  /** The TTL clause of a table's engine, as {@code system.tables.engine_full} has it. */
  static Optional<String> clause(String engine) {
    Matcher clause = CLAUSE.matcher(engine);
    return clause.find() ? Optional.of(clause.group(1)) : Optional.empty();
  }

  /**
   * The condition of the rows that a merge may not remove yet. A TTL of several rules has none:
   * then it is true for each row.
   */
  static String kept(Optional<String> clause) {
    return clause
        .filter(ttl -> AGE_AND_INTERVAL.matcher(ttl).matches())
        .map("toDateTime64(%s, 0, 'UTC') > now64(0, 'UTC')"::formatted)
        .orElse("true");
  }
}
