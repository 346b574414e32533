package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.Population;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.local.PlatformExtension;
import java.math.BigDecimal;
import java.sql.SQLException;
import java.time.Duration;
import java.time.LocalDate;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * The recomputation against values computed by hand, in PostgreSQL and in ClickHouse. A line reads:
 * variant, metric, day: exposures, active users, converting users, events, value sum, new users,
 * new converters, d_sum, d_sum_sq | d_den_sum, d_den_sum_sq, d_num_den, d_x_sum, d_x_sum_sq, d_xy
 * (where one of them is not 0). Each test works in an experiment of its own.
 */
class StatisticsSqlIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final StatisticsConfig DEFAULTS = StatisticsConfig.defaults();
  private static AuditFixture fixture;
  private static long experiments;

  private final long experiment = ++experiments;
  private final long control = experiment * 10 + 1;
  private final long treatment = experiment * 10 + 2;

  @BeforeAll
  static void servers() throws Exception {
    fixture = AuditFixture.create(PLATFORM);
  }

  @AfterAll
  static void close() throws SQLException {
    fixture.close();
  }

  @Test
  void eventsCountFromTheFirstExposureOn() throws SQLException {
    experiment("NULL", "NULL", "NULL");
    user("ada", control);
    event("ada", "2026-03-01 08:00:00Z", "conversion");
    event("ada", "2026-03-01 10:00:00Z", "exposure");
    event("ada", "2026-03-01 10:00:00Z", "conversion");
    event("ada", "2026-03-02 10:00:00Z", "conversion");
    event("ada", "2026-03-03 09:00:00Z", "exposure");
    user("bob", treatment);
    event("bob", "2026-03-01 10:00:00Z", "conversion");

    assertFigures(
        DEFAULTS,
        "control conversion 2026-03-01: 1 1 1 1 0 1 1 1 1",
        "control conversion 2026-03-02: 0 1 1 1 0 0 0 0 0",
        "control conversion 2026-03-03: 1 1 0 0 0 0 0 0 0",
        "control revenue 2026-03-01: 1 1 0 0 0 1 0 0 0",
        "control revenue 2026-03-03: 1 1 0 0 0 0 0 0 0");
  }

  @Test
  void sumsOfSquaresAddUpOverDays() throws SQLException {
    experiment("NULL", "NULL", "NULL");
    user("ada", control);
    exposure("ada", "2026-03-01 08:00:00Z");
    purchase("ada", "2026-03-01 09:00:00Z", "{\"revenue\": 1.5}");
    purchase("ada", "2026-03-01 10:00:00Z", "{\"revenue\": 0.25}");
    purchase("ada", "2026-03-04 10:00:00Z", "{\"revenue\": 10}");
    user("bob", control);
    exposure("bob", "2026-03-04 08:00:00Z");
    purchase("bob", "2026-03-04 08:00:01Z", "{\"revenue\": 2}");

    // ada: 1.75, then 2 * 1.75 * 10 + 100 = 135; bob: 4.
    assertFigures(
        DEFAULTS,
        "control conversion 2026-03-01: 1 1 0 0 0 1 0 0 0",
        "control conversion 2026-03-04: 1 1 0 0 0 1 0 0 0",
        "control revenue 2026-03-01: 1 1 1 2 1.75 1 1 1.75 3.0625",
        "control revenue 2026-03-04: 1 2 2 2 12 1 1 12 139");
  }

  @Test
  void crossoverCountsNowhereOrInTheAssignedVariant() throws SQLException {
    experiment("NULL", "NULL", "NULL");
    user("ada", control);
    exposure("ada", "2026-03-01 08:00:00Z");
    event("ada", "2026-03-01 09:00:00Z", "conversion");
    event("ada", "2026-03-02 08:00:00Z", "exposure", treatment, null);
    user("bob", control);
    event("bob", "2026-03-01 08:00:00Z", "exposure", null, null);
    user("cyd", control);
    exposure("cyd", "2026-03-01 08:00:00Z");
    // Only exposures show a variant: another event with another variant is a mismatch only.
    event("cyd", "2026-03-01 09:00:00Z", "conversion", treatment, null);

    assertFigures(
        DEFAULTS,
        "control conversion 2026-03-01: 2 2 1 1 0 2 1 1 1",
        "control revenue 2026-03-01: 2 2 0 0 0 2 0 0 0");
    assertFigures(
        DEFAULTS.withCrossover(CrossoverPolicy.FIRST),
        "control conversion 2026-03-01: 3 3 2 2 0 3 2 2 2",
        "control conversion 2026-03-02: 1 1 0 0 0 0 0 0 0",
        "control revenue 2026-03-01: 3 3 0 0 0 3 0 0 0",
        "control revenue 2026-03-02: 1 1 0 0 0 0 0 0 0");
  }

  @Test
  void duplicateEventCountsAtItsEarliestTime() throws SQLException {
    experiment("NULL", "NULL", "NULL");
    user("ada", control);
    String id = "00000000-0000-4000-8000-000000000001";
    exposure("ada", "2026-03-01 08:00:00Z");
    fixture.event(id, experiment, "ada", "2026-03-02 08:00:00Z", "conversion", null, null);
    fixture.event(id, experiment, "ada", "2026-03-03 08:00:00Z", "conversion", null, null);
    // The earliest row of an id determines its type: a later one with another type doesn't count.
    fixture.event(
        id, experiment, "ada", "2026-03-04 08:00:00Z", "purchase", null, "{\"revenue\": 5}");
    // The same id of another user is another event.
    user("bob", control);
    exposure("bob", "2026-03-01 08:00:00Z");
    fixture.event(id, experiment, "bob", "2026-03-05 08:00:00Z", "conversion", null, null);

    assertFigures(
        DEFAULTS,
        "control conversion 2026-03-01: 2 2 0 0 0 2 0 0 0",
        "control conversion 2026-03-02: 0 1 1 1 0 0 1 1 1",
        "control conversion 2026-03-05: 0 1 1 1 0 0 1 1 1",
        "control revenue 2026-03-01: 2 2 0 0 0 2 0 0 0");
  }

  @Test
  void overriddenForcedUnassignedAndForeignUsersDoNotCount() throws SQLException {
    experiment("NULL", "NULL", "NULL");
    fixture.user("ove");
    fixture.assignment(experiment, "ove", control, "override", "2026-03-01 00:00:00Z", "NULL");
    exposure("ove", "2026-03-01 08:00:00Z");
    fixture.user("frc");
    fixture.assignment(experiment, "frc", control, "forced", "2026-03-01 00:00:00Z", "NULL");
    exposure("frc", "2026-03-01 08:00:00Z");
    fixture.user("una");
    exposure("una", "2026-03-01 08:00:00Z");
    // Assigned to another experiment's variant.
    long other = ++experiments;
    fixture.experiment(other, "NULL", "NULL", "NULL");
    fixture.user("for");
    fixture.assignment(experiment, "for", other * 10 + 1, "hash", "2026-03-01 00:00:00Z", "NULL");
    exposure("for", "2026-03-01 08:00:00Z");
    fixture.user("api");
    fixture.assignment(experiment, "api", treatment, "api", "2026-03-01 00:00:00Z", "NULL");
    exposure("api", "2026-03-01 08:00:00Z");

    assertFigures(
        DEFAULTS,
        "treatment conversion 2026-03-01: 1 1 0 0 0 1 0 0 0",
        "treatment revenue 2026-03-01: 1 1 0 0 0 1 0 0 0");
  }

  @Test
  void startAndEndOfTheExperimentAreInside() throws SQLException {
    experiment("NULL", "2026-03-01 00:00:00Z", "2026-03-02 00:00:00Z");
    user("ada", control);
    exposure("ada", "2026-02-28 23:59:59.999999Z");
    exposure("ada", "2026-03-01 00:00:00Z");
    event("ada", "2026-03-02 00:00:00Z", "conversion");
    event("ada", "2026-03-02 00:00:00.000001Z", "conversion");
    user("bob", control);
    exposure("bob", "2026-02-28 00:00:00Z");
    event("bob", "2026-03-01 10:00:00Z", "conversion");

    assertFigures(
        DEFAULTS,
        "control conversion 2026-03-01: 1 1 0 0 0 1 0 0 0",
        "control conversion 2026-03-02: 0 1 1 1 0 0 1 1 1",
        "control revenue 2026-03-01: 1 1 0 0 0 1 0 0 0");
  }

  @Test
  void windowBeginsAfterTheDelayAndExcludesItsEnd() throws SQLException {
    experiment("NULL", "NULL", "NULL");
    user("ada", control);
    exposure("ada", "2026-03-01 12:00:00Z");
    event("ada", "2026-03-01 12:59:59.999999Z", "conversion");
    event("ada", "2026-03-01 13:00:00Z", "conversion");
    event("ada", "2026-03-02 12:59:59.999999Z", "conversion");
    event("ada", "2026-03-02 13:00:00Z", "conversion");

    assertFigures(
        withMetrics(
            MetricConfig.proportion("day", "conversion")
                .within(Duration.ofHours(1), Duration.ofDays(1))),
        "control day 2026-03-01: 1 1 1 1 0 1 1 1 1",
        "control day 2026-03-02: 0 1 1 1 0 0 0 0 0");
  }

  @Test
  void daysFollowTheExperimentsZoneIncludingDaylightSaving() throws SQLException {
    experiment("'America/Los_Angeles'", "NULL", "NULL");
    user("ada", control);
    // Los Angeles goes from UTC-8 to UTC-7 on 2026-03-08 at 10:00Z.
    exposure("ada", "2026-03-08 07:59:59.999999Z");
    event("ada", "2026-03-08 08:00:00Z", "conversion");
    event("ada", "2026-03-09 06:59:59.999999Z", "conversion");
    event("ada", "2026-03-09 07:00:00Z", "conversion");

    assertFigures(
        withMetrics(MetricConfig.proportion("conversion", "conversion")),
        "control conversion 2026-03-07: 1 1 0 0 0 1 0 0 0",
        "control conversion 2026-03-08: 0 1 1 2 0 0 1 1 1",
        "control conversion 2026-03-09: 0 1 1 1 0 0 0 0 0");
  }

  @Test
  void offsetsAreEastOfGreenwichAndUnknownZonesFallBackToTheDefault() throws SQLException {
    experiment("'+05:30'", "NULL", "NULL");
    user("ada", control);
    exposure("ada", "2026-03-01 18:30:00Z");
    assertFigures(
        withMetrics(MetricConfig.proportion("conversion", "conversion")),
        "control conversion 2026-03-02: 1 1 0 0 0 1 0 0 0");

    fixture.sql(
        "UPDATE experiments SET config = '{\"zone\": \"Mars/Base\"}' WHERE id = " + experiment);
    assertFigures(
        ConfigBuilder.defaults()
            .with(StatisticsConfig::zone, "Pacific/Auckland")
            .with(StatisticsConfig::allowedLateness, Duration.ZERO)
            .withMetrics(MetricConfig.proportion("conversion", "conversion"))
            .build()
            .statistics(),
        "control conversion 2026-03-02: 1 1 0 0 0 1 0 0 0");
  }

  @Test
  void propertyCountsIfItIsANumberFromZeroBelowATrillion() throws SQLException {
    experiment("NULL", "NULL", "NULL");
    user("ada", control);
    exposure("ada", "2026-03-01 00:00:00Z");
    for (String bad :
        List.of(
            "null",
            "{}",
            "[1]",
            "5",
            "[{\"revenue\": 5}]",
            "{\"revenue\": \"5\"}",
            "{\"revenue\": null}",
            "{\"revenue\": true}",
            "{\"revenue\": [5]}",
            "{\"revenue\": -0.0000001}",
            "{\"revenue\": 1e12}",
            "{\"revenue\": 1e300}",
            "{\"order\": {\"revenue\": 5}}",
            "{\"note\": \"\\\"revenue\\\": 5, \", \"x\": \"revenue\"}",
            "{\"rev\\\"enue\": 5}",
            "{\"Revenue\": 5}")) {
      purchase("ada", "2026-03-01 01:00:00Z", bad);
    }
    purchase("ada", "2026-03-01 01:00:00Z", null);
    purchase("ada", "2026-03-02 00:00:00Z", "{\"revenue\": 999999999999.9999999}");
    purchase("ada", "2026-03-03 00:00:00Z", "{\"revenue\": 0.12345678901234567890}");
    purchase("ada", "2026-03-04 00:00:00Z", "{\"revenue\": 0}");
    purchase(
        "ada",
        "2026-03-05 00:00:00Z",
        "{\"a\": {\"revenue\": 7}, \"b\": \"}\", \"revenue\": 1.5e1}");

    assertFigures(
        withMetrics(MetricConfig.mean("revenue", "purchase", "revenue")),
        "control revenue 2026-03-01: 1 1 0 0 0 1 0 0 0",
        "control revenue 2026-03-02: 0 1 1 1 999999999999.999999 0 1 999999999999.999999"
            + " 999999999999999998000000.000000000001",
        // v = 0.123456, 2 T v + v^2
        "control revenue 2026-03-03: 0 1 1 1 0.123456 0 0 0.123456 "
            + squares("999999999999.999999", "0.123456"),
        "control revenue 2026-03-04: 0 1 1 1 0 0 0 0 0",
        "control revenue 2026-03-05: 0 1 1 1 15 0 0 15 " + squares("1000000000000.123455", "15"));
  }

  @Test
  void propertyKeysOfAnyCharactersAreFound() throws SQLException {
    experiment("NULL", "NULL", "NULL");
    user("ada", control);
    exposure("ada", "2026-03-01 00:00:00Z");
    purchase("ada", "2026-03-01 01:00:00Z", "{\"it's \\\"net\\\" \\\\ (é)\": 2.5}");

    assertFigures(
        withMetrics(MetricConfig.mean("net", "purchase", "it's \"net\" \\ (é)")),
        "control net 2026-03-01: 1 1 1 1 2.5 1 1 2.5 6.25");
  }

  @Test
  void populationCanBeEnrolledOrAssignedUsers() throws SQLException {
    experiment("NULL", "2026-03-01 00:00:00Z", "NULL");
    fixture.user("enr");
    fixture.assignment(
        experiment, "enr", control, "hash", "2026-03-01 00:00:00Z", "'2026-03-02 12:00:00Z'");
    event("enr", "2026-03-02 11:00:00Z", "conversion");
    event("enr", "2026-03-03 11:00:00Z", "conversion");
    fixture.user("not");
    fixture.assignment(experiment, "not", control, "hash", "2026-03-01 00:00:00Z", "NULL");
    fixture.user("ear");
    fixture.assignment(
        experiment, "ear", control, "hash", "2026-02-01 00:00:00Z", "'2026-02-28 12:00:00Z'");
    event("ear", "2026-03-03 11:00:00Z", "conversion");

    MetricConfig conversion = MetricConfig.proportion("conversion", "conversion");
    assertFigures(
        withPopulation(Population.ENROLLED, conversion),
        "control conversion 2026-03-02: 0 0 0 0 0 1 0 0 0",
        "control conversion 2026-03-03: 0 1 1 1 0 0 1 1 1");
    assertFigures(
        withPopulation(Population.ASSIGNED, conversion),
        "control conversion 2026-03-01: 0 0 0 0 0 2 0 0 0",
        "control conversion 2026-03-02: 0 1 1 1 0 0 1 1 1",
        "control conversion 2026-03-03: 0 1 1 1 0 0 0 0 0");
  }

  @Test
  void metricOnTheExposureEventCountsExposures() throws SQLException {
    experiment("NULL", "NULL", "NULL");
    user("ada", control);
    exposure("ada", "2026-03-01 00:00:00Z");
    exposure("ada", "2026-03-01 01:00:00Z");

    assertFigures(
        withMetrics(MetricConfig.proportion("seen", "exposure")),
        "control seen 2026-03-01: 2 1 1 2 0 1 1 1 1");
  }

  @Test
  void ratioHasSumsSquaresAndProductsOfBothTerms() throws SQLException {
    experiment("NULL", "NULL", "NULL");
    user("ada", control);
    exposure("ada", "2026-03-01 08:00:00Z");
    purchase("ada", "2026-03-01 09:00:00Z", "{\"revenue\": 10, \"items\": 2}");
    purchase("ada", "2026-03-02 09:00:00Z", "{\"revenue\": 5, \"items\": 1}");
    event("ada", "2026-03-02 10:00:00Z", "page_view");
    // Counts in the denominator of one ratio, and in the numerator of the other.
    purchase("ada", "2026-03-03 09:00:00Z", "{\"revenue\": -1, \"items\": 4}");

    MetricTerm revenue = new MetricTerm("purchase", "revenue");
    MetricTerm items = new MetricTerm("purchase", "items");
    assertFigures(
        withMetrics(
            MetricConfig.ratio("item_price", revenue, items),
            MetricConfig.ratio(
                "per_view", new MetricTerm("purchase", null), new MetricTerm("page_view", null))),
        "control item_price 2026-03-01: 1 1 1 1 10 1 1 10 100 | 2 4 20 0 0 0",
        "control item_price 2026-03-02: 0 1 1 1 5 0 0 5 125 | 1 5 25 0 0 0",
        "control item_price 2026-03-03: 0 1 0 0 0 0 0 0 0 | 4 40 60 0 0 0",
        "control per_view 2026-03-01: 1 1 1 1 0 1 1 1 1",
        "control per_view 2026-03-02: 0 1 1 1 0 0 0 1 3 | 1 1 2 0 0 0",
        "control per_view 2026-03-03: 0 1 1 1 0 0 0 1 5 | 0 0 1 0 0 0");
  }

  @Test
  void capAppliesToTheUsersTotalAsOfEveryDay() throws SQLException {
    experiment("NULL", "NULL", "NULL");
    user("ada", control);
    exposure("ada", "2026-03-01 08:00:00Z");
    purchase("ada", "2026-03-01 09:00:00Z", "{\"revenue\": 10}");
    purchase("ada", "2026-03-02 09:00:00Z", "{\"revenue\": 5}");
    purchase("ada", "2026-03-02 10:00:00Z", "{\"revenue\": 0}");
    purchase("ada", "2026-03-03 09:00:00Z", "{\"revenue\": 7}");

    assertFigures(
        withMetrics(
            MetricConfig.count("purchases", "purchase").withCap("1.5"),
            MetricConfig.mean("revenue", "purchase", "revenue").withCap("12")),
        "control purchases 2026-03-01: 1 1 1 1 0 1 1 1 1",
        "control purchases 2026-03-02: 0 1 1 2 0 0 0 0.5 1.25",
        "control purchases 2026-03-03: 0 1 1 1 0 0 0 0 0",
        "control revenue 2026-03-01: 1 1 1 1 10 1 1 10 100",
        "control revenue 2026-03-02: 0 1 1 2 5 0 0 2 44",
        "control revenue 2026-03-03: 0 1 1 1 7 0 0 0 0");
  }

  @Test
  void covariateIsTheTotalOfThePeriodBeforeTheFirstExposure() throws SQLException {
    experiment("NULL", "2026-03-10 00:00:00Z", "NULL");
    user("ada", control);
    purchase("ada", "2026-03-08 11:59:59.999999Z", "{\"revenue\": 100}");
    purchase("ada", "2026-03-08 12:00:00Z", "{\"revenue\": 4}");
    event("ada", "2026-03-09 12:00:00Z", "conversion");
    event("ada", "2026-03-09 13:00:00Z", "conversion");
    purchase("ada", "2026-03-10 11:59:59.999999Z", "{\"revenue\": 9}");
    exposure("ada", "2026-03-10 12:00:00Z");
    purchase("ada", "2026-03-10 12:00:00Z", "{\"revenue\": 5}");
    purchase("ada", "2026-03-11 12:00:00Z", "{\"revenue\": 6}");
    event("ada", "2026-03-11 12:00:00Z", "conversion");

    assertFigures(
        withMetrics(
            MetricConfig.proportion("conversion", "conversion").withCovariate(Duration.ofDays(2)),
            MetricConfig.mean("revenue", "purchase", "revenue")
                .withCap("12")
                .withCovariate(Duration.ofDays(2))),
        "control conversion 2026-03-10: 1 1 0 0 0 1 0 0 0 | 0 0 0 1 1 0",
        "control conversion 2026-03-11: 0 1 1 1 0 0 1 1 1 | 0 0 0 0 0 1",
        "control revenue 2026-03-10: 1 1 1 1 5 1 1 5 25 | 0 0 0 12 144 60",
        "control revenue 2026-03-11: 0 1 1 1 6 0 0 6 96 | 0 0 0 0 0 72");
  }

  @Test
  void metricCountsUsersFirstExposedSinceItsDayInTheExperimentsZone() throws SQLException {
    experiment("'America/Los_Angeles'", "NULL", "NULL");
    user("ada", control);
    exposure("ada", "2026-03-02 07:59:59Z");
    event("ada", "2026-03-03 12:00:00Z", "conversion");
    user("bob", control);
    event("bob", "2026-03-01 12:00:00Z", "conversion");
    exposure("bob", "2026-03-02 08:00:00Z");
    event("bob", "2026-03-03 12:00:00Z", "conversion");

    assertFigures(
        withMetrics(
            MetricConfig.proportion("all", "conversion"),
            MetricConfig.count("late", "conversion")
                .withCovariate(Duration.ofDays(2))
                .withSince(LocalDate.parse("2026-03-02"))),
        "control all 2026-03-01: 1 1 0 0 0 1 0 0 0",
        "control all 2026-03-02: 1 1 0 0 0 1 0 0 0",
        "control all 2026-03-03: 0 2 2 2 0 0 2 2 2",
        "control late 2026-03-02: 1 1 0 0 0 1 0 0 0 | 0 0 0 1 1 0",
        "control late 2026-03-03: 0 1 1 1 0 0 1 1 1 | 0 0 0 0 0 1");
  }

  /** 2Tv + v². */
  private static String squares(String total, String value) {
    BigDecimal v = new BigDecimal(value);
    return new BigDecimal(total)
        .multiply(v)
        .multiply(BigDecimal.valueOf(2))
        .add(v.multiply(v))
        .stripTrailingZeros()
        .toPlainString();
  }

  private static StatisticsConfig withMetrics(MetricConfig... metrics) {
    return withPopulation(Population.EXPOSURE, metrics);
  }

  private static StatisticsConfig withPopulation(Population population, MetricConfig... metrics) {
    return ConfigBuilder.defaults()
        .with(StatisticsConfig::population, population)
        .withMetrics(metrics)
        .build()
        .statistics();
  }

  private void experiment(String zone, String startsAt, String endsAt) throws SQLException {
    fixture.experiment(experiment, zone, startsAt, endsAt);
  }

  private void user(String name, long variant) throws SQLException {
    fixture.user(name);
    fixture.assignment(experiment, name, variant, "hash", "2026-03-01 00:00:00Z", "NULL");
  }

  private void exposure(String user, String at) throws SQLException {
    event(user, at, "exposure");
  }

  private void purchase(String user, String at, String properties) throws SQLException {
    event(user, at, "purchase", null, properties);
  }

  private void event(String user, String at, String type) throws SQLException {
    event(user, at, type, null, null);
  }

  private void event(String user, String at, String type, Long variant, String properties)
      throws SQLException {
    fixture.event(null, experiment, user, at, type, variant, properties);
  }

  private void assertFigures(StatisticsConfig config, String... expected) throws SQLException {
    fixture.delivery().deliver();
    StatisticsSql sql =
        new StatisticsSql(config, Set.of("America/Los_Angeles", "+05:30", "Mars/Base"), false);
    assertThat(fixture.figuresInPostgres(sql.postgres(), experiment))
        .as("PostgreSQL")
        .containsExactly(expected);
    assertThat(fixture.figuresInClickHouse(sql.clickhouse(Long.MAX_VALUE), experiment))
        .as("ClickHouse")
        .containsExactly(expected);
  }
}
