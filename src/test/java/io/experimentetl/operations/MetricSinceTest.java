package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.config.StatisticsConfig;
import java.time.LocalDate;
import org.junit.jupiter.api.Test;

class MetricSinceTest {
  private static final LocalDate DAY = LocalDate.parse("2026-11-01");
  private static final StatisticsConfig NOTHING = StatisticsConfig.defaults().withMetrics();

  private static String set(String yaml, String metric) {
    return MetricSince.set(yaml, metric, DAY, NOTHING);
  }

  @Test
  void sinceOfTheMetricChangesAndNothingElse() {
    String yaml =
        "statistics: {metrics: [{name: a, since: 2026-12-01}, {name: b, kind: count}]} # ours\n";
    assertThat(set(set(yaml, "a"), "b"))
        .isEqualTo(
            "statistics: {metrics: [{name: a, since: 2026-11-01}, {name: b, since: 2026-11-01, kind: count}]} # ours\n");
  }

  @Test
  void commentsAndLayoutOfAnOperatorsFileStay() {
    String yaml =
        """
        # The shop's — experiments 🛒.
        statistics:
          metrics:
            - name: orders   # counted since the launch
              kind: count
            # The money.
            - kind: mean
              name: "revenue"
              since: '2026-12-01'   # asked for by finance
        """;
    assertThat(set(set(yaml, "orders"), "revenue"))
        .isEqualTo(
            """
            # The shop's — experiments 🛒.
            statistics:
              metrics:
                - name: orders
                  since: 2026-11-01   # counted since the launch
                  kind: count
                # The money.
                - kind: mean
                  name: "revenue"
                  since: 2026-11-01   # asked for by finance
            """);
  }

  @Test
  void unknownMetricIsRefusedByName() {
    assertThatThrownBy(() -> set("source: {host: h}", "a"))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("has no metric a: add it there, with all metrics that are counted");
    assertThatThrownBy(() -> set("", "a")).hasMessageContaining("has no metric a");
  }

  @Test
  void defaultMetricHasNothingLeftToRestate() {
    assertThatThrownBy(
            () -> MetricSince.set("source: {host: h}", "revenue", DAY, StatisticsConfig.defaults()))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("metric revenue is a default metric");
  }

  @Test
  void invalidYamlIsRefusedWithoutItsText() {
    assertThatThrownBy(() -> set("password: {secret", "a"))
        .hasMessageContaining("not valid YAML")
        .hasMessageNotContaining("secret");
  }
}
