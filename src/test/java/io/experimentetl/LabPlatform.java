package io.experimentetl;

/** A platform without users: visitors enter tests. Facts name tests and their arms by key. */
final class LabPlatform {
  /** Twelve o'clock today in UTC. */
  static final String NOON =
      "((date_trunc('day', now() AT TIME ZONE 'UTC') + interval '12 hours') AT TIME ZONE 'UTC')";

  static final String SCHEMA =
      """
      CREATE SCHEMA lab;
      CREATE TABLE lab.entries (test text, visitor text, arm text NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (test, visitor));
      CREATE TABLE lab.log (
          nr bigint PRIMARY KEY, test text NOT NULL, visitor text NOT NULL, arm text NOT NULL, at timestamptz NOT NULL,
          what text NOT NULL, revenue numeric);
      """;

  /** For the audit, behind all tables. */
  static final String GRANTS =
      """
      GRANT USAGE ON SCHEMA lab TO experiment_etl_auditor;
      GRANT SELECT ON ALL TABLES IN SCHEMA lab TO experiment_etl_auditor;
      """;

  /** Entries of {@code source.tables}. */
  static final String TABLES =
      """
      users: none
      assignments:
        table: lab.entries
        columns: {id: [test, visitor], experiment_id: {key: test}, variant_id: {key: arm}, user_id: visitor, assigned_at: at}
      events:
        table: lab.log
        columns: {id: nr, experiment_id: {key: test}, variant_id: {key: arm}, user_id: visitor, timestamp: at, event_type: what}
        properties: [revenue]
      """;

  private int rows;

  /** Odd visitors are in b, even ones in a. */
  static String arm(int visitor) {
    return visitor % 2 == 0 ? "a" : "b";
  }

  static String entry(String test, int visitor, int daysAgo) {
    return "INSERT INTO lab.entries VALUES ('%s', 'v%d', '%s', %s - interval '%d days')"
        .formatted(test, visitor, arm(visitor), NOON, daysAgo);
  }

  String event(String test, int visitor, String type, int daysAgo, String revenue) {
    return "INSERT INTO lab.log VALUES (%d, '%s', 'v%d', '%s', %s - interval '%d days', '%s', %s)"
        .formatted(nextNumber(), test, visitor, arm(visitor), NOON, daysAgo, type, revenue);
  }

  /** The primary key of another row. */
  int nextNumber() {
    return ++rows;
  }
}
