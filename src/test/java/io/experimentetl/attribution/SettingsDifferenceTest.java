package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StatisticsConfig;
import java.util.List;
import org.junit.jupiter.api.Test;

class SettingsDifferenceTest {
  private static final StatisticsConfig BEFORE = StatisticsConfig.defaults();

  @Test
  void onlyTheKeysThatDifferAreNamed() {
    assertThat(between(BEFORE.withCrossover(CrossoverPolicy.FIRST)))
        .isEqualTo("statistics.crossover was EXCLUDE and is FIRST");
  }

  @Test
  void aListIsOneValueAndAKeyIsWrittenAsInTheFile() {
    StatisticsConfig now =
        new StatisticsConfig(
            BEFORE.zone(),
            BEFORE.population(),
            "seen",
            BEFORE.crossover(),
            BEFORE.allowedLateness(),
            List.of(MetricConfig.proportion("conversion", "conversion")));
    assertThat(between(now))
        .startsWith(
            "statistics.exposure-event was exposure and is seen; statistics.metrics was [MetricConfig[name=conversion,")
        .contains("name=revenue")
        .contains(" and is [MetricConfig[name=conversion,")
        .doesNotContain("zone");
  }

  private static String between(StatisticsConfig now) {
    return SettingsDifference.between("statistics", BEFORE.toString(), now.toString());
  }
}
