package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricDirection;
import io.experimentetl.config.MetricPurpose;
import io.experimentetl.config.MetricRole;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.SqlFiles;
import io.experimentetl.warehouse.DeclaredMetrics;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What the results say of a metric by what it is judged for. */
class MetricPurposeIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private ClickHouseEndpoint warehouse;

  @BeforeEach
  void createExperimentWithTwoVariants() {
    warehouse = PLATFORM.newClickHouseDatabase("purposes");
    new SqlFiles(Path.of("sql")).applyTo(warehouse.login(), true);
    warehouse.query(
        "INSERT INTO experiments (id, key, name, status) VALUES (1, 'checkout', 'Checkout', 'ACTIVE')");
    warehouse.query(
        "INSERT INTO variants (id, experiment_id, key, name, is_control) VALUES (11, 1, 'control', 'Old', true), (12, 1, 'treatment', 'New', false)");
    OperationalViewsIT.marker(warehouse, 100, 90);
  }

  @Test
  void roleAndDirectionOfAMetricDecideItsOutcome() throws Exception {
    MetricConfig orders = metric("orders", MetricRole.GOAL, MetricDirection.INCREASE, 2);
    MetricConfig refunds = metric("refunds", MetricRole.GUARDRAIL, MetricDirection.DECREASE, null);
    MetricConfig clicks = metric("clicks", MetricRole.DIAGNOSTIC, null, 1);
    MetricConfig visits = metric("visits", MetricRole.GOAL, null, null);
    MetricConfig elsewhere = metric("sign-ups", MetricRole.GOAL, null, null, "onboarding-*");
    declare(orders, refunds, clicks, visits, elsewhere);
    for (MetricConfig metric : List.of(orders, refunds, clicks, visits, elsewhere)) {
      converted(11, metric.name(), 100);
      converted(12, metric.name(), 300);
    }
    converted(11, "undeclared", 100);
    converted(12, "undeclared", 100);
    String harmed = "with care: a guardrail is harmed: refunds";
    assertThat(outcomes())
        .isEqualTo(
            String.join(
                "\n",
                "undeclared\tgoal\tno difference shown\t" + harmed,
                "clicks\tdiagnostic\t\\N\t" + harmed,
                "orders\tgoal\tbetter\t" + harmed,
                "refunds\tguardrail\tharmed\t" + harmed,
                "visits\tgoal\thigher\t" + harmed,
                "sign-ups\tgoal\t\\N\tnot judged: the metric is for other experiments"));

    declare(orders, refunds, clicks, visits, elsewhere);
    assertThat(warehouse.query("SELECT count() FROM metrics"))
        .as("a start that is repeated writes nothing")
        .isEqualTo("5");
    declare(
        metric("orders", MetricRole.GOAL, MetricDirection.DECREASE, 2),
        metric("refunds", MetricRole.GUARDRAIL, MetricDirection.INCREASE, null));
    assertThat(outcomes())
        .contains("orders\tgoal\tworse\tok", "refunds\tguardrail\tbetter\tok")
        .contains("visits\tgoal\thigher\tok");
  }

  @Test
  void allMetricsOfAnExperimentHaveTheSameLastDayAndOneWithoutEventsIsNotOk() {
    for (long variant : new long[] {11, 12}) {
      converted(variant, "orders", 300);
      converted(variant, "returns", 0);
    }
    warehouse.query(
        "INSERT INTO experiment_daily_stats SELECT * REPLACE (toDate32('2026-03-05') AS day, 'visits' AS metric) FROM (SELECT * FROM experiment_daily_stats FINAL WHERE metric = 'orders')");
    assertThat(
            warehouse.query(
                "SELECT metric, max(as_of_day), argMax(verdict, as_of_day) FROM experiment_results WHERE variant_id = 12 GROUP BY metric ORDER BY metric"))
        .isEqualTo(
            "orders\t2026-03-05\tok\nreturns\t2026-03-05\twith care: no event of the metric was counted; fewer than 10 users with, or without, the event in a variant\nvisits\t2026-03-05\tok");
  }

  private void declare(MetricConfig... metrics) throws Exception {
    DeclaredMetrics.write(warehouse.login().connection(), List.of(metrics));
  }

  private static MetricConfig metric(
      String name, MetricRole role, MetricDirection direction, Integer order, String... keys) {
    return MetricConfig.proportion(name, name)
        .judgedFor(new MetricPurpose(List.of(keys), role, direction, order));
  }

  private void converted(long variant, String metric, int converters) {
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, kind, day, events, new_users, new_converters, d_sum, d_sum_sq, closed)"
            + " VALUES (1, %d, '%s', 'proportion', '2026-03-01', %3$d, 1000, %3$d, %3$d, %3$d, true)"
                .formatted(variant, metric, converters));
  }

  private String outcomes() {
    return warehouse.query(
        "SELECT metric, metric_role, outcome, verdict FROM experiment_results WHERE variant_id = 12 ORDER BY metric_place, metric");
  }
}
