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
 * Whatever happens to a user, in whatever order: the differences that were sent add up to what the
 * contract says of the rows.
 */
class StreamedStatisticsTest {
  private static final long START = at("2026-03-27T00:00:00Z");
  private static final long FOUR_DAYS = 4 * 86_400_000_000L;

  private final List<EventRow> rows = new ArrayList<>();
  private AssignmentRow assignment;
  private ExperimentDimension experiment;
  private VariantDimension treatment;
  private boolean known;

  /** From so many ids events take theirs. */
  private int ids = 24;

  @Property(tries = 4000)
  void differencesAddUpToTheContract(@ForAll long seed) {
    rows.clear();
    assignment = null;
    Random random = new Random(seed);
    JobConfig config = randomConfig(random);
    experiment = randomExperiment(random);
    treatment = new VariantDimension(TREATMENT, EXPERIMENT, "t", "T", 50, false);
    UserScenario history = new UserScenario(config);
    known = random.nextBoolean();
    if (known) {
      know(history);
    }
    int steps = 1 + random.nextInt(40);
    for (int i = 0; i < steps; i++) {
      step(history, random);
      if (random.nextInt(4) == 0) {
        history.throughState();
      }
      if (random.nextInt(6) == 0) {
        history.afterGrace();
      }
      if (known && random.nextInt(12) == 0) {
        changeDimensions(history, random);
      }
    }
    known = true;
    know(history);
    history.insert(SourceTable.USERS, UserScenario.userRow());
    history.afterGrace();

    Set<Long> variants =
        treatment.experimentId() == EXPERIMENT ? Set.of(CONTROL, TREATMENT) : Set.of(CONTROL);
    StatisticsOracle oracle = new StatisticsOracle(config.statistics(), experiment, variants);
    assertThat(history.out.daily).isEqualTo(oracle.daily(assignment, rows));
    assertThat(history.visible().values().stream().map(EventProcessed::event))
        .containsExactlyInAnyOrderElementsOf(rows);
    assertThat(history.floor.rows()).isZero();
    assertThat(
            history.out.eventRows.stream().map(row -> row.event() + "" + row.version().version()))
        .doesNotHaveDuplicates();
  }

  /**
   * Metrics are added, removed and restated at savepoints: the differences add up to what the
   * contract says of the rows by today's metrics, and the days of those that ended stay.
   */
  @Property(tries = 4000)
  void differencesAddUpToTheContractOfTheCatalogueAsItIs(@ForAll long seed) throws Exception {
    rows.clear();
    assignment = null;
    Random random = new Random(seed);
    JobConfig config = someOf(randomConfig(random), random);
    experiment = randomExperiment(random);
    treatment = new VariantDimension(TREATMENT, EXPERIMENT, "t", "T", 50, false);
    UserScenario history = new UserScenario(config);
    known = random.nextBoolean();
    if (known) {
      know(history);
    }
    Set<String> ended = new HashSet<>();
    Map<DailyKey, DailySums> endedDays = new HashMap<>();
    for (int i = 2 + random.nextInt(40); i > 0; i--) {
      step(history, random);
      if (random.nextInt(6) == 0) {
        history.afterGrace();
      }
      if (known && random.nextInt(12) == 0) {
        changeDimensions(history, random);
      }
      if (random.nextInt(12) == 0) {
        config = redeployed(history, config, ended, endedDays, random);
      }
    }
    known = true;
    know(history);
    history.insert(SourceTable.USERS, UserScenario.userRow());
    history.afterGrace();

    assertThat(history.out.daily).isEqualTo(contract(config, endedDays));
  }

  /**
   * Facts of experiments that are over settle at any moment, of which the warehouse shows what it
   * shows: whatever happens then, and by whichever metrics is counted then, nothing of that can be
   * told from the figures and the rows.
   */
  @Property(tries = 9000)
  void differencesAddUpToTheContractWhateverHasSettled(@ForAll long seed) throws Exception {
    rows.clear();
    assignment = null;
    Random random = new Random(seed);
    JobConfig config = someOf(randomConfig(random), random);
    experiment = randomExperiment(random);
    while (experiment.endsAt() == null && random.nextInt(8) > 0) {
      experiment = randomExperiment(random);
    }
    treatment = new VariantDimension(TREATMENT, EXPERIMENT, "t", "T", 50, false);
    ids = random.nextInt(4) == 0 ? 24 : 100_000;
    UserScenario history = new UserScenario(config);
    history.committedAt = at("2026-05-01T00:00:00Z");
    history.insert(SourceTable.USERS, UserScenario.userRow());
    known = random.nextInt(8) > 0;
    if (known) {
      know(history);
    }
    if (random.nextInt(8) > 0) {
      // What comes before its exposure stays, so a user who is exposed early settles more often.
      assignment = randomAssignment(random);
      history.insert(assignment);
      EventRow exposure =
          new EventRow(
              UserScenario.id(ids),
              START + FOUR_DAYS / 8,
              EXPERIMENT,
              USER,
              CONTROL,
              "exposure",
              null,
              null,
              null,
              null);
      rows.add(exposure);
      history.insert(exposure);
    }
    int evicted = 0;
    Set<String> ended = new HashSet<>();
    Map<DailyKey, DailySums> endedDays = new HashMap<>();
    for (int i = 2 + random.nextInt(40); i > 0; i--) {
      step(history, random);
      if (random.nextInt(4) == 0) {
        history.throughState();
      }
      if (random.nextInt(3) == 0) {
        history.afterGrace();
      }
      if (random.nextInt(3) == 0) {
        evicted += evict(history, random);
      }
      if (known && random.nextInt(16) == 0) {
        changeDimensions(history, random);
      }
      if (random.nextInt(16) == 0) {
        config = redeployed(history, config, ended, endedDays, random);
      }
    }
    if (!known) {
      known = true;
      know(history);
    }
    history.afterGrace();

    assertThat(history.out.daily).isEqualTo(contract(config, endedDays));
    assertThat(history.visible().values().stream().map(EventProcessed::event))
        .containsExactlyInAnyOrderElementsOf(rows);
    assertThat(history.out.findings)
        .noneMatch(finding -> finding.code() == FindingCode.T_LATE_BEYOND_STATE);
    Statistics.label("settled")
        .collect(evicted > 0)
        .coverage(cover -> cover.check(true).percentage(share -> share > 25));
    Statistics.label("brought back")
        .collect(history.out.rehydrated > 0)
        .coverage(cover -> cover.check(true).percentage(share -> share > 25));
  }

  /** Starts with other metrics; the days of those that end are kept in mind. */
  private JobConfig redeployed(
      UserScenario history,
      JobConfig config,
      Set<String> ended,
      Map<DailyKey, DailySums> endedDays,
      Random random)
      throws Exception {
    JobConfig next = changed(config, ended, random);
    Set<String> names = names(next);
    history.redeploy(next, names, ended);
    history.out.daily.forEach(
        (key, sums) -> {
          if (!names.contains(key.metric())) {
            endedDays.putIfAbsent(key, sums);
          }
        });
    ended.addAll(names(config));
    ended.removeAll(names);
    return next;
  }

  /** What the contract says of the rows, and the days of metrics that ended as they were. */
  private Map<DailyKey, DailySums> contract(JobConfig config, Map<DailyKey, DailySums> endedDays) {
    Set<Long> variants =
        treatment.experimentId() == EXPERIMENT ? Set.of(CONTROL, TREATMENT) : Set.of(CONTROL);
    StatisticsOracle oracle = new StatisticsOracle(config.statistics(), experiment, variants);
    Map<DailyKey, DailySums> expected = new HashMap<>(oracle.daily(assignment, rows));
    expected.putAll(endedDays);
    return expected;
  }

  /** Of the newest rows some may not be visible yet. */
  private static int evict(UserScenario history, Random random) {
    int before = history.evicted().size();
    if (random.nextInt(3) == 0) {
      history.warehouse.visibleEvents =
          Math.max(0, history.out.eventRows.size() - random.nextInt(4));
      history.warehouse.visibleAssignments =
          Math.max(0, history.out.assignmentRows.size() - random.nextInt(2));
    }
    history.evict();
    history.warehouse.visibleEvents = Integer.MAX_VALUE;
    history.warehouse.visibleAssignments = Integer.MAX_VALUE;
    return history.evicted().size() - before;
  }

  private static Set<String> names(JobConfig config) {
    return config.statistics().metrics().stream()
        .map(MetricConfig::name)
        .collect(Collectors.toSet());
  }

  private static JobConfig withMetrics(JobConfig config, List<MetricConfig> metrics) {
    return UserAttributionTest.config(
        config.statistics().withMetrics(metrics.toArray(MetricConfig[]::new)));
  }

  private static JobConfig someOf(JobConfig config, Random random) {
    return withMetrics(
        config,
        config.statistics().metrics().stream().filter(metric -> random.nextBoolean()).toList());
  }

  /** Metrics are kept, dropped, counted from earlier on or defined anew, and others are added. */
  private static JobConfig changed(JobConfig config, Set<String> ended, Random random) {
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

  /** A catalogue with every kind, each with or without delay, window, cap, covariate and since. */
  private static JobConfig randomConfig(Random random) {
    MetricTerm revenue = new MetricTerm("purchase", "revenue");
    MetricTerm items = new MetricTerm("purchase", "items");
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

  private void know(UserScenario history) {
    history.changeDimensions(
        () -> {
          history.dimensions.put(experiment);
          history.dimensions.put(new VariantDimension(CONTROL, EXPERIMENT, "c", "C", 50, true));
          history.dimensions.put(treatment);
        });
  }

  /** Dates and zone of the experiment, or the experiment that the variant belongs to. */
  private void changeDimensions(UserScenario history, Random random) {
    if (random.nextInt(3) > 0) {
      experiment = randomExperiment(random);
    } else {
      treatment =
          new VariantDimension(TREATMENT, EXPERIMENT + random.nextInt(2), "t", "T", 50, false);
    }
    know(history);
  }

  private void step(UserScenario history, Random random) {
    int what = random.nextInt(12);
    if (what == 0 && assignment == null) {
      assignment = randomAssignment(random);
      history.insert(assignment);
    } else if (what == 1 && assignment != null) {
      AssignmentRow before = assignment;
      assignment = randomAssignment(random);
      history.update(before, assignment);
    } else if (what == 2 && assignment != null && random.nextInt(3) == 0) {
      history.delete(assignment);
      assignment = null;
    } else if (what == 2 && random.nextInt(6) == 0) {
      erase(history, random);
    } else if (what == 3 && !rows.isEmpty()) {
      EventRow gone = rows.remove(random.nextInt(rows.size()));
      history.delete(gone);
    } else if (what == 4 && !rows.isEmpty()) {
      int at = random.nextInt(rows.size());
      EventRow before = rows.get(at);
      EventRow after = randomEvent(random, before.id(), before.occurredAt());
      rows.set(at, after);
      history.update(before, after);
    } else {
      EventRow event =
          randomEvent(
              random,
              UserScenario.id(random.nextInt(ids)),
              START + (long) (random.nextDouble() * 1.2 * FOUR_DAYS));
      rows.add(event);
      history.insert(event);
    }
  }

  /** The user row goes, and all of the user's rows with it, before it or behind it. */
  private void erase(UserScenario history, Random random) {
    history.insert(SourceTable.USERS, UserScenario.userRow());
    history.inOneTransaction(
        () -> {
          boolean userFirst = random.nextBoolean();
          if (userFirst) {
            history.deleteUser();
          }
          rows.forEach(history::delete);
          if (assignment != null) {
            history.delete(assignment);
          }
          if (!userFirst) {
            history.deleteUser();
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
    return new EventRow(
        id, occurredAt, EXPERIMENT, USER, variant, type, null, properties, null, null);
  }
}
