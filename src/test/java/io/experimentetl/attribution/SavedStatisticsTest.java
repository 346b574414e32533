package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.StatisticsConfig;
import java.time.Duration;
import java.time.LocalDate;
import org.junit.jupiter.api.Test;

class SavedStatisticsTest {
  private static final MetricConfig REVENUE = MetricConfig.mean("revenue", "purchase", "revenue");

  private static StatisticsConfig with(MetricConfig... metrics) {
    return StatisticsConfig.defaults().withMetrics(metrics);
  }

  @Test
  void settingsAreReadAsTheyWereWritten() {
    StatisticsConfig all =
        with(
            MetricConfig.proportion("conversion", "conversion")
                .within(Duration.ofHours(1), Duration.ofDays(2)),
            REVENUE.withCap("700.000001").withCovariate(Duration.ofDays(14)),
            MetricConfig.mean("n", "e", "null"),
            MetricConfig.ratio("r", new MetricTerm("a", "x"), new MetricTerm("b", null)),
            MetricConfig.mean("items", "purchase", "items")
                .withSince(LocalDate.parse("2026-11-28")));
    assertThat(SavedStatistics.read(SavedStatistics.write(all))).isEqualTo(all);
  }

  @Test
  void namesMayContainAnyCharacter() {
    StatisticsConfig odd =
        with(MetricConfig.mean("n", "a, property=b", "c"), MetricConfig.mean("\"", "a]", "{"));
    assertThat(SavedStatistics.read(SavedStatistics.write(odd))).isEqualTo(odd);
  }

  @Test
  void savedTextHasItsVersionAndTheKeysOfTheFile() {
    assertThat(SavedStatistics.write(with(REVENUE)))
        .isEqualTo(
            "{\"version\":1,\"zone\":\"UTC\",\"population\":\"EXPOSURE\",\"exposure-event\":\"exposure\","
                + "\"crossover\":\"EXCLUDE\",\"allowed-lateness\":\"PT72H\",\"metrics\":[{\"name\":\"revenue\","
                + "\"kind\":\"MEAN\",\"event-type\":\"purchase\",\"property\":\"revenue\",\"delay\":\"PT0S\"}]}");
  }

  @Test
  void unknownFormIsRefusedWithTheRemedy() {
    String saved = SavedStatistics.write(with(REVENUE));
    assertRefused("");
    assertRefused("StatisticsConfig[zone=UTC]");
    assertRefused(saved.replace("\"version\":1", "\"version\":2"));
    assertRefused(saved.replace("\"zone\"", "\"currency\":\"EUR\",\"zone\""));
    assertRefused(saved.replace("EXCLUDE", "SOMETIMES"));
  }

  private static void assertRefused(String saved) {
    assertThatThrownBy(() -> SavedStatistics.read(saved))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "The savepoint holds statistics settings that this build can't read (it reads version 1): %s. Start the build that took the savepoint, or a later one",
            saved);
  }
}
