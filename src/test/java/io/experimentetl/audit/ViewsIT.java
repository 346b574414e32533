package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.experimentetl.platform.ClickHouseEndpoint;
import io.experimentetl.platform.PlatformExtension;
import io.experimentetl.platform.SqlFiles;
import java.nio.file.Path;
import java.util.List;
import org.apache.commons.math3.distribution.NormalDistribution;
import org.apache.commons.math3.distribution.TDistribution;
import org.apache.commons.math3.stat.descriptive.moment.Variance;
import org.apache.commons.math3.stat.inference.TTest;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The analyst's views, against a statistics library and against values computed by hand. */
class ViewsIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private ClickHouseEndpoint warehouse;

  @BeforeEach
  void anExperimentWithTwoVariants() {
    warehouse = PLATFORM.newClickHouseDatabase("views");
    new SqlFiles(Path.of("sql")).applyTo(warehouse, true);
    warehouse.query(
        "INSERT INTO experiments (id, key, name, status) VALUES (1, 'checkout', 'Checkout', 'ACTIVE')");
    warehouse.query(
        "INSERT INTO variants (id, experiment_id, key, name, is_control) VALUES (11, 1, 'control', 'Old', true), (12, 1, 'treatment', 'New', false)");
  }

  @Test
  void theFilesCanBeAppliedTwice() {
    new SqlFiles(Path.of("sql")).applyTo(warehouse, true);

    assertThat(
            warehouse.query(
                "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View' AND comment != '' ORDER BY name"))
        .isEqualTo("etl_progress\nexperiment_daily\nexperiment_results\nfindings_open");
    assertThat(
            warehouse.query(
                "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine_full LIKE '% TTL %' ORDER BY name"))
        .isEqualTo(
            "assignments_processed\netl_cuts\nevents_processed\nexperiment_daily_stats\nexperiment_health_daily");
  }

  @Test
  void aMeanIsComparedByWelchsTest() {
    double[] control = {0, 0, 4.5, 10, 2.25, 0, 7, 1, 3, 3.5, 0.5, 12};
    double[] treatment = {5, 9.75, 0, 14, 6, 3, 8, 11, 2, 20};
    daily(11, "revenue", "2026-03-01", control);
    daily(12, "revenue", "2026-03-01", treatment);

    String[] row = result("revenue", 12, "2026-03-01");
    TTest welch = new TTest();
    assertThat(number(row[0])).isEqualTo(10);
    assertThat(number(row[1])).isCloseTo(7.875, within(1e-9));
    assertThat(number(row[2])).isCloseTo(new Variance().evaluate(treatment), within(1e-9));
    assertThat(number(row[4])).isCloseTo(welch.t(treatment, control), within(1e-9));
    assertThat(number(row[5])).isCloseTo(welch.tTest(treatment, control), within(1e-4));
    double df = number(row[6]);
    double se = number(row[3]) / number(row[4]);
    double quantile = new TDistribution(df).inverseCumulativeProbability(0.975);
    assertThat(number(row[7])).isCloseTo(number(row[3]) - quantile * se, within(1e-3));
    assertThat(number(row[8])).isCloseTo(number(row[3]) + quantile * se, within(1e-3));
  }

  @Test
  void aProportionIsComparedByItsNormalApproximation() {
    // The known answer of a real A/B test: p = 0.1899 (pooled), 0.18988 by either variance.
    proportion(11, "2026-03-01", 100_000, 12_000, 1);
    proportion(11, "2026-03-02", 45_274, 5_489, 0);
    proportion(12, "2026-03-01", 100_000, 12_000, 0);
    proportion(12, "2026-03-02", 45_310, 5_264, 0);

    String[] row = result("conversion", 12, "2026-03-02");
    double c = 17_489 / 145_274.0;
    double t = 17_264 / 145_310.0;
    double se = Math.sqrt(c * (1 - c) / 145_274 + t * (1 - t) / 145_310);
    double p = 2 * new NormalDistribution().cumulativeProbability(-Math.abs(t - c) / se);
    assertThat(number(row[0])).isEqualTo(145_310);
    assertThat(number(row[1])).isCloseTo(t, within(1e-12));
    assertThat(number(row[3])).isCloseTo(t - c, within(1e-12));
    assertThat(number(row[5])).isCloseTo(p, within(1e-9)).isCloseTo(0.1899, within(1e-4));
    assertThat(row[6]).isEqualTo("\\N");
    assertThat(number(row[7])).isCloseTo(t - c - 1.959963984540054 * se, within(1e-12));
    assertThat(number(row[9])).isCloseTo((t - c) / c, within(1e-12));
    double liftSe =
        Math.sqrt(
            c * (1 - c) * t * t / (Math.pow(c, 4) * 145_274) + t * (1 - t) / (c * c * 145_310));
    assertThat(number(row[10])).isCloseTo((t - c) / c - 1.959963984540054 * liftSe, within(1e-12));
    assertThat(row[11]).as("no health known").isEqualTo("\\N");
  }

  @Test
  void resultsGoOnOverDaysWithoutTrafficAndBringTheSampleRatioOfTheDay() {
    proportion(11, "2026-03-01", 10, 5, 0);
    proportion(12, "2026-03-01", 10, 4, 0);
    proportion(11, "2026-03-03", 10, 5, 0);
    assertThat(
            warehouse.query(
                "SELECT DISTINCT variant_id, is_control FROM experiment_results ORDER BY variant_id"))
        .isEqualTo("11\ttrue\n12\tfalse");
    warehouse.query(
        "INSERT INTO experiment_health_daily (experiment_id, day, srm_df, srm_p) VALUES (1, '2026-03-01', 1, 0.5), (1, '2026-03-02', 1, 0.25), (1, '2026-03-04', 1, 0.125)");

    String[] row = result("conversion", 12, "2026-03-03");
    assertThat(number(row[0])).isEqualTo(10);
    assertThat(number(row[1])).isEqualTo(0.4);
    assertThat(number(row[11])).isEqualTo(0.25);
    assertThat(result("conversion", 11, "2026-03-03")[3])
        .as("the control has no effect")
        .isEqualTo("\\N");
  }

  @Test
  void progressIsTheGreatestCutThatEverySubtaskOfEverySinkHasReached() {
    assertThat(warehouse.query("SELECT * FROM etl_progress")).isEmpty();
    cut(100, "a", 0, 2, 90);
    cut(100, "a", 1, 2, 80);
    assertThat(warehouse.query("SELECT * FROM etl_progress")).as("sink b is behind").isEmpty();
    cut(100, "b", 0, 1, 90);
    assertThat(warehouse.query("SELECT stamp, lsn FROM etl_progress")).isEqualTo("100\t80");
    cut(200, "a", 0, 2, 190);
    cut(200, "b", 0, 1, 190);
    assertThat(warehouse.query("SELECT stamp, lsn FROM etl_progress"))
        .as("subtask 1 of a is behind")
        .isEqualTo("100\t80");
    cut(200, "a", 1, 3, 190);
    assertThat(warehouse.query("SELECT stamp, lsn FROM etl_progress"))
        .as("a subtask of another parallelism is not the one that is missing")
        .isEqualTo("100\t80");
    cut(200, "a", 1, 2, 190);
    assertThat(warehouse.query("SELECT stamp, lsn, snapshot_done FROM etl_progress"))
        .isEqualTo("200\t190\ttrue");
  }

  @Test
  void progressNamesNoPositionBeforeTheFirstTransactionIsVisible() {
    cut(100, "a", 0, 1, 0);
    cut(100, "b", 0, 1, 0);
    assertThat(
            warehouse.query(
                "SELECT stamp, lsn, committed_at, snapshot_done, lag_seconds FROM etl_progress"))
        .isEqualTo("100\t\\N\t\\N\ttrue\t\\N");
  }

  @Test
  void theOpenErrorsAndWarningsComeWorstFirst() {
    warehouse.query(
        "INSERT INTO data_inconsistencies (code, subject, severity, status, observed_at, _version) VALUES"
            + " ('D-DUP-EVENT', 'i', 'INFO', 'OPEN', '2026-03-03', 1), ('A-CROSSOVER', 'a', 'WARNING', 'OPEN', '2026-03-03', 1), ('H-SRM', 'b', 'ERROR', 'OPEN', '2026-03-01', 1),"
            + " ('H-SRM', 'c', 'ERROR', 'OPEN', '2026-03-02', 1), ('H-SRM', 'd', 'ERROR', 'OPEN', '2026-03-02', 1)");
    warehouse.query(
        "INSERT INTO data_inconsistencies (code, subject, severity, status, _version) VALUES ('H-SRM', 'd', 'ERROR', 'RESOLVED', 2)");

    assertThat(warehouse.query("SELECT subject FROM findings_open")).isEqualTo("c\nb\na");
  }

  @Test
  void theDaysActivityComesWithNamesAndShares() {
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, exposures, active_users,"
            + " converting_users, events, value_sum) VALUES (1, 12, 'revenue', '2026-03-01', 9, 8, 2, 4, 10)");

    assertThat(
            warehouse.query(
                "SELECT experiment_key, variant_name, is_control, converting_share, events_per_active_user, value_per_event FROM experiment_daily"))
        .isEqualTo("checkout\tNew\tfalse\t0.25\t0.5\t2.5");
  }

  private void cut(long stamp, String sink, int subtask, int parallelism, long lsn) {
    warehouse.query(
        "INSERT INTO etl_cuts VALUES (%d, '%s', %d, %d, 2, %d, now64(), true, now64(), %d, 'b')"
            .formatted(stamp, sink, subtask, parallelism, lsn, stamp * 1024));
  }

  private void daily(long variant, String metric, String day, double[] totals) {
    double sum = 0;
    double squares = 0;
    int converters = 0;
    for (double total : totals) {
      sum += total;
      squares += total * total;
      converters += total > 0 ? 1 : 0;
    }
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, value_sum, new_users, new_converters, d_sum, d_sum_sq)"
            + " VALUES (1, %d, '%s', '%s', %s, %d, %d, %s, %s)"
                .formatted(variant, metric, day, sum, totals.length, converters, sum, squares));
  }

  private void proportion(long variant, String day, int users, int converters, int events) {
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, events, new_users, new_converters, d_sum, d_sum_sq)"
            + " VALUES (1, %d, 'conversion', '%s', %d, %d, %d, %d, %d)"
                .formatted(variant, day, events, users, converters, converters, converters));
  }

  private String[] result(String metric, long variant, String day) {
    List<String> lines =
        warehouse
            .query(
                "SELECT n, mean, variance, effect, t_statistic, p, degrees_of_freedom, effect_low, effect_high, lift, lift_low, srm_p"
                    + " FROM experiment_results WHERE metric = '%s' AND variant_id = %d AND as_of_day = '%s'"
                        .formatted(metric, variant, day))
            .lines()
            .toList();
    assertThat(lines).hasSize(1);
    return lines.get(0).split("\t", -1);
  }

  private static double number(String text) {
    return Double.parseDouble(text);
  }
}
