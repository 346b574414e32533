package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.model.SourceTable.ASSIGNMENTS;
import static io.experimentetl.model.SourceTable.EVENTS;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * References come and go at any time: facts are pending, flagged and spilled, or delivered, when
 * the source changes or deletes them, when retention does, and when their table is truncated. In
 * the end the same is visible as if all had simply arrived.
 */
class LateReferencesTest {
  private static final Set<FindingCode> MISSING =
      EnumSet.of(
          FindingCode.R_ORPHAN_USER,
          FindingCode.R_ORPHAN_EXPERIMENT,
          FindingCode.R_ORPHAN_VARIANT,
          FindingCode.R_ORPHAN_ASSIGNMENT);
  private static final String YEAR_BEFORE = "2024-12-01T10:00:00Z";
  private static final String[] TIMES = {
    YEAR_BEFORE, UserScenario.JAN_8, UserScenario.JAN_9, UserScenario.JAN_10
  };

  /** JAN_8 is on three days in them. */
  private static final String[] ZONES = {"UTC", "Pacific/Kiritimati", "Etc/GMT+12"};

  /** What the source and retention have left, and the scenario that is told of it. */
  private static final class World {
    private final UserScenario scenario = new UserScenario(UserScenario.holding(2));
    private final Random random;
    private final Map<List<Object>, EventRow> events = new HashMap<>();
    private final Map<Long, AssignmentRow> assignments = new HashMap<>();
    private final Map<List<Object>, EventRow> retainedEvents = new HashMap<>();
    private final Map<Long, AssignmentRow> retainedAssignments = new HashMap<>();
    private boolean userIsKnown;
    private String zone = ZONES[0];
    private final List<String> log = new ArrayList<>();

    World(Random random) {
      this.random = random;
    }

    private static List<Object> key(EventRow row) {
      return List.of(row.id(), row.occurredAt());
    }

    private static boolean isOld(long time) {
      return time == UserScenario.at(YEAR_BEFORE);
    }

    void step() {
      switch (random.nextInt(17)) {
        case 0, 1, 2, 3, 4 -> writeEvent();
        case 5, 6 -> writeAssignment();
        case 7 -> deleteEvent();
        case 8 -> deleteAssignment();
        case 9 -> truncate();
        case 10 -> dimension();
        case 11 -> variants();
        case 12 -> user();
        case 16 -> zone();
        case 13, 14 -> scenario.afterGrace();
        default -> scenario.throughState();
      }
    }

    private void writeEvent() {
      String type = random.nextBoolean() ? "exposure" : "purchase";
      EventRow row =
          UserScenario.event(
              1 + random.nextInt(4),
              type,
              variant(),
              TIMES[random.nextInt(TIMES.length)],
              "{\"revenue\": " + random.nextInt(3) + "}");
      EventRow before = events.put(key(row), row);
      retainedEvents.remove(key(row));
      log.add((before == null ? "insert " : "update ") + row.id().low() + "@" + row.occurredAt());
      if (before == null) {
        scenario.insert(row);
      } else {
        scenario.update(before, row);
      }
    }

    private long variant() {
      return random.nextBoolean() ? CONTROL : TREATMENT;
    }

    private void writeAssignment() {
      int number = random.nextInt(3);
      // The age of a row decides whether a TRUNCATE takes it.
      String time = number == 0 ? YEAR_BEFORE : UserScenario.JAN_8;
      AssignmentRow row = UserScenario.numbered(5L + number, variant(), time);
      AssignmentRow before = assignments.put(row.id(), row);
      retainedAssignments.remove(row.id());
      log.add((before == null ? "assign " : "reassign ") + row.id() + "@" + row.assignedAt());
      if (before == null) {
        scenario.insert(row);
      } else {
        scenario.update(before, row);
      }
    }

    private <T> T any(Map<?, T> rows) {
      List<T> all = new ArrayList<>(rows.values());
      return all.isEmpty() ? null : all.get(random.nextInt(all.size()));
    }

    private void deleteEvent() {
      EventRow row = any(events);
      if (row == null) {
        return;
      }
      boolean byRetention = random.nextBoolean();
      log.add((byRetention ? "retain " : "delete ") + row.id().low() + "@" + row.occurredAt());
      events.remove(key(row));
      if (byRetention || isOld(row.occurredAt())) {
        retainedEvents.put(key(row), row);
      }
      scenario.apply(EVENTS, kind(byRetention), row, null);
    }

    private void deleteAssignment() {
      AssignmentRow row = any(assignments);
      if (row == null) {
        return;
      }
      boolean byRetention = random.nextBoolean();
      log.add((byRetention ? "retain " : "delete ") + row.id());
      assignments.remove(row.id());
      if (byRetention || isOld(row.assignedAt())) {
        retainedAssignments.put(row.id(), row);
      }
      scenario.apply(ASSIGNMENTS, kind(byRetention), row, null);
    }

    private static ChangeKind kind(boolean byRetention) {
      return byRetention ? ChangeKind.RETENTION_DELETE : ChangeKind.DELETE;
    }

    private void truncate() {
      boolean byRetention = random.nextInt(3) == 0;
      SourceTable table = random.nextBoolean() ? EVENTS : ASSIGNMENTS;
      log.add((byRetention ? "retention truncates " : "truncate ") + table);
      scenario.inOneTransaction(
          () -> {
            if (byRetention) {
              scenario.truncateByRetention(table);
            } else {
              scenario.truncate(table);
            }
            scenario.commitTruncates();
          });
      if (table == EVENTS) {
        events.forEach(
            (key, row) -> {
              if (byRetention || isOld(row.occurredAt())) {
                retainedEvents.put(key, row);
              }
            });
        events.clear();
      } else {
        assignments.forEach(
            (id, row) -> {
              if (byRetention || isOld(row.assignedAt())) {
                retainedAssignments.put(id, row);
              }
            });
        assignments.clear();
      }
    }

    private void dimension() {
      log.add("experiment");
      scenario.changeDimensions(
          () -> {
            if (scenario.dimensions.experiment(EXPERIMENT) == null) {
              scenario.dimensions.put(UserScenario.experiment(null, null));
            } else {
              scenario.dimensions.removeExperiment(EXPERIMENT);
            }
          });
    }

    private void zone() {
      if (scenario.dimensions.experiment(EXPERIMENT) != null) {
        zone = ZONES[random.nextInt(ZONES.length)];
        log.add("zone " + zone);
        scenario.experimentMoves(zone);
      }
    }

    private void variants() {
      log.add("variant");
      long id = variant();
      scenario.changeDimensions(
          () -> {
            if (scenario.dimensions.variant(id) == null) {
              knowVariant(scenario, id);
            } else {
              scenario.dimensions.removeVariant(id);
            }
          });
    }

    private void user() {
      if (userIsKnown && random.nextInt(3) == 0) {
        erase();
        return;
      }
      log.add("user");
      userIsKnown = true;
      scenario.insert(SourceTable.USERS, UserScenario.userRow());
    }

    /** PostgreSQL cascades: the facts that it has go with the user. */
    private void erase() {
      log.add("erase");
      userIsKnown = false;
      scenario.inOneTransaction(
          () -> {
            scenario.deleteUser();
            events.values().forEach(scenario::delete);
            assignments.values().forEach(scenario::delete);
          });
      events.clear();
      assignments.clear();
      retainedEvents.clear();
      retainedAssignments.clear();
    }

    /** All that is missing arrives. */
    void complete() {
      scenario.knowDimensions();
      scenario.insert(SourceTable.USERS, UserScenario.userRow());
      scenario.afterGrace();
      scenario.experimentMoves(zone);
    }

    UserScenario simple() {
      UserScenario simple = new UserScenario(UserScenario.holding(2));
      simple.knowDimensions();
      simple.experimentMoves(zone);
      simple.insert(SourceTable.USERS, UserScenario.userRow());
      assignments.values().forEach(simple::insert);
      retainedAssignments.values().forEach(simple::insert);
      events.values().forEach(simple::insert);
      retainedEvents.values().forEach(simple::insert);
      simple.afterGrace();
      return simple;
    }
  }

  private static void knowVariant(UserScenario scenario, long id) {
    scenario.dimensions.put(new VariantDimension(id, EXPERIMENT, "v" + id, "V", 50, id == CONTROL));
  }

  @Property(tries = 1000)
  void inTheEndTheSameIsVisibleAsIfAllHadSimplyArrived(@ForAll long seed) {
    Random random = new Random(seed);
    World world = new World(random);
    if (random.nextBoolean()) {
      world.scenario.knowDimensions();
    }
    if (random.nextBoolean()) {
      world.user();
    }
    for (int i = 0; i < 25; i++) {
      world.step();
    }
    world.complete();

    UserScenario simple = world.simple();
    String history = String.join("\n", world.log);
    assertThat(events(world.scenario)).as(history).isEqualTo(events(simple));
    assertThat(assignments(world.scenario)).as(history).isEqualTo(assignments(simple));
    assertThat(days(world.scenario)).as(history).isEqualTo(days(simple));
    assertThat(world.scenario.out.daily).as(history).isEqualTo(simple.out.daily);
    assertThat(world.scenario.out.health).as(history).isEqualTo(simple.out.health);
    assertThat(flags(simple)).as(history).containsAll(flags(world.scenario));
  }

  private static Set<EventRow> events(UserScenario scenario) {
    return scenario.visible().values().stream()
        .map(EventProcessed::event)
        .collect(Collectors.toSet());
  }

  private static Set<AssignmentRow> assignments(UserScenario scenario) {
    return scenario.out.visibleAssignments().stream()
        .map(AssignmentProcessed::assignment)
        .collect(Collectors.toSet());
  }

  /** The days of the visible rows. */
  private static Map<Object, Integer> days(UserScenario scenario) {
    Map<Object, Integer> days = new HashMap<>();
    scenario.visible().values().forEach(row -> days.put(row.event(), row.dayEpoch()));
    scenario.out.visibleAssignments().forEach(row -> days.put(row.assignment(), row.dayEpoch()));
    return days;
  }

  /** The codes of missing references, by visible row. */
  private static Set<List<Object>> flags(UserScenario scenario) {
    Set<List<Object>> flags = new HashSet<>();
    for (EventProcessed row : scenario.visible().values()) {
      for (FindingCode code : row.inconsistencies()) {
        flags.add(List.of(row.event(), code));
      }
    }
    for (AssignmentProcessed row : scenario.out.visibleAssignments()) {
      for (FindingCode code : row.inconsistencies()) {
        flags.add(List.of(row.assignment(), code));
      }
    }
    flags.removeIf(flag -> !MISSING.contains(flag.get(1)));
    return flags;
  }
}
