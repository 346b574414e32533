package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReadException;

/** The message to an operator when ClickHouse could not be read: place, reason and remedy. */
public final class ReadFailure {
  private ReadFailure() {}

  /** The failure and its remedy in one or two sentences. */
  public static String describe(ClickHouseConnection server, ClickHouseReadException failure) {
    String where = "ClickHouse at " + server.url();
    return switch (failure.reason()) {
      case UNREACHABLE ->
          where
              + " does not answer ("
              + failure.detail()
              + "): start it, or correct --clickhouse-url or clickhouse.url in the configuration.";
      case TIMED_OUT ->
          where
              + " does not answer ("
              + failure.detail()
              + "): see what it is busy with (SELECT * FROM system.processes).";
      case PASSWORD_MISSING ->
          where + " cannot be read, its password is missing: " + failure.detail();
      case AUTHENTICATION ->
          refused(
              where,
              "correct the user "
                  + server.user()
                  + " or its password (EXPERIMENT_ETL_CLICKHOUSE_PASSWORD or --clickhouse-password-file).",
              failure);
      case ACCESS_DENIED ->
          refused(
              where,
              "grant the user "
                  + server.user()
                  + " SELECT ON "
                  + server.database()
                  + ".* (docs/configuration.md).",
              failure);
      case UNKNOWN_OBJECT ->
          refused(
              where,
              "apply sql/clickhouse to database "
                  + server.database()
                  + ", or correct --clickhouse-database.",
              failure);
      case REFUSED -> refused(where, "see the server's message.", failure);
    };
  }

  private static String refused(String where, String remedy, ClickHouseReadException failure) {
    return where + " refused a query: " + remedy + " Its message: " + failure.detail();
  }
}
