package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.USER;
import static io.experimentetl.attribution.UserScenario.at;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricKind;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.Population;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TestEvent;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.statistics.Statistics;

/**
 * For any changes of a user in any order, the sent differences add up to the statistics that the
 * contract defines for the rows.
 *
 * <p>Long because the properties share the generators of changes.
 */
class StreamedStatisticsTest {
  private static final long START = at("2026-03-27T00:00:00Z");
  private static final long FOUR_DAYS = 4 * 86_400_000_000L;

  private static final MetricTerm REFUNDED = new MetricTerm("purchase", "revenue", "refunds");

  private final List<EventRow> rows = new ArrayList<>();
  private AssignmentRow assignment;
  private ExperimentDimension experiment;
  private VariantDimension treatment;
  private boolean known;

  /** Number of different event ids. */
  private int ids = 24;

  @Property(tries = 4000)
  void differencesAddUpToTheContract(@ForAll long seed) {
    rows.clear();
    assignment = null;
    Random random = new Random(seed);
    JobConfig config = randomConfig(random);
    experiment = randomExperiment(random);
    treatment = new VariantDimension(TREATMENT, EXPERIMENT, "t", "T", 50, false);
    UserScenario scenario = new UserScenario(config);
    scenario.settlesAtOnce = random.nextBoolean();
    scenario.walksAtOnce = random.nextBoolean();
    known = random.nextBoolean();
    if (known) {
      know(scenario);
    }
    int steps = 1 + random.nextInt(40);
    for (int i = 0; i < steps; i++) {
      step(scenario, random);
      disturb(scenario, random);
      if (random.nextInt(6) == 0) {
        scenario.afterGrace();
      }
      if (known && random.nextInt(12) == 0) {
        changeDimensions(scenario, random);
      }
    }
    known = true;
    know(scenario);
    scenario.insert(SourceTable.USERS, UserScenario.userRow());
    scenario.afterGrace();
    scenario.walk();
    scenario.settle();

    Set<Long> variants =
        treatment.experimentId() == EXPERIMENT ? Set.of(CONTROL, TREATMENT) : Set.of(CONTROL);
    StatisticsOracle oracle = new StatisticsOracle(config.statistics(), experiment, variants);
    assertThat(scenario.out.daily).isEqualTo(oracle.daily(assignment, rows));
    assertThat(scenario.visible().values().stream().map(EventProcessed::event))
        .containsExactlyInAnyOrderElementsOf(rows);
    assertThat(scenario.lowWatermark.rows()).isZero();
    assertThat(
            scenario.out.eventRows.stream().map(row -> row.event() + "" + row.version().version()))
        .doesNotHaveDuplicates();
  }

  /**
   * Metrics are added, removed and restated at savepoints. The differences add up to the contract
   * by the present metrics, and the days of ended metrics stay.
   */
  @Property(tries = 4000)
  void differencesAddUpToTheContractOfTheCurrentMetrics(@ForAll long seed) throws Exception {
    rows.clear();
    assignment = null;
    Random random = new Random(seed);
    JobConfig config = someOf(randomConfig(random), random);
    experiment = randomExperiment(random);
    treatment = new VariantDimension(TREATMENT, EXPERIMENT, "t", "T", 50, false);
    UserScenario scenario = new UserScenario(config);
    scenario.settlesAtOnce = random.nextBoolean();
    scenario.walksAtOnce = random.nextBoolean();
    known = random.nextBoolean();
    if (known) {
      know(scenario);
    }
    Set<String> ended = new HashSet<>();
    Map<DailyKey, DailySums> endedDays = new HashMap<>();
    for (int i = 2 + random.nextInt(40); i > 0; i--) {
      step(scenario, random);
      disturb(scenario, random);
      if (random.nextInt(6) == 0) {
        scenario.afterGrace();
      }
      if (known && random.nextInt(12) == 0) {
        changeDimensions(scenario, random);
      }
      if (random.nextInt(12) == 0) {
        config = redeployed(scenario, config, ended, endedDays, random);
      }
    }
    known = true;
    know(scenario);
    scenario.insert(SourceTable.USERS, UserScenario.userRow());
    scenario.afterGrace();
    scenario.walk();
    scenario.settle();

    assertThat(scenario.out.daily).isEqualTo(contract(config, endedDays));
  }

  /**
   * Facts of experiments that are over are evicted at any moment, and the warehouse may not show
   * all rows yet. Whatever happens then, and by whichever metrics, figures and rows are the same.
   */
  @Property(tries = 9000)
  void differencesAddUpToTheContractAfterAnyEviction(@ForAll long seed) throws Exception {
    rows.clear();
    assignment = null;
    Random random = new Random(seed);
    JobConfig config = someOf(randomConfig(random), random);
    experiment = randomExperimentThatEnds(random);
    treatment = new VariantDimension(TREATMENT, EXPERIMENT, "t", "T", 50, false);
    ids = random.nextInt(4) == 0 ? 24 : 100_000;
    UserScenario scenario = new UserScenario(config);
    scenario.settlesAtOnce = random.nextBoolean();
    scenario.walksAtOnce = random.nextBoolean();
    scenario.committedAt = at("2026-05-01T00:00:00Z");
    scenario.insert(SourceTable.USERS, UserScenario.userRow());
    known = random.nextInt(8) > 0;
    if (known) {
      know(scenario);
    }
    if (random.nextInt(8) > 0) {
      // A conversion before its exposure stays, so a user with an early exposure is evicted more
      // often.
      expose(scenario, random);
    }
    int evicted = 0;
    Set<String> ended = new HashSet<>();
    Map<DailyKey, DailySums> endedDays = new HashMap<>();
    for (int i = 2 + random.nextInt(40); i > 0; i--) {
      step(scenario, random);
      disturb(scenario, random);
      if (random.nextInt(3) == 0) {
        scenario.afterGrace();
      }
      if (random.nextInt(3) == 0) {
        evicted += evict(scenario, random);
      }
      if (known && random.nextInt(16) == 0) {
        changeDimensions(scenario, random);
      }
      if (random.nextInt(16) == 0) {
        config = redeployed(scenario, config, ended, endedDays, random);
      }
    }
    if (!known) {
      known = true;
      know(scenario);
    }
    scenario.afterGrace();
    scenario.walk();
    scenario.settle();

    assertThat(scenario.out.daily).isEqualTo(contract(config, endedDays));
    assertThat(scenario.visible().values().stream().map(EventProcessed::event))
        .containsExactlyInAnyOrderElementsOf(rows);
    assertThat(scenario.out.findings)
        .noneMatch(finding -> finding.code() == FindingCode.T_LATE_BEYOND_STATE);
    assertCovered("evicted", evicted > 0);
    assertCovered("rehydrated", scenario.out.rehydrated > 0);
  }

  /** Sends sums, restarts from a checkpoint or goes on with the walk at any moment. */
  static void disturb(UserScenario scenario, Random random) {
    if (random.nextInt(4) == 0) {
      scenario.settle();
    }
    if (random.nextInt(4) == 0) {
      scenario.throughState();
    }
    if (random.nextInt(6) == 0) {
      scenario.walk();
    }
  }

  /** More than a quarter of the tries must show the case. */
  static void assertCovered(String label, boolean happened) {
    Statistics.label(label)
        .collect(happened)
        .coverage(cover -> cover.check(true).percentage(share -> share > 25));
  }

  /** Assigns the user and sends an exposure before all other events. */
  private void expose(UserScenario scenario, Random random) {
    assignment = randomAssignment(random);
    scenario.insert(assignment);
    EventRow exposure =
        TestEvent.of(UserScenario.id(ids), START + FOUR_DAYS / 8, EXPERIMENT, USER, "exposure")
            .with("variant_id", CONTROL)
            .row();
    rows.add(exposure);
    scenario.insert(exposure);
  }

  /** Starts with other metrics, and notes the days of the metrics that end. */
  private JobConfig redeployed(
      UserScenario scenario,
      JobConfig config,
      Set<String> ended,
      Map<DailyKey, DailySums> endedDays,
      Random random)
      throws Exception {
    JobConfig next = changed(config, ended, random);
    Set<String> names = names(next);
    scenario.redeploy(next, names, ended);
    scenario.out.daily.forEach(
        (key, sums) -> {
          if (!names.contains(key.metric())) {
            endedDays.putIfAbsent(key, sums);
          }
        });
    ended.addAll(names(config));
    ended.removeAll(names);
    return next;
  }

  /** The statistics that the contract defines for the rows, and the days of ended metrics. */
  private Map<DailyKey, DailySums> contract(JobConfig config, Map<DailyKey, DailySums> endedDays) {
    Set<Long> variants =
        treatment.experimentId() == EXPERIMENT ? Set.of(CONTROL, TREATMENT) : Set.of(CONTROL);
    StatisticsOracle oracle = new StatisticsOracle(config.statistics(), experiment, variants);
    Map<DailyKey, DailySums> expected = new HashMap<>(oracle.daily(assignment, rows));
    expected.putAll(endedDays);
    return expected;
  }

  /** Some of the newest rows may not be visible yet. */
  private static int evict(UserScenario scenario, Random random) {
    int before = scenario.evicted().size();
    if (random.nextInt(3) == 0) {
      scenario.warehouse.visibleEvents =
          Math.max(0, scenario.out.eventRows.size() - random.nextInt(4));
      scenario.warehouse.visibleAssignments =
          Math.max(0, scenario.out.assignmentRows.size() - random.nextInt(2));
    }
    scenario.evict();
    scenario.warehouse.visibleEvents = Integer.MAX_VALUE;
    scenario.warehouse.visibleAssignments = Integer.MAX_VALUE;
    return scenario.evicted().size() - before;
  }

  static Set<String> names(JobConfig config) {
    return config.statistics().metrics().stream()
        .map(MetricConfig::name)
        .collect(Collectors.toSet());
  }

  private static JobConfig withMetrics(JobConfig config, List<MetricConfig> metrics) {
    return UserScenario.config(
        config.statistics().withMetrics(metrics.toArray(MetricConfig[]::new)));
  }

  private static JobConfig someOf(JobConfig config, Random random) {
    return withMetrics(
        config,
        config.statistics().metrics().stream().filter(metric -> random.nextBoolean()).toList());
  }

  /** Keeps, removes, restates and redefines metrics, and adds others. */
  static JobConfig changed(JobConfig config, Set<String> ended, Random random) {
    Map<String, MetricConfig> counted =
        config.statistics().metrics().stream()
            .collect(Collectors.toMap(MetricConfig::name, metric -> metric));
    List<MetricConfig> next = new ArrayList<>();
    for (MetricConfig drawn : randomConfig(random).statistics().metrics()) {
      MetricConfig was = counted.get(drawn.name());
      MetricConfig restated = drawn.withSince(randomDay(random));
      int what = random.nextInt(10);
      if (was == null) {
        if (what < 5 && !ended.contains(drawn.name())) {
          next.add(restated);
        }
      } else if (what < 3 && !was.withSince(null).equals(drawn.withSince(null))) {
        next.add(restated);
      } else if (what < 5 && was.since() != null) {
        next.add(was.withSince(was.since().minusDays(1 + random.nextInt(3))));
      } else if (what < 9) {
        next.add(was);
      }
    }
    Collections.shuffle(next, random);
    return withMetrics(config, next);
  }

  private static LocalDate randomDay(Random random) {
    return LocalDate.parse("2026-03-26").plusDays(random.nextInt(6));
  }

  /** Metrics of every kind, each with or without delay, window, cap, covariate and since. */
  static JobConfig randomConfig(Random random) {
    MetricTerm revenue = new MetricTerm("purchase", "revenue");
    MetricTerm items = new MetricTerm("purchase", "items", random.nextBoolean() ? null : "orders");
    MetricTerm views = new MetricTerm("page_view", null);
    return ConfigBuilder.defaults()
        .with(StatisticsConfig::population, Population.values()[Math.max(0, random.nextInt(6) - 3)])
        .with(
            StatisticsConfig::crossover,
            random.nextBoolean() ? CrossoverPolicy.EXCLUDE : CrossoverPolicy.FIRST)
        .withMetrics(
            random(random, MetricConfig.proportion("conversion", "conversion")),
            random(random, MetricConfig.mean("revenue", "purchase", "revenue")),
            random(random, MetricConfig.mean("items", "purchase", "items")),
            random(random, MetricConfig.count("views", "page_view")),
            random(random, MetricConfig.sum("paid", MetricKind.MEAN, REFUNDED)),
            random(random, MetricConfig.count("exposures", "exposure")),
            random(random, MetricConfig.ratio("order_value", revenue, items)),
            random(random, MetricConfig.ratio("revenue_per_view", revenue, views)),
            random(random, MetricConfig.ratio("views_per_item", views, items)))
        .build();
  }

  private static MetricConfig random(Random random, MetricConfig metric) {
    MetricConfig of = metric;
    if (random.nextInt(3) == 0) {
      Duration window =
          random.nextBoolean() ? null : Duration.ofHours(1 + random.nextInt(72)).plusNanos(1000);
      of = of.within(Duration.ofHours(random.nextInt(5)), window);
    }
    if (metric.kind() != MetricKind.PROPORTION && random.nextInt(3) == 0) {
      of = of.withCap(metric.property() == null ? "2.5" : "700.000001");
    }
    if (metric.kind() != MetricKind.RATIO && random.nextBoolean()) {
      of = of.withCovariate(Duration.ofHours(1 + random.nextInt(48)));
    }
    return random.nextInt(3) == 0 ? of.withSince(randomDay(random)) : of;
  }

  private static ExperimentDimension randomExperiment(Random random) {
    return new ExperimentDimension(
        EXPERIMENT,
        "e",
        "E",
        List.of("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu")
            .get(random.nextInt(4)),
        random.nextBoolean() ? START + FOUR_DAYS / 8 : null,
        random.nextBoolean() ? START + FOUR_DAYS : null,
        0,
        ExperimentDimension.NO_STATUSES);
  }

  /** Mostly one with an end. */
  private static ExperimentDimension randomExperimentThatEnds(Random random) {
    ExperimentDimension drawn = randomExperiment(random);
    while (drawn.endsAt() == null && random.nextInt(8) > 0) {
      drawn = randomExperiment(random);
    }
    return drawn;
  }

  private void know(UserScenario scenario) {
    scenario.changeDimensions(
        () -> {
          scenario.dimensions.put(experiment);
          scenario.dimensions.put(new VariantDimension(CONTROL, EXPERIMENT, "c", "C", 50, true));
          scenario.dimensions.put(treatment);
        });
  }

  /** Dates and zone of the experiment, or the experiment that the variant belongs to. */
  private void changeDimensions(UserScenario scenario, Random random) {
    if (random.nextInt(3) > 0) {
      experiment = randomExperiment(random);
    } else {
      treatment =
          new VariantDimension(TREATMENT, EXPERIMENT + random.nextInt(2), "t", "T", 50, false);
    }
    know(scenario);
  }

  private void step(UserScenario scenario, Random random) {
    int what = random.nextInt(12);
    if (what == 0 && assignment == null) {
      assignment = randomAssignment(random);
      scenario.insert(assignment);
    } else if (what == 1 && assignment != null) {
      AssignmentRow before = assignment;
      assignment = randomAssignment(random);
      scenario.update(before, assignment);
    } else if (what == 2 && assignment != null && random.nextInt(3) == 0) {
      scenario.delete(assignment);
      assignment = null;
    } else if (what == 2 && random.nextInt(6) == 0) {
      erase(scenario, random);
    } else if (what == 3 && !rows.isEmpty()) {
      EventRow gone = rows.remove(random.nextInt(rows.size()));
      scenario.delete(gone);
    } else if (what == 4 && !rows.isEmpty()) {
      int at = random.nextInt(rows.size());
      EventRow before = rows.get(at);
      EventRow after = randomEvent(random, before.id(), before.occurredAt());
      rows.set(at, after);
      scenario.update(before, after);
    } else {
      EventRow event =
          randomEvent(
              random,
              UserScenario.id(random.nextInt(ids)),
              START + (long) (random.nextDouble() * 1.2 * FOUR_DAYS));
      rows.add(event);
      scenario.insert(event);
    }
  }

  /** Deletes the user's row and all facts of the user, in either order. */
  private void erase(UserScenario scenario, Random random) {
    scenario.insert(SourceTable.USERS, UserScenario.userRow());
    scenario.inOneTransaction(
        () -> {
          boolean userFirst = random.nextBoolean();
          if (userFirst) {
            scenario.deleteUser();
          }
          rows.forEach(scenario::delete);
          if (assignment != null) {
            scenario.delete(assignment);
          }
          if (!userFirst) {
            scenario.deleteUser();
          }
        });
    rows.clear();
    assignment = null;
  }

  private static AssignmentRow randomAssignment(Random random) {
    return new AssignmentRow(
        7,
        EXPERIMENT,
        USER,
        random.nextBoolean() ? CONTROL : TREATMENT,
        1,
        random.nextInt(8) == 0 ? "override" : "hash",
        null,
        START + (long) (random.nextDouble() * FOUR_DAYS / 2),
        random.nextBoolean() ? null : START + (long) (random.nextDouble() * FOUR_DAYS),
        0,
        random.nextInt());
  }

  private static EventRow randomEvent(Random random, EventId id, long occurredAt) {
    String type =
        List.of("exposure", "exposure", "conversion", "purchase", "purchase", "page_view")
            .get(random.nextInt(6));
    Long variant =
        random.nextInt(10) == 0 ? null : Long.valueOf(random.nextInt(8) == 0 ? TREATMENT : CONTROL);
    String properties =
        switch (random.nextInt(4)) {
          case 0 -> null;
          case 1 -> "{\"revenue\": -" + random.nextInt(10) + ".5}";
          default ->
              "{\"revenue\": "
                  + random.nextInt(1000)
                  + "."
                  + random.nextInt(99_999_999)
                  + (random.nextInt(3) == 0 ? "" : ", \"items\": " + random.nextInt(4))
                  + "}";
        };
    return TestEvent.of(id, occurredAt, EXPERIMENT, USER, type)
        .with("variant_id", variant)
        .with("properties", properties)
        .with("fact", random.nextInt(3) == 0 ? null : random.nextBoolean() ? "orders" : "refunds")
        .row();
  }
}
