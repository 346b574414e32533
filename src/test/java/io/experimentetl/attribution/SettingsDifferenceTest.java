package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StatisticsConfig;
import org.junit.jupiter.api.Test;

class SettingsDifferenceTest {
  private static final StatisticsConfig BEFORE = StatisticsConfig.defaults();

  @Test
  void differenceNamesOnlyTheKeysThatDiffer() {
    assertThat(between(BEFORE.withCrossover(CrossoverPolicy.FIRST)))
        .isEqualTo("statistics.crossover was EXCLUDE and is FIRST");
  }

  @Test
  void listIsOneValueAndKeysAreThoseOfTheFile() {
    StatisticsConfig now =
        ConfigBuilder.defaults()
            .with(StatisticsConfig::exposureEvent, "seen")
            .withMetrics(MetricConfig.proportion("conversion", "conversion"))
            .build()
            .statistics();
    assertThat(between(now))
        .startsWith(
            "statistics.exposure-event was exposure and is seen; statistics.metrics was [{\"name\":\"conversion\",")
        .contains("\"name\":\"revenue\"")
        .contains(" and is [{\"name\":\"conversion\",")
        .doesNotContain("zone");
  }

  private static String between(StatisticsConfig now) {
    return SettingsDifference.between(
        "statistics", SavedStatistics.settings(BEFORE), SavedStatistics.settings(now));
  }
}
