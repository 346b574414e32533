package io.experimentetl.attribution;

import static io.experimentetl.attribution.StreamedStatisticsTest.assertCovered;
import static io.experimentetl.attribution.StreamedStatisticsTest.changed;
import static io.experimentetl.attribution.StreamedStatisticsTest.disturb;
import static io.experimentetl.attribution.StreamedStatisticsTest.names;
import static io.experimentetl.attribution.StreamedStatisticsTest.randomConfig;
import static io.experimentetl.attribution.UserScenario.USER;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.sharing;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.JobConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TestEvent;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * A user is in several experiments, and has facts that name none. For any changes in any order, the
 * sent differences add up to the statistics in which such a fact stands in each of the experiments.
 */
class SharedFactsTest {
  private static final long START = at("2026-03-27T00:00:00Z");
  private static final long DAY = 86_400_000_000L;

  /** The codes that a row of its own can have. */
  private static final Set<FindingCode> OF_THE_ROW =
      EnumSet.of(
          FindingCode.T_FUTURE,
          FindingCode.R_ORPHAN_USER,
          FindingCode.R_VARIANT_NULL,
          FindingCode.S_BAD_PROPERTY,
          FindingCode.S_UNPARSEABLE,
          FindingCode.D_DUP_EVENT,
          FindingCode.D_CONFLICTING_DUP,
          FindingCode.C_UPDATE_IMMUTABLE);

  /** One of the user's experiments. */
  private static final class Membership {
    private final long id;
    private final List<EventRow> rows = new ArrayList<>();
    private ExperimentDimension experiment;
    private AssignmentRow assignment;
    private boolean isKnown;

    private Membership(long id) {
      this.id = id;
    }

    private long control() {
      return 10 * id + 1;
    }

    private long treatment() {
      return 10 * id + 2;
    }
  }

  private final Map<Long, Membership> experiments = new TreeMap<>();
  private final List<EventRow> shared = new ArrayList<>();
  private Random random;
  private UserScenario scenario;
  private JobConfig config;
  private String userId;
  private boolean isUserKnown;

  @Property(tries = 2000)
  void sharedFactsCountInEachExperimentOfTheirUser(@ForAll long seed) throws Exception {
    begin(seed);
    Set<String> ended = new HashSet<>();
    Map<DailyKey, DailySums> endedDays = new HashMap<>();
    int evicted = 0;
    for (int i = 2 + random.nextInt(50); i > 0; i--) {
      step();
      disturb(scenario, random);
      if (random.nextInt(5) == 0) {
        scenario.afterGrace();
      }
      if (random.nextInt(3) == 0) {
        int before = scenario.evicted().size();
        scenario.evict();
        evicted += scenario.evicted().size() - before;
      }
      if (random.nextInt(12) == 0) {
        know(any());
      }
      if (random.nextInt(16) == 0) {
        redeploy(ended, endedDays);
      }
    }
    experiments.values().stream().filter(of -> !of.isKnown).forEach(this::know);
    knowUser();
    scenario.afterGrace();
    scenario.walk();
    scenario.settle();

    Map<DailyKey, DailySums> expected = contract(shared);
    Map<DailyKey, DailySums> alone = contract(List.of());
    assertCovered("shared facts counted", !expected.equals(alone));
    assertCovered("evicted", evicted > 0);
    assertCovered("rehydrated", scenario.out.rehydrated > 0);
    expected.putAll(endedDays);
    assertThat(scenario.out.daily).isEqualTo(expected);
    assertRows();
    assertThat(scenario.lowWatermark.rows()).isZero();
    assertThat(scenario.out.findings)
        .noneMatch(finding -> finding.code() == FindingCode.T_LATE_BEYOND_STATE);
  }

  private void begin(long seed) {
    experiments.clear();
    shared.clear();
    random = new Random(seed);
    config = sharing(randomConfig(random));
    scenario = new UserScenario(config);
    scenario.settlesAtOnce = random.nextBoolean();
    scenario.walksAtOnce = random.nextBoolean();
    scenario.committedAt = at("2026-05-01T00:00:00Z");
    userId = USER;
    isUserKnown = false;
    if (random.nextInt(8) > 0) {
      knowUser();
    }
    for (long id = 1; id <= 3; id++) {
      Membership of = new Membership(id);
      experiments.put(id, of);
      if (random.nextInt(6) > 0) {
        know(of);
      }
      if (random.nextInt(4) > 0) {
        of.assignment = assignment(of);
        scenario.insert(of.assignment);
        insert(of, event(of, id(of, 99), START + DAY / 2, "exposure", of.control()));
      }
    }
  }

  private void knowUser() {
    isUserKnown = true;
    scenario.insert(SourceTable.USERS, UserScenario.userRow().withUserId(userId));
  }

  private Map<DailyKey, DailySums> contract(List<EventRow> beside) {
    Map<DailyKey, DailySums> all = new HashMap<>();
    for (Membership of : experiments.values()) {
      all.putAll(
          new StatisticsOracle(
                  config.statistics(), of.experiment, Set.of(of.control(), of.treatment()))
              .daily(of.assignment, of.rows, beside));
    }
    return all;
  }

  /** A shared fact is one row, of the day in the default zone, and says nothing of experiments. */
  private void assertRows() {
    List<EventRow> rows = new ArrayList<>(shared);
    experiments.values().forEach(of -> rows.addAll(of.rows));
    assertThat(scenario.visible().values().stream().map(EventProcessed::event))
        .containsExactlyInAnyOrderElementsOf(rows);
    ExperimentCalendar calendar = new ExperimentCalendar(config.statistics().zone());
    for (EventProcessed row : scenario.visible().values()) {
      if (row.event().experimentId() == EventRow.SHARED) {
        assertThat(row.experimentKey()).isEmpty();
        assertThat(row.assignedVariantId()).isNull();
        assertThat(row.assignedVariantKey()).isEmpty();
        assertThat(row.dayEpoch()).isEqualTo(calendar.dayOf(row.event().occurredAt()));
        assertThat(row.inconsistencies()).isSubsetOf(OF_THE_ROW);
      }
    }
    assertThat(scenario.out.openFindings())
        .noneMatch(finding -> finding.contains("experiment:0") || finding.contains(":0/"));
  }

  private Membership any() {
    return experiments.get(1L + random.nextInt(3));
  }

  /** Another start, end, or zone; mostly it ends. */
  private void know(Membership of) {
    of.isKnown = true;
    String zone = List.of("UTC", "Europe/Berlin", "America/Los_Angeles").get(random.nextInt(3));
    of.experiment =
        new ExperimentDimension(
            of.id,
            "e" + of.id,
            "E",
            ZoneId.of(zone).getId(),
            random.nextBoolean() ? START + random.nextInt(10) * DAY / 20 : null,
            random.nextInt(4) > 0 ? START + 3 * DAY + random.nextInt(20) * DAY / 10 : null,
            0,
            ExperimentDimension.NO_STATUSES);
    scenario.changeDimensions(
        of.id,
        () -> {
          scenario.dimensions.put(of.experiment);
          scenario.dimensions.put(new VariantDimension(of.control(), of.id, "c", "C", 50, true));
          scenario.dimensions.put(new VariantDimension(of.treatment(), of.id, "t", "T", 50, false));
        });
  }

  private void redeploy(Set<String> ended, Map<DailyKey, DailySums> endedDays) throws Exception {
    JobConfig next = sharing(changed(config, ended, random));
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
    config = next;
  }

  private void step() {
    Membership of = any();
    switch (random.nextInt(16)) {
      case 0 -> assign(of);
      case 1 -> unassign(of);
      case 2 -> delete(of.rows);
      case 3 -> update(of.rows, before -> event(of, before.id(), before.occurredAt()));
      case 4, 5 -> delete(shared);
      case 6, 7 -> update(shared, before -> event(null, before.id(), before.occurredAt()));
      case 8 -> moveInTime();
      case 9 -> eraseOrRename();
      case 10, 11, 12 -> insert(of, event(of, id(of, random.nextInt(12)), time()));
      default -> insert(null, event(null, id(null, random.nextInt(12)), time()));
    }
  }

  private void assign(Membership of) {
    AssignmentRow before = of.assignment;
    of.assignment = assignment(of);
    if (before == null) {
      scenario.insert(of.assignment);
    } else {
      scenario.update(before, of.assignment);
    }
  }

  private void unassign(Membership of) {
    if (of.assignment != null && random.nextInt(3) == 0) {
      scenario.delete(of.assignment);
      of.assignment = null;
    }
  }

  /** A fact of no experiment: null. */
  private void insert(Membership of, EventRow event) {
    (of == null ? shared : of.rows).add(event);
    scenario.insert(event);
  }

  private void delete(List<EventRow> rows) {
    if (!rows.isEmpty()) {
      scenario.delete(rows.remove(random.nextInt(rows.size())));
    }
  }

  private void update(List<EventRow> rows, UnaryOperator<EventRow> change) {
    if (!rows.isEmpty()) {
      int index = random.nextInt(rows.size());
      EventRow before = rows.get(index);
      rows.set(index, change.apply(before));
      scenario.update(before, rows.get(index));
    }
  }

  private void moveInTime() {
    if (!shared.isEmpty()) {
      int index = random.nextInt(shared.size());
      EventRow before = shared.get(index);
      shared.set(index, event(null, before.id(), time()));
      scenario.changeKey(before, shared.get(index));
    }
  }

  private void eraseOrRename() {
    if (!isUserKnown || random.nextInt(6) > 0) {
      return;
    }
    if (random.nextBoolean()) {
      rename();
      return;
    }
    scenario.inOneTransaction(
        () -> {
          boolean isUserFirst = random.nextBoolean();
          if (isUserFirst) {
            scenario.eraseUser(userId);
          }
          allRows().forEach(scenario::delete);
          experiments.values().stream()
              .filter(of -> of.assignment != null)
              .forEach(of -> scenario.delete(of.assignment));
          if (!isUserFirst) {
            scenario.eraseUser(userId);
          }
        });
    shared.clear();
    for (Membership of : experiments.values()) {
      of.rows.clear();
      of.assignment = null;
    }
    isUserKnown = false;
  }

  private Stream<EventRow> allRows() {
    return Stream.concat(
        shared.stream(), experiments.values().stream().flatMap(of -> of.rows.stream()));
  }

  /** The source lets some of the facts follow, and the job moves the others. */
  private void rename() {
    String before = userId;
    userId = "u" + random.nextInt(1_000_000);
    scenario.inOneTransaction(
        () -> {
          scenario.rename(before, userId);
          allRows()
              .filter(row -> random.nextInt(4) > 0)
              .forEach(row -> scenario.follow(row, userId));
          experiments.values().stream()
              .filter(of -> of.assignment != null)
              .forEach(of -> scenario.follow(of.assignment, userId));
        });
    scenario.moveRenamed(true);
    shared.replaceAll(row -> row.withUserId(userId));
    for (Membership of : experiments.values()) {
      of.rows.replaceAll(row -> row.withUserId(userId));
      of.assignment = of.assignment == null ? null : of.assignment.withUserId(userId);
    }
  }

  private static EventId id(Membership of, int number) {
    return UserScenario.id(number + (of == null ? 100_000 : (int) (of.id * 1_000)));
  }

  private long time() {
    return START + (long) ((random.nextDouble() * 8 - 2) * DAY);
  }

  private AssignmentRow assignment(Membership of) {
    return new AssignmentRow(
        of.id * 7,
        of.id,
        userId,
        random.nextInt(8) > 0 ? of.control() : of.treatment(),
        1,
        random.nextInt(16) == 0 ? "override" : "hash",
        null,
        START + (long) (random.nextDouble() * 2 * DAY),
        random.nextBoolean() ? null : START + (long) (random.nextDouble() * 4 * DAY),
        0,
        random.nextInt());
  }

  private EventRow event(Membership of, EventId id, long occurredAt) {
    String type =
        List.of("exposure", "conversion", "purchase", "purchase", "page_view")
            .get(random.nextInt(5));
    Long variant =
        of == null || random.nextInt(10) == 0
            ? null
            : Long.valueOf(random.nextInt(30) == 0 ? of.treatment() : of.control());
    return event(of, id, occurredAt, type, variant);
  }

  private EventRow event(Membership of, EventId id, long occurredAt, String type, Long variantId) {
    String properties =
        random.nextInt(4) == 0
            ? null
            : "{\"revenue\": %d.%d, \"items\": %d}"
                .formatted(random.nextInt(1000), random.nextInt(99_999), random.nextInt(4));
    return TestEvent.of(id, occurredAt, of == null ? EventRow.SHARED : of.id, userId, type)
        .with("variant_id", variantId)
        .with("properties", properties)
        .with("fact", of != null ? null : random.nextBoolean() ? "orders" : "refunds")
        .row();
  }
}
