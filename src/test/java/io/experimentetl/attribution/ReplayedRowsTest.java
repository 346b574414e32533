package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourceTable;
import io.experimentetl.warehouse.AssignmentEncoder;
import io.experimentetl.warehouse.EventEncoder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.Stream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * A run writes rows early and fails. The next one starts from the checkpoint before them, with
 * timers and dimensions at other moments. {@code FINAL} shows what the second run alone would have
 * left.
 */
class ReplayedRowsTest {
  private static final long LATE = 99;

  /** The same changes of the source in each run; {@code pace} determines the differences. */
  private static final class Run {
    private final UserScenario scenario =
        UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));
    private final Map<Integer, EventRow> events = new HashMap<>();
    private AssignmentRow assignment;
    private boolean userIsThere = true;
    private boolean lateVariantIsDue;
    private boolean pauseIsDue;

    void step(int step, Random pace) {
      if (lateVariantIsDue && pace.nextBoolean()) {
        lateVariantArrives();
      }
      if (pauseIsDue && pace.nextBoolean()) {
        pauseArrives();
      }
      source(new Random(step));
      if (pace.nextInt(4) == 0) {
        scenario.afterGrace();
      }
    }

    private void source(Random random) {
      if (!userIsThere) {
        userIsThere = true;
        scenario.insert(SourceTable.USERS, UserScenario.userRow());
        return;
      }
      int id = 1 + random.nextInt(3);
      EventRow event = events.get(id);
      switch (random.nextInt(10)) {
        case 0 -> lateVariantIsDue = true;
        case 9 -> pauseIsDue = true;
        case 1, 2 -> assign(random);
        case 3 -> eraseUser();
        case 4 -> {
          if (event != null) {
            scenario.delete(events.remove(id));
          }
        }
        default -> {
          EventRow after = event(id, random);
          if (event == null) {
            scenario.insert(after);
          } else {
            after = after.occurredAt() == event.occurredAt() ? after : event;
            scenario.update(event, after);
          }
          events.put(id, after);
        }
      }
    }

    private static EventRow event(int id, Random random) {
      Long[] variants = {null, CONTROL, TREATMENT, LATE};
      String[] types = {"exposure", "conversion", "page_view"};
      String type = types[random.nextInt(types.length)];
      Long variant = variants[random.nextInt(variants.length)];
      String day = random.nextBoolean() ? "2026-01-08T10:00:00Z" : "2026-01-09T10:00:00Z";
      return UserScenario.event(id, type, variant, day, random.nextBoolean() ? "{\"n\": 1}" : null);
    }

    private void assign(Random random) {
      if (assignment != null && random.nextInt(3) == 0) {
        scenario.delete(assignment);
        assignment = null;
        return;
      }
      long variant = random.nextBoolean() ? CONTROL : LATE;
      AssignmentRow after = UserScenario.assignment(variant, "hash", "2026-01-08T09:00:00Z");
      if (assignment == null) {
        scenario.insert(after);
      } else {
        scenario.update(assignment, after);
      }
      assignment = after;
    }

    private void eraseUser() {
      scenario.inOneTransaction(
          () -> {
            scenario.deleteUser();
            events.values().forEach(scenario::delete);
            if (assignment != null) {
              scenario.delete(assignment);
            }
          });
      events.clear();
      assignment = null;
      userIsThere = false;
    }

    /** The experiment was paused between the two days of the events. */
    void pauseArrives() {
      pauseIsDue = false;
      scenario.changeDimensions(
          () ->
              scenario.dimensions.put(
                  new ExperimentDimension(
                      EXPERIMENT,
                      "exp",
                      "Exp",
                      "UTC",
                      null,
                      null,
                      1,
                      new KnownStatus[] {
                        new KnownStatus(UserScenario.at("2026-01-09T00:00:00Z"), "PAUSED")
                      })));
    }

    void lateVariantArrives() {
      lateVariantIsDue = false;
      scenario.variantArrives(LATE);
    }
  }

  /** A seed in which a pending event is written again as it was. */
  @Example
  void earlyWriteOfAnEventThatWasWrittenAgainIsReplaced() {
    earlyWritesAreSentAgainOrReplaced(6346219106074903083L);
  }

  @Property(tries = 5000)
  void earlyWritesAreSentAgainOrReplaced(@ForAll long seed) {
    Random random = new Random(seed);
    int beforeCheckpoint = random.nextInt(8);
    int writtenEarly = 1 + random.nextInt(8);
    int afterwards = random.nextInt(8);
    long samePace = random.nextLong();
    List<Integer> steps = random.ints(24).boxed().toList();

    Run first = new Run();
    Run second = new Run();
    Random firstPace = new Random(samePace);
    Random secondPace = new Random(samePace);
    for (int i = 0; i < beforeCheckpoint; i++) {
      first.step(steps.get(i), firstPace);
      second.step(steps.get(i), secondPace);
    }
    int events = first.scenario.out.eventRows.size();
    int assignments = first.scenario.out.assignmentRows.size();
    for (int i = beforeCheckpoint; i < beforeCheckpoint + writtenEarly; i++) {
      first.step(steps.get(i), random);
    }
    second.scenario.throughState();
    if (random.nextBoolean()) {
      second.scenario.afterGrace();
    }
    for (int i = beforeCheckpoint; i < beforeCheckpoint + writtenEarly + afterwards; i++) {
      second.step(steps.get(i), random);
    }
    if (second.lateVariantIsDue) {
      second.lateVariantArrives();
    }
    second.scenario.afterGrace();

    assertSame(
        written(new EventEncoder(), first.scenario.out.eventRows, events),
        second.scenario.out.eventRows,
        row -> row.event().id() + "@" + row.event().occurredAt(),
        EventProcessed::version,
        EventProcessed::event,
        EventProcessed::inconsistencies);
    assertSame(
        written(new AssignmentEncoder(), first.scenario.out.assignmentRows, assignments),
        second.scenario.out.assignmentRows,
        row -> String.valueOf(row.assignment().id()),
        AssignmentProcessed::version,
        AssignmentProcessed::assignment,
        AssignmentProcessed::inconsistencies);
  }

  private static <T> List<T> written(RowEncoder<T> encoder, List<T> rows, int from) {
    return rows.subList(from, rows.size()).stream().filter(encoder::isReplayStable).toList();
  }

  private static <T> void assertSame(
      List<T> through,
      List<T> second,
      Function<T, String> key,
      Function<T, RowVersion> version,
      Function<T, Object> row,
      Function<T, FindingCode[]> codes) {
    Map<String, T> alone = visible(second, key, version);
    List<T> inOrder = new ArrayList<>(through);
    inOrder.addAll(second);
    List<T> withLateCopies = new ArrayList<>(second);
    withLateCopies.addAll(through);
    assertThat(visible(inOrder, key, version).keySet()).isEqualTo(alone.keySet());
    visible(inOrder, key, version)
        .forEach(
            (name, shown) -> {
              assertThat(row.apply(shown)).isEqualTo(row.apply(alone.get(name)));
              assertThat(isComplete(codes.apply(shown)))
                  .isEqualTo(isComplete(codes.apply(alone.get(name))));
            });
    Map<String, T> lateCopies = visible(withLateCopies, key, version);
    assertThat(lateCopies.keySet()).isEqualTo(alone.keySet());
    lateCopies.forEach(
        (name, shown) -> {
          if (List.of(codes.apply(shown)).contains(FindingCode.T_NOT_RUNNING)) {
            // The second run has found it too.
            assertThat(codes.apply(alone.get(name))).contains(FindingCode.T_NOT_RUNNING);
          }
          assertThat(row.apply(shown)).isEqualTo(row.apply(alone.get(name)));
          if (isComplete(codes.apply(alone.get(name)))) {
            assertThat(isComplete(codes.apply(shown))).isTrue();
          }
        });
  }

  private static boolean isComplete(FindingCode[] codes) {
    return Stream.of(codes)
        .noneMatch(
            code ->
                code.name().startsWith("R_ORPHAN")
                    || code == FindingCode.T_CONVERSION_BEFORE_EXPOSURE);
  }

  /** By key the row of the greatest version; among equal versions the last one written. */
  private static <T> Map<String, T> visible(
      List<T> rows, Function<T, String> key, Function<T, RowVersion> version) {
    Map<String, T> visible = new HashMap<>();
    for (T row : rows) {
      visible.merge(
          key.apply(row),
          row,
          (a, b) -> version.apply(a).version() > version.apply(b).version() ? a : b);
    }
    visible.values().removeIf(row -> version.apply(row).deleted());
    return visible;
  }
}
