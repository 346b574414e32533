package io.experimentetl.report;

import io.experimentetl.local.ClickHouseEndpoint;
import java.util.stream.Collectors;

/** An experiment in a warehouse: rows as the job writes them, made by ClickHouse. */
final class Scenario {
  /** A name with HTML that a page must show as text. */
  static final String HOSTILE = "</script><img src=x onerror=alert(1)>";

  static final String FIRST_DAY = "2026-03-01";

  private final ClickHouseEndpoint warehouse;
  private final long id;

  Scenario(ClickHouseEndpoint warehouse, long id, String key, String name, String config) {
    this.warehouse = warehouse;
    this.id = id;
    warehouse.query(
        "INSERT INTO experiments (id, key, name, status, config, starts_at) VALUES (%d, '%s', '%s', 'ACTIVE', '%s', '2026-03-01 00:00:00')"
            .formatted(id, key, name, config));
  }

  /** The first one is the control, if any is. */
  Scenario variants(boolean withControl, String... keys) {
    for (int i = 0; i < keys.length; i++) {
      warehouse.query(
          "INSERT INTO variants (id, experiment_id, key, name, is_control, allocation_pct) VALUES (%d, %d, '%s', '%s', %s, %d)"
              .formatted(
                  variant(i),
                  id,
                  keys[i],
                  "Variant " + i,
                  withControl && i == 0,
                  100 / keys.length));
    }
    return this;
  }

  long variant(int index) {
    return id * 100 + index;
  }

  /**
   * Days of a metric. Shares rise by a fortieth from variant to variant.
   *
   * @param perConverter sum of a converter's values; for a proportion 1
   */
  Scenario metric(
      String name, String kind, int variants, int days, int usersPerDay, double perConverter) {
    String variantIds =
        java.util.stream.IntStream.range(0, variants)
            .mapToObj(index -> Long.toString(variant(index)))
            .collect(Collectors.joining(",", "[", "]"));
    warehouse.query(
        """
        INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, kind, day, exposures, active_users,
            converting_users, events, value_sum, new_users, new_converters, d_sum, d_sum_sq, d_x_sum, d_x_sum_sq, d_xy, closed)
        SELECT %1$d, v, '%2$s', '%3$s', toDate32('%7$s') + d, 2 * n, n + intDiv(n, 3), c, c, c * each, n, c,
            c * each, if('%3$s' = 'proportion', c, 1.7 * c * each * each), if('%3$s' = 'mean', 0.8 * c * each, 0),
            if('%3$s' = 'mean', 1.4 * c * each * each, 0), if('%3$s' = 'mean', 1.1 * c * each * each, 0), d + 2 < %5$d
        FROM
        (
            SELECT d, v, toInt64(greatest(1, %6$d * (1 + 0.25 * sin(d * 0.9) + 0.06 * sin(cityHash64(d, v) %% 1000)))) AS n,
                toInt64(round(n * 0.11 * (1 + 0.025 * (v %% 100) + 0.05 * sin(cityHash64(v, d, '%2$s') %% 1000)))) AS c,
                toDecimal64(%8$s, 2) AS each
            FROM (SELECT arrayJoin(range(%5$d)) AS d, arrayJoin(%4$s) AS v)
        )
        """
            .formatted(
                id,
                name,
                kind,
                variantIds,
                days,
                usersPerDay,
                FIRST_DAY,
                Double.toString(perConverter)));
    return this;
  }

  /** Health per day; the sample ratio drifts away when {@code skew} is above 0. */
  Scenario health(int variants, int days, int usersPerDay, double skew) {
    warehouse.query(
        """
        INSERT INTO experiment_health_daily (experiment_id, day, variant_ids, assigned_users, exposed_users, weights, expected_users,
            crossover_users, srm_df, srm_chi_square, srm_p)
        SELECT %1$d, toDate32('%5$s') + d, arrayMap(a -> %1$d * 100 + a, range(%2$d)),
            arrayMap(a -> toInt64(%4$d * (d + 1) * (1 + %6$s * (a = 1))), range(%2$d)),
            arrayMap(a -> toInt64(%4$d * (d + 1) * 0.9), range(%2$d)), arrayMap(a -> intDiv(100, %2$d), range(%2$d)),
            arrayMap(a -> %4$d * (d + 1), range(%2$d)),
            d, %2$d - 1, 0, exp(-%6$s * 9 * d) * (0.5 + 0.3 * sin(d))
        FROM (SELECT arrayJoin(range(%3$d)) AS d)
        """
            .formatted(id, variants, days, usersPerDay, FIRST_DAY, Double.toString(skew)));
    return this;
  }

  /** Findings of users, one per day, every third resolved. */
  Scenario findings(String code, String severity, int days, int perDay) {
    warehouse.query(
        """
        INSERT INTO data_inconsistencies (code, subject_kind, subject_key, severity, status, experiment_id, user_id, detail, remedy, observed_at)
        SELECT '%2$s', 'experiment-user', concat('%1$d/u', toString(d), '-', toString(k)), '%3$s', if(k %% 3 = 1, 'RESOLVED', 'OPEN'), %1$d, 'u',
            'private detail of one user', 'What to do about %2$s.', toDateTime64('%6$s 12:00:00', 6, 'UTC') + INTERVAL d DAY
        FROM (SELECT arrayJoin(range(0, %4$d, 2)) AS d, arrayJoin(range(1 + %5$d * d %% 7)) AS k)
        """
            .formatted(id, code, severity, days, perDay, FIRST_DAY));
    return this;
  }

  /** A finding about the whole experiment, with its own text. */
  Scenario finding(String code, String severity, String detail) {
    warehouse.query(
        "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, severity, status, experiment_id, detail, remedy, observed_at) VALUES ('%s', 'experiment', '%d', '%s', 'OPEN', %d, '%s', 'Stop.', '2026-03-05 10:00:00')"
            .formatted(code, id, severity, id, detail));
    return this;
  }

  /** All sinks have reached one progress marker. */
  static void progress(ClickHouseEndpoint warehouse) {
    warehouse.query(
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done, written_at) VALUES (100, 6597069766699, '2026-03-29 10:11:12.5', true, now64())");
  }

  /** Usual experiments and rare ones; by id. */
  static void all(ClickHouseEndpoint warehouse) {
    progress(warehouse);
    new Scenario(warehouse, 1, "checkout", "New checkout", "{\"zone\":\"Europe/Berlin\"}")
        .variants(true, "control", "one-page", "express")
        .metric("conversion", "proportion", 3, 28, 400, 1)
        .metric("orders", "count", 3, 28, 400, 1)
        .metric("revenue", "mean", 3, 28, 400, 42.5)
        .health(3, 28, 400, 0)
        .findings("A-CROSSOVER", "WARNING", 28, 3)
        .findings("T-LATE", "INFO", 28, 1)
        .findings("R-ORPHAN-ASSIGNMENT", "ERROR", 20, 2);
    new Scenario(warehouse, 3, "no-control", "No variant is the control", "{}")
        .variants(false, "a", "b")
        .metric("conversion", "proportion", 2, 10, 200, 1)
        .metric("revenue", "mean", 2, 10, 200, 12);
    new Scenario(warehouse, 4, "one-variant", "One variant", "{}")
        .variants(true, "only")
        .metric("conversion", "proportion", 1, 10, 200, 1)
        .health(1, 10, 200, 0);
    new Scenario(warehouse, 5, "no-data", "Nothing yet", "{}").variants(true, "a", "b");
    new Scenario(warehouse, 6, "first-day", "First day, one user", "{}")
        .variants(true, "a", "b")
        .metric("revenue", "mean", 2, 1, 1, 5);
    new Scenario(warehouse, 7, HOSTILE, HOSTILE, "{\"zone\":\"</script><b>\"}")
        .variants(true, "=1+1", HOSTILE)
        .metric(HOSTILE, "mean", 2, 12, 300, 9)
        .health(2, 12, 300, 0)
        .finding(HOSTILE, "ERROR", HOSTILE)
        .findings("<b>&amp;", "WARNING", 9, 2);
  }

  /** Ten variants, hundreds of days. */
  static void large(ClickHouseEndpoint warehouse) {
    progress(warehouse);
    String[] ten = new String[10];
    for (int i = 0; i < 10; i++) {
      ten[i] = "variant-" + i;
    }
    new Scenario(warehouse, 2, "ten-variants", "Ten variants for most of a year", "{}")
        .variants(true, ten)
        .metric("conversion", "proportion", 10, 300, 90, 1)
        .health(10, 300, 90, 0.02)
        .finding("H-SRM", "ERROR", "p = 0.0000002 at 270,000 users");
  }
}
