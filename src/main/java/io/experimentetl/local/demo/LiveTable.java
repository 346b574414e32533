package io.experimentetl.local.demo;

import io.experimentetl.operations.WarehouseProgress;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The demonstration's screen: daily statistics, findings and lag, as ClickHouse shows them now. */
final class LiveTable {
  private static final String CLEAR = "\033[H\033[2J";

  /** 80 columns. */
  private static final String ROW = "%-13.13s %-12.12s %-5s %7s %6s %6s %10s %7s %6s%n";

  private static final String EXPLANATION =
      """

      exposed, active, conv., revenue: on the day; users, rate %: all days so far
      (exposed users, and the share of them that converted).

      """;

  private final WarehouseTables warehouse;

  LiveTable(WarehouseTables warehouse) {
    this.warehouse = warehouse;
  }

  /**
   * @param written event rows written into PostgreSQL
   * @param terminal whether the screen can be cleared
   */
  String render(String addresses, long written, Instant now, boolean terminal) {
    StringBuilder text = new StringBuilder(terminal ? CLEAR : "");
    Optional<WarehouseProgress> progress = warehouse.progress();
    text.append(addresses).append(System.lineSeparator());
    text.append(
        String.format(
            Locale.ROOT,
            "events written %,d   rows visible %,d   lag %s%n%n",
            written,
            warehouse.visibleEvents(),
            progress.map(p -> lag(p, now)).orElse("unknown until the first checkpoint")));
    text.append(
        String.format(
            Locale.ROOT,
            ROW,
            "experiment",
            "variant",
            "day",
            "exposed",
            "active",
            "conv.",
            "revenue",
            "users",
            "rate %"));
    for (Object[] row : statistics()) {
      text.append(String.format(Locale.ROOT, ROW, row));
    }
    text.append(EXPLANATION);
    text.append(
        String.format(
            Locale.ROOT,
            "%-24s %-8s %7s  %s%n",
            "open findings",
            "severity",
            "number",
            "experiments"));
    for (WarehouseTables.Findings finding : warehouse.findings()) {
      text.append(
          String.format(
              Locale.ROOT,
              "%-24s %-8s %,7d  %.38s%n",
              finding.code(),
              finding.severity(),
              finding.count(),
              finding.experiments()));
    }
    return text.toString();
  }

  private static String lag(WarehouseProgress progress, Instant now) {
    return progress.snapshotDone()
        ? String.format(
            Locale.ROOT,
            "%.1f s",
            Duration.between(progress.committedAt(), now).toMillis() / 1_000.0)
        : "unknown during the initial snapshot";
  }

  /** The last two days up to today, and the sums over all days. */
  private List<Object[]> statistics() {
    return warehouse.rows(
        """
        SELECT e.key AS experiment, v.key AS variant, formatDateTime(s.day, '%m-%d'), toString(max(s.exposures)), toString(max(s.active_users)),
          toString(sumIf(s.converting_users, s.metric = 'conversion')),
          toString(sumIf(s.value_sum, s.metric = 'revenue')::Decimal(18, 2)),
          toString(any(t.n)), toString(round(100 * any(t.converters) / any(t.n), 2))
        FROM (SELECT * FROM experiment_daily_stats FINAL) AS s
        JOIN (SELECT id, key FROM experiments FINAL) AS e ON e.id = s.experiment_id
        JOIN (SELECT id, key FROM variants FINAL) AS v ON v.id = s.variant_id
        JOIN (SELECT variant_id, sum(new_users) AS n, sum(new_converters) AS converters
              FROM experiment_daily_stats FINAL WHERE metric = 'conversion' GROUP BY variant_id) AS t
          ON t.variant_id = s.variant_id
        WHERE s.day IN (SELECT DISTINCT day FROM experiment_daily_stats FINAL WHERE day <= today() ORDER BY day DESC LIMIT 2)
        GROUP BY e.key, v.key, s.day
        ORDER BY e.key, v.key, s.day
        """,
        row -> {
          Object[] columns = new Object[row.getMetaData().getColumnCount()];
          for (int i = 0; i < columns.length; i++) {
            columns[i] = row.getString(i + 1);
          }
          return columns;
        });
  }
}
