package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.SqlFiles;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.commons.math3.distribution.NormalDistribution;
import org.apache.commons.math3.distribution.TDistribution;
import org.apache.commons.math3.stat.StatUtils;
import org.apache.commons.math3.stat.descriptive.moment.Variance;
import org.apache.commons.math3.stat.inference.TTest;
import org.apache.commons.math3.stat.regression.SimpleRegression;
import org.apache.commons.math3.util.MathArrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * The statistics of the views, compared with a statistics library and with values computed by hand.
 */
class ViewsIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private ClickHouseEndpoint warehouse;

  @BeforeEach
  void createExperimentWithTwoVariants() {
    warehouse = PLATFORM.newClickHouseDatabase("views");
    new SqlFiles(Path.of("sql")).applyTo(warehouse.login(), true);
    warehouse.query(
        "INSERT INTO experiments (id, key, name, status) VALUES (1, 'checkout', 'Checkout', 'ACTIVE')");
    warehouse.query(
        "INSERT INTO variants (id, experiment_id, key, name, is_control) VALUES (11, 1, 'control', 'Old', true), (12, 1, 'treatment', 'New', false)");
  }

  @Test
  void meansAreComparedByWelchsTest() {
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
    assertThat(number(row[5])).isCloseTo(welch.tTest(treatment, control), within(1e-9));
    double df = number(row[6]);
    double se = number(row[3]) / number(row[4]);
    double quantile = new TDistribution(df).inverseCumulativeProbability(0.975);
    assertThat(number(row[7])).isCloseTo(number(row[3]) - quantile * se, within(1e-9));
    assertThat(number(row[8])).isCloseTo(number(row[3]) + quantile * se, within(1e-9));
  }

  @Test
  void proportionsAreComparedByTheNormalApproximation() {
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
    assertThat(number(row[4])).as("z").isCloseTo(-1.3109, within(1e-4));
    assertThat(row[6]).isEqualTo("\\N");
    assertThat(number(row[7])).isCloseTo(t - c - 1.959963984540054 * se, within(1e-12));
    assertThat(number(row[9])).isCloseTo((t - c) / c, within(1e-12));
    WelchFieller.Lift lift =
        WelchFieller.lift(
            WelchFieller.NORMAL_QUANTILE,
            WelchFieller.proportion(145_310, 17_264),
            WelchFieller.proportion(145_274, 17_489));
    assertThat(number(row[10])).isCloseTo(lift.low(), within(1e-9));
    assertThat(row[11]).as("no health known").isEqualTo("\\N");
  }

  @Test
  void pAndIntervalAreStudentsAtAnyNumberOfUsers() {
    Random random = new Random(7);
    TTest welch = new TTest();
    Map<String, double[][]> samples = new TreeMap<>();
    for (int n : new int[] {2, 3, 4, 6, 9, 20, 50, 52, 99, 103, 400}) {
      for (double shift : new double[] {0, 0.4, 3}) {
        double[] c = random.doubles(n, 0, 4).map(ViewsIT::millionths).toArray();
        double[] t = random.doubles(n + n / 2, shift, 2 + shift).map(ViewsIT::millionths).toArray();
        String metric = "m" + samples.size();
        samples.put(metric, new double[][] {c, t});
        daily(11, metric, "2026-03-01", c);
        daily(12, metric, "2026-03-01", t);
      }
    }
    samples.forEach(
        (metric, pair) -> {
          String[] row = result(metric, 12, "2026-03-01");
          double p = welch.tTest(pair[1], pair[0]);
          assertThat(number(row[5])).as(metric + " p").isCloseTo(p, within(1e-7 * p + 1e-11));
          double df = number(row[6]);
          double se = number(row[3]) / number(row[4]);
          double reach = new TDistribution(df).inverseCumulativeProbability(0.975) * se;
          assertThat(number(row[8]) - number(row[3]))
              .as(metric + " interval at %s degrees of freedom", df)
              .isCloseTo(reach, within((df < 2 ? 2e-4 : 1e-7) * reach));
        });
  }

  @Test
  void varianceOfARatioIsThatOfItsLinearForm() {
    double[][] control = {{10, 4, 0, 7, 25.5, 3}, {2, 1, 0, 3, 5, 1}};
    double[][] treatment = {{12, 0, 9.25, 8, 30, 1, 2}, {2, 1, 2, 2, 4, 0, 1}};
    users(11, "price", "ratio", control[0], control[1], null);
    users(12, "price", "ratio", treatment[0], treatment[1], null);

    double[] c = linear(control);
    double[] t = linear(treatment);
    String[] row = result("price", 12, "2026-03-01");
    double effect = ratio(treatment) - ratio(control);
    double se = Math.sqrt(new Variance().evaluate(t) / 7 + new Variance().evaluate(c) / 6);
    assertThat(number(row[1])).isCloseTo(ratio(treatment), within(1e-12));
    assertThat(number(row[2])).isCloseTo(new Variance().evaluate(t), within(1e-9));
    assertThat(number(row[3])).isCloseTo(effect, within(1e-12));
    assertThat(number(row[4])).isCloseTo(effect / se, within(1e-9));
    // The linear form's mean is 0: shifted by the ratio it is a sample whose Welch test is the
    // ratio's.
    double[] shifted = Arrays.stream(t).map(v -> v + effect).toArray();
    assertThat(number(row[5])).isCloseTo(new TTest().tTest(shifted, c), within(1e-9));
  }

  @Test
  void cupedTestsTheResidualsOfTheRegressionOnTheCovariate() {
    double[] xc = {5, 0, 3, 8, 1, 4, 9, 2};
    double[] yc = {6, 1, 3.5, 9, 0, 5, 11, 2};
    double[] xt = {4, 7, 1, 0, 6, 3, 8};
    double[] yt = {6, 9, 3, 1.25, 8, 5, 10};
    users(11, "revenue", "mean", yc, null, xc);
    users(12, "revenue", "mean", yt, null, xt);

    SimpleRegression pooled = new SimpleRegression();
    for (int i = 0; i < xc.length; i++) {
      pooled.addData(xc[i], yc[i]);
    }
    for (int i = 0; i < xt.length; i++) {
      pooled.addData(xt[i], yt[i]);
    }
    double theta = pooled.getSlope();
    double[] c = new double[xc.length];
    Arrays.setAll(c, i -> yc[i] - theta * xc[i]);
    double[] t = new double[xt.length];
    Arrays.setAll(t, i -> yt[i] - theta * xt[i]);
    double effect = StatUtils.mean(t) - StatUtils.mean(c);
    String[] row =
        row(
            "SELECT cuped_theta, cuped_effect, cuped_p, cuped_lift, cuped_variance_reduction, cuped_effect_high, p, effect"
                + " FROM experiment_results WHERE variant_id = 12");
    assertThat(number(row[0])).isCloseTo(theta, within(1e-9));
    assertThat(number(row[1])).isCloseTo(effect, within(1e-9));
    assertThat(number(row[2])).isCloseTo(new TTest().tTest(t, c), within(1e-9));
    assertThat(number(row[3])).isCloseTo(effect / StatUtils.mean(yc), within(1e-9));
    double ofAdjusted = StatUtils.variance(t) / 7 + StatUtils.variance(c) / 8;
    double ofPlain = StatUtils.variance(yt) / 7 + StatUtils.variance(yc) / 8;
    assertThat(number(row[4])).isCloseTo(1 - ofAdjusted / ofPlain, within(1e-9));
    double df =
        Math.pow(ofAdjusted, 2)
            / (Math.pow(StatUtils.variance(t) / 7, 2) / 6
                + Math.pow(StatUtils.variance(c) / 8, 2) / 7);
    assertThat(number(row[5]))
        .isCloseTo(
            effect
                + new TDistribution(df).inverseCumulativeProbability(0.975) * Math.sqrt(ofAdjusted),
            within(1e-8));
    assertThat(number(row[6])).isCloseTo(new TTest().tTest(yt, yc), within(1e-9));
  }

  @Test
  void metricWithoutCovariateHasNoAdjustedEffect() {
    daily(11, "revenue", "2026-03-01", new double[] {1, 2, 3});
    daily(12, "revenue", "2026-03-01", new double[] {1, 2, 4});
    assertThat(
            warehouse.query(
                "SELECT cuped_theta, cuped_effect, cuped_p FROM experiment_results WHERE variant_id = 12"))
        .isEqualTo("\\N\t\\N\t\\N");
  }

  @Test
  void alwaysValidIntervalIsTheConfidenceSequenceAndItsPIsWhereItTouchesZero() {
    proportion(11, "2026-03-01", 4_000, 480, 1);
    proportion(12, "2026-03-01", 6_000, 840, 1);

    String[] row =
        row(
            "SELECT effect, t_statistic, always_valid_low, always_valid_high, always_valid_p,"
                + " lift, always_valid_lift_low, always_valid_lift_high"
                + " FROM experiment_results WHERE variant_id = 12");
    double effect = number(row[0]);
    double se = Math.sqrt(0.12 * 0.88 / 4_000 + 0.14 * 0.86 / 6_000);
    assertThat(number(row[2])).isCloseTo(effect - reach(se, 10_000, 0.05), within(1e-12));
    assertThat(number(row[3])).isCloseTo(effect + reach(se, 10_000, 0.05), within(1e-12));
    WelchFieller.Lift lift =
        WelchFieller.lift(
            reach(1, 10_000, 0.05),
            WelchFieller.proportion(6_000, 840),
            WelchFieller.proportion(4_000, 480));
    assertThat(number(row[6])).isCloseTo(lift.low(), within(1e-9));
    assertThat(number(row[7])).isCloseTo(lift.high(), within(1e-9));
    assertThat(number(row[5])).isBetween(lift.low(), lift.high());
    double p = number(row[4]);
    assertThat(p).isBetween(0.0, 0.2);
    assertThat(reach(se, 10_000, p)).isCloseTo(effect, within(1e-9));
    assertThat(p)
        .as("looking at any time costs: p of one look is smaller")
        .isGreaterThan(number(result("conversion", 12, "2026-03-01")[5]));
  }

  /** arXiv 2103.06476, eq. 9, with r for the tightest interval at 5,000 units and alpha 0.05. */
  private static double reach(double se, double n, double alpha) {
    double r2 = (-2 * Math.log(0.05) + Math.log(-2 * Math.log(0.05) + 1)) / 5_000;
    return se
        * Math.sqrt(n)
        * Math.sqrt(2 * (n * r2 + 1) / (n * n * r2) * Math.log(Math.sqrt(n * r2 + 1) / alpha));
  }

  @Test
  void verdictGivesTheReasonNotToTrust() {
    OperationalViewsIT.marker(warehouse, 100, 90);
    proportion(11, "2026-03-01", 1_000, 100, 1);
    proportion(12, "2026-03-01", 1_000, 120, 1);
    assertThat(verdict()).isEqualTo("with care: days are not closed, late events may change it");
    warehouse.query(
        "INSERT INTO data_inconsistencies (code, subject_key, severity, status, observed_at) VALUES"
            + " ('M-ENDED', 'conversion', 'INFO', 'OPEN', '2026-03-05 12:00:00')");
    assertThat(verdict()).isEqualTo("with care: no longer counted since 2026-03-05");
    warehouse.query("TRUNCATE TABLE data_inconsistencies");

    close();
    assertThat(verdict()).isEqualTo("ok");

    proportion(12, "2026-03-02", 10, 0, 1);
    close();
    warehouse.query(
        "INSERT INTO experiment_health_daily (experiment_id, day, exposed_users, crossover_users, srm_df, srm_p)"
            + " VALUES (1, '2026-03-02', [1000, 1000], 20, 1, 0.00001)");
    assertThat(verdict())
        .isEqualTo(
            "do not trust: sample ratio mismatch, p = 0.00001; crossovers: 1 % of the exposed users");

    warehouse.query(
        "INSERT INTO experiment_health_daily (experiment_id, day, exposed_users, crossover_users, srm_df, srm_p, _version)"
            + " VALUES (1, '2026-03-02', [1000, 1000], 19, 1, 0.01, 1)");
    warehouse.query(
        "INSERT INTO experiment_health_daily (experiment_id, day, exposed_users, expected_users, crossover_users, srm_df, srm_p, _version)"
            + " VALUES (1, '2026-03-02', [1000, 0], [99, 1], 0, 1, 0.01, 2)");
    assertThat(verdict()).isEqualTo("do not trust: a variant has no exposed users");
    warehouse.query(
        "INSERT INTO experiment_health_daily (experiment_id, day, exposed_users, expected_users, crossover_users, srm_df, srm_p, _version)"
            + " VALUES (1, '2026-03-02', [989, 0], [99, 1], 0, 1, 0.01, 3)");
    warehouse.query(
        "INSERT INTO data_inconsistencies (code, subject_key, severity, status, experiment_id) VALUES"
            + " ('S-BAD-PROPERTY', 'a', 'ERROR', 'OPEN', 1), ('S-BAD-PROPERTY', 'b', 'ERROR', 'RESOLVED', 1),"
            + " ('T-FUTURE', 'c', 'ERROR', 'OPEN', 2), ('H-SRM', 'd', 'ERROR', 'OPEN', 1)");
    assertThat(verdict()).isEqualTo("with care: open errors: 1, see findings_open");

    warehouse.query("TRUNCATE TABLE data_inconsistencies");
    warehouse.query("TRUNCATE TABLE experiment_daily_stats");
    proportion(11, "2026-03-01", 1_000, 9, 1);
    proportion(12, "2026-03-01", 1_000, 120, 1);
    close();
    assertThat(verdict())
        .isEqualTo("with care: fewer than 10 users with, or without, the event in a variant");
    warehouse.query("TRUNCATE TABLE experiment_daily_stats");
    proportion(11, "2026-03-01", 1_000, 90, 1);
    proportion(12, "2026-03-01", 99, 20, 1);
    close();
    assertThat(verdict()).isEqualTo("with care: fewer than 100 users in a variant");

    warehouse.query(
        "INSERT INTO variants (id, experiment_id, is_control, _version) VALUES (11, 1, false, 1)");
    warehouse.query("TRUNCATE TABLE etl_sink_progress");
    assertThat(verdict())
        .startsWith("do not trust: the initial load is not finished; no variant is the control");
  }

  private void close() {
    warehouse.query(
        "INSERT INTO experiment_daily_stats SELECT * REPLACE (true AS closed, _version + 1 AS _version) FROM experiment_daily_stats FINAL");
  }

  private String verdict() {
    return row(
        "SELECT verdict FROM experiment_results WHERE variant_id = 12 ORDER BY as_of_day DESC LIMIT 1")[
        0];
  }

  @Test
  void cumulativeSeriesHasEveryVariantOnEveryDay() {
    users(11, "price", "ratio", new double[] {4, 2}, new double[] {2, 1}, null);
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, kind, day, new_users, d_sum, d_sum_sq, d_den_sum, d_den_sum_sq, d_num_den)"
            + " VALUES (1, 12, 'price', 'ratio', '2026-03-02', 1, 6, 36, 2, 4, 12)");

    assertThat(
            warehouse.query(
                "SELECT variant_id, day, n, total, den_total, mean FROM experiment_cumulative ORDER BY variant_id, day"))
        .isEqualTo(
            "11\t2026-03-01\t2\t6\t3\t2\n11\t2026-03-02\t2\t6\t3\t2\n12\t2026-03-01\t0\t0\t0\t\\N\n12\t2026-03-02\t1\t6\t2\t3");
  }

  @Test
  void resultsContinueOverDaysWithoutTrafficWithTheSampleRatioOfTheDay() {
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

  private void daily(long variant, String metric, String day, double[] totals) {
    double sum = 0;
    double squares = 0;
    int converters = 0;
    for (double total : totals) {
      sum += total;
      squares += total * total;
      converters += total > 0 ? 1 : 0;
    }
    // ClickHouse truncates digits beyond a column's decimals.
    sum = millionths(sum);
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, kind, day, value_sum, new_users, new_converters, d_sum, d_sum_sq)"
            + " VALUES (1, %d, '%s', 'mean', '%s', %s, %d, %d, %s, %s)"
                .formatted(variant, metric, day, sum, totals.length, converters, sum, squares));
  }

  /** All on one day. */
  private void users(long variant, String metric, String kind, double[] y, double[] z, double[] x) {
    double[] none = new double[y.length];
    double[] below = z == null ? none : z;
    double[] before = x == null ? none : x;
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, kind, day, new_users, d_sum, d_sum_sq, d_den_sum,"
            + " d_den_sum_sq, d_num_den, d_x_sum, d_x_sum_sq, d_xy) VALUES (1, %d, '%s', '%s', '2026-03-01', %d, %s, %s, %s, %s, %s, %s, %s, %s)"
                .formatted(
                    variant,
                    metric,
                    kind,
                    y.length,
                    StatUtils.sum(y),
                    StatUtils.sumSq(y),
                    StatUtils.sum(below),
                    StatUtils.sumSq(below),
                    MathArrays.linearCombination(y, below),
                    StatUtils.sum(before),
                    StatUtils.sumSq(before),
                    MathArrays.linearCombination(y, before)));
  }

  private static double ratio(double[][] numeratorAndDenominator) {
    return StatUtils.sum(numeratorAndDenominator[0]) / StatUtils.sum(numeratorAndDenominator[1]);
  }

  /** (y - R z)/mean(z), whose mean is 0. */
  private static double[] linear(double[][] numeratorAndDenominator) {
    double[] linear = new double[numeratorAndDenominator[0].length];
    Arrays.setAll(
        linear,
        i ->
            (numeratorAndDenominator[0][i]
                    - ratio(numeratorAndDenominator) * numeratorAndDenominator[1][i])
                / StatUtils.mean(numeratorAndDenominator[1]));
    return linear;
  }

  private static double millionths(double value) {
    return Math.rint(value * 1e6) / 1e6;
  }

  private void proportion(long variant, String day, int users, int converters, int events) {
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, kind, day, events, new_users, new_converters, d_sum, d_sum_sq)"
            + " VALUES (1, %d, 'conversion', 'proportion', '%s', %d, %d, %d, %d, %d)"
                .formatted(variant, day, events, users, converters, converters, converters));
  }

  private String[] result(String metric, long variant, String day) {
    return row(
        "SELECT n, mean, variance, effect, t_statistic, p, degrees_of_freedom, effect_low, effect_high, lift, lift_low, srm_p"
            + " FROM experiment_results WHERE metric = '%s' AND variant_id = %d AND as_of_day = '%s'"
                .formatted(metric, variant, day));
  }

  private String[] row(String query) {
    List<String> lines = warehouse.query(query).lines().toList();
    assertThat(lines).hasSize(1);
    return lines.get(0).split("\t", -1);
  }

  private static double number(String text) {
    return Double.parseDouble(text);
  }
}
