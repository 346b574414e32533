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
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UserRow;
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
 * Random transactions against a user, with crashes in the middle: rows are inserted, corrected,
 * moved, deleted and truncated, the user is renamed, replaced and erased, grace periods end, and a
 * missing variant arrives. What is visible then are the rows of the source, and those that only
 * retention has deleted there, unless the user was erased. No row is sent again without a change.
 */
class RandomTransactionsTest {
  private static final long MISSING = 77;
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
    private String userId = UserScenario.USER;
    private boolean userIsThere = true;
    private boolean userDeleted;
    private boolean variantArrived;

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
        UserRow row = UserScenario.userRow().withUserId(userId);
        sent.add(() -> scenario.insert(SourceTable.USERS, row));
        return;
      }
      switch (random.nextInt(15)) {
        case 0 -> deleteUser();
        case 1 -> changeAssignment();
        case 2 -> deleteAny();
        case 3 -> correctAny();
        case 4, 5 -> exchangeOrMove();
        case 6 -> rename();
        case 7 -> truncate();
        case 8 -> endGracePeriods();
        case 9 -> deleteByRetention();
        default -> insert();
      }
    }

    /** A grace period ends, or the missing variant arrives, in the middle of the transaction. */
    private void endGracePeriods() {
      if (random.nextInt(4) != 0) {
        log.add("GRACE");
        sent.add(scenario::afterGrace);
        return;
      }
      log.add("VARIANT");
      variantArrived = true;
      sent.add(() -> scenario.variantArrives(MISSING));
    }

    /** The facts that the source holds follow. */
    private void rename() {
      String from = userId;
      String to = from.equals(UserScenario.USER) ? "renamed" : UserScenario.USER;
      log.add("RENAME " + from + " " + to);
      userId = to;
      sent.add(() -> scenario.rename(from, to));
      for (AssignmentRow row : List.copyOf(assignments.values())) {
        assignments.put(row.id(), row.withUserId(to));
        sent.add(() -> scenario.follow(row, to));
      }
      for (EventRow row : List.copyOf(events.values())) {
        events.put(key(row), row.withUserId(to));
        sent.add(() -> scenario.follow(row, to));
      }
      retained.replaceAll((key, row) -> row.withUserId(to));
      deletedOld.replaceAll((key, row) -> row.withUserId(to));
    }

    /** What is beyond its retention stays. */
    private void truncate() {
      if (random.nextBoolean()) {
        log.add("TRUNCATE events");
        sent.add(() -> scenario.truncate(SourceTable.EVENTS));
        events.forEach(
            (key, row) -> {
              if (row.occurredAt() == UserScenario.at(TIMES[0])) {
                retained.put(key, row);
              }
            });
        events.clear();
      } else {
        log.add("TRUNCATE assignments");
        sent.add(() -> scenario.truncate(SourceTable.ASSIGNMENTS));
        assignments.clear();
      }
    }

    private EventRow any() {
      List<EventRow> rows = new ArrayList<>(events.values());
      return rows.isEmpty() ? null : rows.get(random.nextInt(rows.size()));
    }

    private EventRow event(int id, String time) {
      String type = random.nextBoolean() ? "exposure" : "conversion";
      long[] variants = {CONTROL, TREATMENT, MISSING};
      long variant = variants[random.nextInt(variants.length)];
      return UserScenario.event(id, type, variant, time, "{\"n\": 1}").withUserId(userId);
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

    /** A retention transaction says so itself, also of a young row. */
    private void deleteByRetention() {
      EventRow row = any();
      if (row != null) {
        events.remove(key(row));
        retained.put(key(row), row);
        send(SourceTable.EVENTS, ChangeKind.RETENTION_DELETE, row, null);
      }
    }

    /** The rows that are not in the source although their age does not say so. */
    Set<EventRow> keptBeyondSource() {
      return retained.values().stream()
          .filter(row -> row.occurredAt() != UserScenario.at(TIMES[0]))
          .collect(Collectors.toSet());
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
                null,
                row.fact());
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
              null,
              row.fact());
      events.put(key(after), after);
      deletedOld.remove(key(after));
      retained.remove(key(after));
      if (random.nextInt(3) != 0) {
        send(SourceTable.EVENTS, ChangeKind.KEY_CHANGE, row, null);
      } else {
        sendFirstHalfTwice(row);
      }
      send(SourceTable.EVENTS, ChangeKind.UPDATE, row, after);
      return after;
    }

    /** As a delete, and with its number again when the other half has come. */
    private void sendFirstHalfTwice(EventRow row) {
      boolean byRetention = random.nextInt(3) == 0;
      ChangeKind kind = byRetention ? ChangeKind.RETENTION_DELETE : ChangeKind.DELETE;
      long[] number = new long[1];
      send(SourceTable.EVENTS, kind, row, null);
      sent.add(() -> number[0] = scenario.lastNumber());
      AssignmentRow other = UserScenario.numbered(4, CONTROL, UserScenario.JAN_8);
      AssignmentRow between = other.withUserId(userId);
      sent.add(() -> scenario.insert(between));
      sent.add(() -> scenario.delete(between));
      sent.add(() -> scenario.isFirstHalf(number[0], SourceTable.EVENTS, row));
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
        long variant = random.nextInt(3) == 0 ? MISSING : CONTROL;
        AssignmentRow row =
            UserScenario.numbered(id, variant, UserScenario.JAN_8).withUserId(userId);
        assignments.put(id, row);
        sent.add(() -> scenario.insert(row));
      }
    }

    /** PostgreSQL cascades behind the user's row; a platform may delete the facts before it. */
    private void deleteUser() {
      boolean first = random.nextBoolean();
      String id = userId;
      if (first) {
        sent.add(() -> scenario.eraseUser(id));
      }
      for (EventRow row : List.copyOf(events.values())) {
        delete(row);
      }
      for (AssignmentRow row : List.copyOf(assignments.values())) {
        sent.add(() -> scenario.delete(row));
      }
      assignments.clear();
      if (!first) {
        sent.add(() -> scenario.eraseUser(id));
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
    boolean writesEarly = random.nextBoolean();
    scenario.settlesAtOnce = random.nextBoolean();
    for (int i = 0; i < 6; i++) {
      List<Runnable> changes = source.transaction();
      scenario.inOneTransaction(() -> applyWithACrash(scenario, changes, random, writesEarly));
      scenario.commitTruncates();
      if (random.nextInt(3) == 0) {
        continue;
      }
      if (scenario.hasUnmoved()) {
        scenario.moveRenamed(false);
      }
      scenario.afterGrace();

      assertThat(
              scenario.visible().values().stream()
                  .map(EventProcessed::event)
                  .collect(Collectors.toSet()))
          .as(String.join("\n", source.log))
          .isEqualTo(source.visibleEvents());
      assertThat(
              scenario.visible().values().stream()
                  .filter(row -> row.version().deleteReason().equals(RowVersion.RETENTION))
                  .map(EventProcessed::event)
                  .collect(Collectors.toSet()))
          .as(String.join("\n", source.log))
          .isEqualTo(source.keptBeyondSource());
      assertThat(
              scenario.out.visibleAssignments().stream()
                  .map(AssignmentProcessed::assignment)
                  .collect(Collectors.toSet()))
          .as(String.join("\n", source.log))
          .isEqualTo(Set.copyOf(source.assignments.values()));
      if (!writesEarly) {
        assertThat(scenario.out.rowsSentAgain()).as(String.join("\n", source.log)).isEmpty();
      }
      assertThat(scenario.undecided).isEmpty();
      scenario.settle();
      assertThat(scenario.out.daily).isEqualTo(figuresOf(source));
      if (!source.userIsThere) {
        assertThat(scenario.keptState().isEmpty()).isTrue();
      }
    }
  }

  private static void applyWithACrash(
      UserScenario scenario, List<Runnable> changes, Random random, boolean writesEarly) {
    int checkpointBefore = random.nextInt(changes.size() + 1);
    int crashBefore = checkpointBefore + random.nextInt(changes.size() + 1 - checkpointBefore);
    changes.subList(0, checkpointBefore).forEach(Runnable::run);
    UserScenario.Checkpoint checkpoint = scenario.checkpoint();
    boolean isKnown = scenario.dimensions.variant(MISSING) != null;
    changes.subList(checkpointBefore, crashBefore).forEach(Runnable::run);
    if (writesEarly) {
      scenario.restart(checkpoint);
    } else {
      scenario.restartExactly(checkpoint);
    }
    if (!isKnown) {
      scenario.dimensions.removeVariant(MISSING);
    }
    changes.subList(checkpointBefore, changes.size()).forEach(Runnable::run);
  }

  /** What the same rows give when they simply arrive. */
  private static Map<?, ?> figuresOf(Source source) {
    UserScenario simple = UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));
    if (source.variantArrived) {
      simple.variantArrives(MISSING);
    }
    source.assignments.values().forEach(simple::insert);
    source.visibleEvents().forEach(simple::insert);
    simple.afterGrace();
    return simple.out.daily;
  }
}
