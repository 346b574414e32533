package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.experimentetl.config.StatisticsConfig;
import java.time.LocalDate;
import org.junit.jupiter.api.Test;

class RestateCommandTest {
  private static final LocalDate DAY = LocalDate.parse("2026-11-01");
  private static final StatisticsConfig NOTHING = StatisticsConfig.defaults().withMetrics();

  private static ObjectNode yaml(String text) throws Exception {
    return (ObjectNode) new YAMLMapper().readTree(text);
  }

  @Test
  void theMetricsSinceIsSetAndNothingElse() throws Exception {
    ObjectNode root =
        yaml("statistics: {metrics: [{name: a, since: 2026-12-01}, {name: b, kind: count}]}");
    RestateCommand.setSince(root, "a", DAY, NOTHING);
    RestateCommand.setSince(root, "b", DAY, NOTHING);
    assertThat(root)
        .isEqualTo(
            yaml(
                "statistics: {metrics: [{name: a, since: 2026-11-01}, {name: b, kind: count, since: 2026-11-01}]}"));
  }

  @Test
  void aMetricThatIsNotConfiguredIsNamed() throws Exception {
    ObjectNode root = yaml("source: {host: h}");
    assertThatThrownBy(() -> RestateCommand.setSince(root, "a", DAY, NOTHING))
        .isInstanceOf(PlatformException.class)
        .hasMessageContaining("has no metric a: add it there, with all metrics that are counted");
  }

  @Test
  void ofAMetricThatIsCountedByDefaultNothingIsLeftToRestate() throws Exception {
    ObjectNode root = yaml("source: {host: h}");
    assertThatThrownBy(
            () -> RestateCommand.setSince(root, "revenue", DAY, StatisticsConfig.defaults()))
        .isInstanceOf(PlatformException.class)
        .hasMessageContaining("metric revenue is one of those that are counted by default");
  }
}
