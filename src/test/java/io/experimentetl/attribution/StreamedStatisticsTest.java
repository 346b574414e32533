package io.experimentetl.attribution;

import static io.experimentetl.attribution.History.CONTROL;
import static io.experimentetl.attribution.History.EXPERIMENT;
import static io.experimentetl.attribution.History.TREATMENT;
import static io.experimentetl.attribution.History.USER;
import static io.experimentetl.attribution.History.at;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.JobConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * Whatever happens to a user, in whatever order: the differences that were sent add up to what the
 * contract says of the rows.
 */
class StreamedStatisticsTest {
  private static final long START = at("2026-03-27T00:00:00Z");
  private static final long FOUR_DAYS = 4 * 86_400_000_000L;

  private final List<EventRow> rows = new ArrayList<>();
  private AssignmentRow assignment;

  @Property(tries = 2000)
  void differencesAddUpToTheContract(@ForAll long seed) {
    rows.clear();
    assignment = null;
    Random random = new Random(seed);
    CrossoverPolicy policy = random.nextBoolean() ? CrossoverPolicy.EXCLUDE : CrossoverPolicy.FIRST;
    JobConfig config = UserAttributionTest.config(policy);
    ExperimentDimension experiment =
        new ExperimentDimension(
            EXPERIMENT,
            "e",
            "E",
            random.nextBoolean() ? "Europe/Berlin" : "UTC",
            random.nextBoolean() ? START + FOUR_DAYS / 8 : null,
            random.nextBoolean() ? START + FOUR_DAYS : null);
    History history = new History(config);
    boolean knownEarly = random.nextBoolean();
    if (knownEarly) {
      know(history, experiment);
    }
    int steps = 1 + random.nextInt(25);
    for (int i = 0; i < steps; i++) {
      step(history, random);
      if (random.nextInt(4) == 0) {
        history.throughState();
      }
      if (random.nextInt(6) == 0) {
        history.afterGrace();
      }
    }
    if (!knownEarly) {
      know(history, experiment);
    }
    history.insert(SourceTable.USERS, History.userRow());
    history.afterGrace();

    StatisticsOracle oracle =
        new StatisticsOracle(config.statistics(), experiment, Set.of(CONTROL, TREATMENT));
    assertThat(history.out.daily).isEqualTo(oracle.daily(assignment, rows));
    assertThat(history.visible().values().stream().map(EventProcessed::event))
        .containsExactlyInAnyOrderElementsOf(rows);
    assertThat(history.floor.rows()).isZero();
    assertThat(
            history.out.eventRows.stream().map(row -> row.event() + "" + row.version().version()))
        .doesNotHaveDuplicates();
  }

  private static void know(History history, ExperimentDimension experiment) {
    history.changeDimensions(
        () -> {
          history.dimensions.put(experiment);
          history.dimensions.put(new VariantDimension(CONTROL, EXPERIMENT, "c", "C", 50, true));
          history.dimensions.put(new VariantDimension(TREATMENT, EXPERIMENT, "t", "T", 50, false));
        });
  }

  private void step(History history, Random random) {
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
              History.id(random.nextInt(12)),
              START + (long) (random.nextDouble() * 1.2 * FOUR_DAYS));
      rows.add(event);
      history.insert(event);
    }
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
        START + random.nextInt(1_000_000),
        null,
        0,
        random.nextInt());
  }

  private static EventRow randomEvent(Random random, String id, long occurredAt) {
    String type =
        List.of("exposure", "exposure", "conversion", "purchase", "page_view")
            .get(random.nextInt(5));
    Long variant =
        random.nextInt(10) == 0 ? null : Long.valueOf(random.nextInt(8) == 0 ? TREATMENT : CONTROL);
    String properties =
        switch (random.nextInt(4)) {
          case 0 -> null;
          case 1 -> "{\"revenue\": -" + random.nextInt(10) + ".5}";
          default ->
              "{\"revenue\": " + random.nextInt(1000) + "." + random.nextInt(99_999_999) + "}";
        };
    return new EventRow(
        id, occurredAt, EXPERIMENT, USER, variant, type, null, properties, null, null);
  }
}
