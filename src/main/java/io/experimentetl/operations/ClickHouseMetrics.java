package io.experimentetl.operations;

import io.experimentetl.clickhouse.ClickHouseReadException;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;

/** The metrics of the warehouse: progress, findings, audits, disks, tables, queries. */
final class ClickHouseMetrics implements ServerMetrics.Look {
  private static final String PROGRESS = "SELECT snapshot_done, lag_seconds FROM etl_progress";

  private static final String FINDINGS =
      "SELECT severity, code, count(), countIf(dead_letter_since IS NOT NULL) FROM findings_open GROUP BY severity, code ORDER BY severity, code";

  private static final String AUDITS =
      "SELECT dateDiff('millisecond', audited_at, now64(3, 'UTC')) / 1000, differences, undecided FROM etl_audits ORDER BY audited_at DESC LIMIT 1";

  private static final String DISKS = "SELECT name, free_space, total_space FROM system.disks";

  private static final String TABLES =
      """
      SELECT table, sum(partition_rows), sum(partition_bytes), sum(parts), max(parts)
      FROM (SELECT table, partition_id, sum(rows) AS partition_rows, sum(bytes_on_disk) AS partition_bytes, count() AS parts
            FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table, partition_id)
      GROUP BY table ORDER BY table""";

  /** The audit reads whole tables; its queries are as long as they have to be. */
  private static final String LONGEST_QUERY =
      "SELECT max(elapsed) FROM system.processes WHERE is_initial_query AND query_kind = 'Select'"
          + " AND Settings['log_comment'] NOT LIKE 'experiment-etl%'";

  private static final String SLOW_QUERIES =
      """
      SELECT count() FROM system.query_log
      WHERE event_date >= toDate(now() - 300) AND event_time > now() - 300 AND type IN ('QueryFinish', 'ExceptionWhileProcessing')
          AND is_initial_query AND query_kind = 'Select' AND query_duration_ms > 30000 AND log_comment NOT LIKE 'experiment-etl%'""";

  private final Databases databases;
  private final Duration timeout;

  ClickHouseMetrics(Databases databases, Duration timeout) {
    this.databases = databases;
    this.timeout = timeout;
  }

  @Override
  public MetricSamples read() {
    MetricSamples samples = new MetricSamples();
    try (ClickHouseSession session = databases.clickHouse().connect()) {
      ask(session, samples, "progress", PROGRESS, row -> progress(samples, row));
      long[] deadLetters = new long[1];
      boolean answered =
          ask(
              session,
              samples,
              "findings",
              FINDINGS,
              row -> deadLetters[0] += finding(samples, row));
      if (answered) {
        samples.add(ServerMetric.DEAD_LETTERS, deadLetters[0]);
      }
      ask(session, samples, "audits", AUDITS, row -> audit(samples, row));
      ask(session, samples, "disks", DISKS, row -> disk(samples, row));
      ask(session, samples, "tables", TABLES, row -> table(samples, row));
      ask(
          session,
          samples,
          "processes",
          LONGEST_QUERY,
          row -> samples.add(ServerMetric.LONGEST_QUERY, row.getDouble(1)));
      ask(
          session,
          samples,
          "query_log",
          SLOW_QUERIES,
          row -> samples.add(ServerMetric.SLOW_QUERIES, row.getLong(1)));
    }
    return samples;
  }

  /** False: the server answers, but not this question. */
  private boolean ask(
      ClickHouseSession session,
      MetricSamples samples,
      String about,
      String sql,
      MetricSamples.RowReader reader) {
    try {
      session.list(
          sql,
          timeout,
          row -> {
            reader.read(row);
            return about;
          });
      return true;
    } catch (OperationsException e) {
      if (e.getCause() instanceof ClickHouseReadException read && answered(read.reason())) {
        samples.addRefused("clickhouse", about);
        return false;
      }
      throw e;
    }
  }

  private static boolean answered(ClickHouseReadException.Reason reason) {
    return switch (reason) {
      case ACCESS_DENIED, UNKNOWN_OBJECT, REFUSED -> true;
      case UNREACHABLE, TIMED_OUT, PASSWORD_MISSING, AUTHENTICATION -> false;
    };
  }

  private static void progress(MetricSamples samples, ResultSet row) throws SQLException {
    samples.add(ServerMetric.SNAPSHOT_DONE, row.getBoolean(1) ? 1 : 0);
    double lag = row.getDouble(2);
    if (!row.wasNull()) {
      samples.add(ServerMetric.VISIBLE_LAG, lag);
    }
  }

  /** Returns the code's dead letters. */
  private static long finding(MetricSamples samples, ResultSet row) throws SQLException {
    samples.add(
        ServerMetric.FINDINGS_OPEN,
        row.getLong(3),
        "severity",
        row.getString(1),
        "code",
        row.getString(2));
    return row.getLong(4);
  }

  private static void audit(MetricSamples samples, ResultSet row) throws SQLException {
    samples.add(ServerMetric.AUDIT_AGE, row.getDouble(1));
    samples.add(ServerMetric.AUDIT_DIFFERENCES, row.getLong(2));
    samples.add(ServerMetric.AUDIT_UNDECIDED, row.getLong(3));
  }

  private static void disk(MetricSamples samples, ResultSet row) throws SQLException {
    String disk = row.getString(1);
    samples.add(ServerMetric.DISK_FREE, row.getDouble(2), "disk", disk);
    samples.add(ServerMetric.DISK_TOTAL, row.getDouble(3), "disk", disk);
  }

  private static void table(MetricSamples samples, ResultSet row) throws SQLException {
    String table = row.getString(1);
    samples.add(ServerMetric.ROWS, row.getLong(2), "table", table);
    samples.add(ServerMetric.BYTES, row.getLong(3), "table", table);
    samples.add(ServerMetric.PARTS, row.getLong(4), "table", table);
    samples.add(ServerMetric.PARTS_OF_PARTITION, row.getLong(5), "table", table);
  }
}
