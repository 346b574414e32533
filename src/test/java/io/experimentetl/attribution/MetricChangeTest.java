package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.StatisticsConfig;
import java.time.Duration;
import java.time.LocalDate;
import java.util.Set;
import org.junit.jupiter.api.Test;

class MetricChangeTest {
  private static final long SEEN = UserScenario.at("2026-11-26T10:00:00Z");
  private static final MetricConfig CONVERSION =
      MetricConfig.proportion("conversion", "conversion");
  private static final MetricConfig REVENUE = MetricConfig.mean("revenue", "purchase", "revenue");
  private static final StatisticsConfig BEFORE =
      StatisticsConfig.defaults().withMetrics(CONVERSION, REVENUE);

  private static MetricConfig items(String since) {
    return MetricConfig.mean("items", "purchase", "items").withSince(LocalDate.parse(since));
  }

  private static MetricChange change(Set<String> restated, MetricConfig... now) {
    return MetricChange.between(BEFORE, BEFORE.withMetrics(now), restated, Set.of("old"), SEEN);
  }

  private static void assertRefused(String problem, MetricConfig... now) {
    assertRefused(problem, Set.of(), now);
  }

  private static void assertRefused(String problem, Set<String> restated, MetricConfig... now) {
    assertThatThrownBy(() -> change(restated, now))
        .hasMessageStartingWith("The statistics settings differ from those of the savepoint: ")
        .hasMessageContaining(problem)
        .as("the remedy is per metric, and needs no empty database")
        .hasMessageNotContaining("empty ClickHouse database");
  }

  @Test
  void metricThatBeginsAfterTheSavepointNeedsNoRawRows() {
    MetricChange change = change(Set.of(), CONVERSION, REVENUE, items("2026-11-28"));
    assertThat(change.after().metrics()).containsExactly(items("2026-11-28"));
    assertThat(change.before().metrics()).isEmpty();
    assertThat(change.wants("purchase", null, SEEN)).isFalse();
  }

  @Test
  void addedMetricReadsValuesFromTheEarliestStartOfItsDay() {
    MetricChange change = change(Set.of(), CONVERSION, REVENUE, items("2026-11-28"));
    long earliest = UserScenario.at("2026-11-27T06:00:00Z");
    assertThat(change.wants("purchase", null, earliest)).isTrue();
    assertThat(change.wants("purchase", null, earliest - 1)).isFalse();
    assertThat(change.wants("exposure", null, earliest)).isFalse();
  }

  @Test
  void valuesOfAnotherMetricAreAlreadyInState() {
    MetricConfig capped =
        MetricConfig.mean("capped", "purchase", "revenue")
            .withCap("9")
            .withSince(LocalDate.parse("2026-01-01"));
    assertThat(change(Set.of("capped"), CONVERSION, REVENUE, capped).wanted()).isEmpty();
  }

  @Test
  void valuesBeforeTheOtherMetricsStartAreRead() {
    StatisticsConfig before = BEFORE.withMetrics(items("2026-10-02"));
    MetricChange change =
        MetricChange.between(
            before, before.withMetrics(items("2026-09-02")), Set.of("items"), Set.of(), SEEN);
    assertThat(change.wanted())
        .containsExactly(
            new MetricChange.Wanted(
                new MetricTerm("purchase", "items"),
                UserScenario.at("2026-09-01T06:00:00Z"),
                UserScenario.at("2026-10-01T06:00:00Z")));
    assertThat(change.before().metrics()).containsExactly(items("2026-10-02"));
  }

  @Test
  void removedMetricEnds() {
    MetricChange change = change(Set.of(), CONVERSION);
    assertThat(change.ended()).containsExactly("revenue");
    assertThat(change.restates()).isFalse();
  }

  @Test
  void orderOfMetricsDoesNotMatter() {
    assertThat(change(Set.of(), REVENUE, CONVERSION).restates()).isFalse();
  }

  @Test
  void addedMetricWithoutSinceIsRefusedWithTheEarliestDay() {
    assertRefused(
        "statistics.metrics: items was added without since: set since: 2026-11-28 or later, or run ./etl restate --metric items --from DAY",
        CONVERSION,
        REVENUE,
        items("2026-11-28").withSince(null));
  }

  @Test
  void addedMetricOfADayBeforeTheSavepointIsRefused() {
    assertRefused(
        "items was added with since: 2026-11-27, and the savepoint has seen the source up to 2026-11-26T10:00:00Z: set since: 2026-11-28 or later",
        CONVERSION,
        REVENUE,
        items("2026-11-27"));
  }

  @Test
  void covariatePeriodMustBeginAfterTheSavepointToo() {
    assertRefused(
        "set since: 2026-12-12 or later",
        CONVERSION,
        REVENUE,
        items("2026-12-11").withCovariate(Duration.ofDays(14)));
    assertThat(
            change(
                    Set.of(),
                    CONVERSION,
                    REVENUE,
                    items("2026-12-12").withCovariate(Duration.ofDays(14)))
                .restates())
        .isTrue();
  }

  @Test
  void restatedMetricMayBeginEarlier() {
    MetricChange change = change(Set.of("items"), CONVERSION, REVENUE, items("2026-01-01"));
    assertThat(change.wants("purchase", null, SEEN)).isTrue();
  }

  @Test
  void changedDefinitionIsRefusedUnlessRestated() {
    MetricConfig capped = REVENUE.withCap("5").withSince(LocalDate.parse("2026-01-01"));
    assertRefused(
        "statistics.metrics: revenue was changed (statistics.metrics.revenue.cap is new: 5; statistics.metrics.revenue.since is new: 2026-01-01): give the new metric another name, or run ./etl restate --metric revenue --from DAY",
        CONVERSION,
        capped);
    MetricChange change = change(Set.of("revenue"), CONVERSION, capped);
    assertThat(change.before().metrics()).containsExactly(REVENUE);
    assertThat(change.after().metrics()).containsExactly(capped);
  }

  @Test
  void omittedSettingIsNamed() {
    StatisticsConfig before = BEFORE.withMetrics(REVENUE.withCap("5"));
    assertThatThrownBy(
            () ->
                MetricChange.between(before, before.withMetrics(REVENUE), Set.of(), Set.of(), SEEN))
        .hasMessageContaining("statistics.metrics.revenue.cap was 5 and is not given");
  }

  @Test
  void anotherKindNeedsAnotherName() {
    assertRefused(
        "another kind needs another name",
        Set.of("revenue"),
        CONVERSION,
        MetricConfig.count("revenue", "purchase").withSince(LocalDate.parse("2026-01-01")));
  }

  @Test
  void laterStartIsRefusedAsUsersWouldLeavePublishedDays() {
    assertRefused(
        "users who were counted before would disappear from published days",
        Set.of("revenue"),
        CONVERSION,
        REVENUE.withSince(LocalDate.parse("2026-01-01")));
  }

  @Test
  void nameOfAnEndedMetricIsRefused() {
    assertRefused(
        "old was counted once, and its days keep this name: give the new metric another name",
        Set.of("old"),
        CONVERSION,
        REVENUE,
        MetricConfig.count("old", "e").withSince(LocalDate.parse("2027-01-01")));
  }

  @Test
  void allRefusalsAreNamedAtOnce() {
    StatisticsConfig now =
        BEFORE.withCrossover(CrossoverPolicy.FIRST).withMetrics(REVENUE.withCap("5"));
    assertThatThrownBy(() -> MetricChange.between(BEFORE, now, Set.of(), Set.of(), SEEN))
        .hasMessageContaining("statistics.crossover was EXCLUDE and is FIRST")
        .hasMessageContaining("statistics.metrics: revenue was changed");
  }
}
