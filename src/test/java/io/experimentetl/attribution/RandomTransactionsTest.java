package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
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
 * Random transactions against a user, with crashes in the middle. What is visible then are the rows
 * of the source, and those that only retention has deleted there, unless the user was erased.
 */
class RandomTransactionsTest {
  private static final String[] TIMES = {
    "2025-09-01T10:00:00Z", UserScenario.JAN_8, UserScenario.JAN_9, UserScenario.JAN_10
  };

  /** The source: what a transaction does to its rows, and the changes that it sends. */
  private static final class Source {
    private final UserScenario scenario;
    private final Random random;
    private final List<Runnable> sent = new ArrayList<>();
    private final Map<List<Object>, EventRow> events = new HashMap<>();
    private final Map<Long, AssignmentRow> assignments = new HashMap<>();
    private final Map<List<Object>, EventRow> retained = new HashMap<>();
    private final Map<List<Object>, EventRow> deletedOld = new HashMap<>();
    final List<String> log = new ArrayList<>();
    private boolean userIsThere = true;
    private boolean userDeleted;

    Source(UserScenario scenario, Random random) {
      this.scenario = scenario;
      this.random = random;
    }

    private static List<Object> key(EventRow row) {
      return List.of(row.id(), row.occurredAt());
    }

    private void send(SourceTable table, ChangeKind kind, EventRow before, EventRow after) {
      log.add(
          "SEND "
              + kind
              + " "
              + (before == null ? "" : before.id().low() + "@" + before.occurredAt())
              + " -> "
              + (after == null ? "" : after.id().low() + "@" + after.occurredAt()));
      sent.add(() -> scenario.apply(table, kind, before, after));
    }

    List<Runnable> transaction() {
      log.add("BEGIN user " + userIsThere + " retained " + retained.size());
      sent.clear();
      deletedOld.clear();
      userDeleted = false;
      for (int i = random.nextInt(8); i >= 0; i--) {
        step();
      }
      retained.keySet().removeAll(events.keySet());
      if (!userIsThere) {
        retained.clear();
      } else if (!userDeleted) {
        retained.putAll(deletedOld);
        retained.keySet().removeAll(events.keySet());
      }
      return List.copyOf(sent);
    }

    private void step() {
      if (!userIsThere) {
        userIsThere = true;
        log.add("INSERT USER");
        sent.add(() -> scenario.insert(SourceTable.USERS, UserScenario.userRow()));
        return;
      }
      switch (random.nextInt(9)) {
        case 0 -> deleteUser();
        case 1 -> changeAssignment();
        case 2 -> deleteAny();
        case 3 -> correctAny();
        case 4, 5 -> exchangeOrMove();
        default -> insert();
      }
    }

    private EventRow any() {
      List<EventRow> rows = new ArrayList<>(events.values());
      return rows.isEmpty() ? null : rows.get(random.nextInt(rows.size()));
    }

    private EventRow event(int id, String time) {
      String type = random.nextBoolean() ? "exposure" : "conversion";
      return UserScenario.event(
          id, type, random.nextBoolean() ? CONTROL : TREATMENT, time, "{\"n\": 1}");
    }

    private void insert() {
      EventRow row = event(1 + random.nextInt(3), TIMES[random.nextInt(TIMES.length)]);
      if (events.putIfAbsent(key(row), row) == null) {
        deletedOld.remove(key(row));
        retained.remove(key(row));
        send(SourceTable.EVENTS, ChangeKind.INSERT, null, row);
      }
    }

    private void delete(EventRow row) {
      events.remove(key(row));
      if (row.occurredAt() == UserScenario.at(TIMES[0])) {
        deletedOld.put(key(row), row);
      }
      send(SourceTable.EVENTS, ChangeKind.DELETE, row, null);
    }

    private void deleteAny() {
      EventRow row = any();
      if (row != null) {
        delete(row);
      }
    }

    private void correctAny() {
      EventRow row = any();
      if (row != null) {
        EventRow after =
            new EventRow(
                row.id(),
                row.occurredAt(),
                row.experimentId(),
                row.userId(),
                row.variantId(),
                row.eventType(),
                null,
                "{\"n\": " + random.nextInt(5) + "}",
                null,
                null,
                null);
        events.put(key(row), after);
        send(SourceTable.EVENTS, ChangeKind.UPDATE, row, after);
      }
    }

    /** An update of the key, as it is routed. */
    private EventRow move(EventRow row, EventRow to) {
      events.remove(key(row));
      EventRow after =
          new EventRow(
              to.id(),
              to.occurredAt(),
              row.experimentId(),
              row.userId(),
              row.variantId(),
              row.eventType(),
              null,
              row.properties(),
              null,
              null,
              null);
      events.put(key(after), after);
      deletedOld.remove(key(after));
      retained.remove(key(after));
      send(SourceTable.EVENTS, ChangeKind.KEY_CHANGE, row, null);
      send(SourceTable.EVENTS, ChangeKind.UPDATE, row, after);
      return after;
    }

    private void exchangeOrMove() {
      EventRow one = any();
      EventRow other = any();
      if (one == null) {
        return;
      }
      EventRow free = event(9, TIMES[1 + random.nextInt(3)]);
      if (events.containsKey(key(free))) {
        return;
      }
      EventRow moved = move(one, free);
      if (!one.equals(other)) {
        move(other, one);
        move(moved, other);
      }
    }

    private void changeAssignment() {
      if (!assignments.isEmpty()) {
        AssignmentRow row = assignments.remove(assignments.keySet().iterator().next());
        sent.add(() -> scenario.delete(row));
      }
      if (random.nextBoolean()) {
        long id = 5L + random.nextInt(3);
        AssignmentRow row = UserScenario.numbered(id, CONTROL, UserScenario.JAN_8);
        assignments.put(id, row);
        sent.add(() -> scenario.insert(row));
      }
    }

    /** PostgreSQL cascades behind the user's row; a platform may delete the facts before it. */
    private void deleteUser() {
      boolean first = random.nextBoolean();
      if (first) {
        sent.add(scenario::deleteUser);
      }
      for (EventRow row : List.copyOf(events.values())) {
        delete(row);
      }
      for (AssignmentRow row : List.copyOf(assignments.values())) {
        sent.add(() -> scenario.delete(row));
      }
      assignments.clear();
      if (!first) {
        sent.add(scenario::deleteUser);
      }
      log.add("DELETE USER " + first);
      userIsThere = false;
      userDeleted = true;
    }

    Set<EventRow> visibleEvents() {
      Set<EventRow> visible = new HashSet<>(events.values());
      visible.addAll(retained.values());
      return visible;
    }
  }

  @Property(tries = 1500)
  void visibleRowsAndFiguresAreThoseOfTheSource(@ForAll long seed) {
    Random random = new Random(seed);
    UserScenario scenario = UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));
    Source source = new Source(scenario, random);
    for (int i = 0; i < 6; i++) {
      List<Runnable> changes = source.transaction();
      scenario.inOneTransaction(() -> applyWithACrash(scenario, changes, random));
      scenario.afterGrace();

      assertThat(
              scenario.visible().values().stream()
                  .map(EventProcessed::event)
                  .collect(Collectors.toSet()))
          .as(String.join("\n", source.log))
          .isEqualTo(source.visibleEvents());
      assertThat(visibleAssignments(scenario)).isEqualTo(source.assignments.keySet());
      assertThat(scenario.undecided).isEmpty();
      assertThat(scenario.out.daily).isEqualTo(figuresOf(source));
      if (!source.userIsThere) {
        assertThat(scenario.keptState()).isNull();
      }
    }
  }

  private static void applyWithACrash(
      UserScenario scenario, List<Runnable> changes, Random random) {
    int checkpointBefore = random.nextInt(changes.size() + 1);
    int crashBefore = checkpointBefore + random.nextInt(changes.size() + 1 - checkpointBefore);
    changes.subList(0, checkpointBefore).forEach(Runnable::run);
    UserScenario.Checkpoint checkpoint = scenario.checkpoint();
    changes.subList(checkpointBefore, crashBefore).forEach(Runnable::run);
    scenario.restart(checkpoint);
    changes.subList(checkpointBefore, changes.size()).forEach(Runnable::run);
  }

  private static Set<Long> visibleAssignments(UserScenario scenario) {
    Map<Long, AssignmentProcessed> latest = new HashMap<>();
    for (AssignmentProcessed row : scenario.out.assignmentRows) {
      latest.merge(
          row.assignment().id(),
          row,
          (a, b) -> a.version().version() > b.version().version() ? a : b);
    }
    latest.values().removeIf(row -> row.version().deleted());
    return latest.keySet();
  }

  /** What the same rows give when they simply arrive. */
  private static Map<?, ?> figuresOf(Source source) {
    UserScenario simple = UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));
    source.assignments.values().forEach(simple::insert);
    source.visibleEvents().forEach(simple::insert);
    simple.afterGrace();
    return simple.out.daily;
  }
}
