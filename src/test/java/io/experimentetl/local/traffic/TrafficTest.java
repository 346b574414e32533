package io.experimentetl.local.traffic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.experimentetl.local.traffic.Write.Kind;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class TrafficTest {
  private static final Instant NOW = Instant.parse("2026-05-17T12:00:00Z");

  @Test
  void sameSeedMakesTheSameTraffic() {
    assertThat(writes(TrafficPlan.bounded(7, 5_000, NOW)))
        .isEqualTo(writes(TrafficPlan.bounded(7, 5_000, NOW)));
  }

  @Test
  void otherSeedMakesOtherUsersAndAssignments() {
    Set<Object> users = keys(writes(TrafficPlan.bounded(7, 2_000, NOW)));
    users.retainAll(keys(writes(TrafficPlan.bounded(8, 2_000, NOW))));
    assertThat(users).isEmpty();
  }

  @Test
  void boundedPlanMakesExactlyItsEvents() {
    for (int events : new int[] {1, 3, 4_999}) {
      assertThat(of(Kind.INSERT_EVENT, writes(TrafficPlan.bounded(1, events, NOW))))
          .hasSize(events);
    }
  }

  @Test
  void thirtyThousandEventsContainEveryKindOfWrite() {
    List<Write> writes = new ArrayList<>(TrafficCatalogue.writes(NOW));
    writes.addAll(writes(TrafficPlan.bounded(1, 30_000, NOW)));
    assertThat(writes.stream().map(Write::kind).collect(Collectors.toSet()))
        .containsExactlyInAnyOrder(Kind.values());
  }

  @Test
  void thirtyThousandEventsContainEveryFault() {
    List<Write> events = of(Kind.INSERT_EVENT, writes(TrafficPlan.bounded(1, 30_000, NOW)));
    Map<Object, List<Write>> byId =
        events.stream().collect(Collectors.groupingBy(w -> w.parameters().get(0)));
    assertThat(byId.values())
        .as("a duplicate with the same content")
        .anyMatch(same -> same.size() == 2 && properties(same).size() == 1);
    assertThat(byId.values())
        .as("a duplicate with other content")
        .anyMatch(same -> properties(same).size() == 2);
    assertThat(events).as("from the future").anyMatch(w -> time(w).isAfter(NOW.plusSeconds(300)));
    assertThat(events)
        .as("beyond the lateness")
        .anyMatch(w -> time(w).isBefore(NOW.minusSeconds(72 * 3_600)));
    assertThat(events).as("no variant").anyMatch(w -> w.parameters().get(4) == null);
    assertThat(events)
        .as("unknown experiment")
        .anyMatch(w -> w.parameters().get(2).equals(TrafficCatalogue.UNKNOWN_EXPERIMENT));
    assertThat(events)
        .as("negative revenue")
        .anyMatch(w -> String.valueOf(w.parameters().get(7)).contains("-5.25"));
    assertThat(events)
        .as("before its assignment")
        .anyMatch(
            w ->
                w.parameters().get(6) != null
                    && time(w).isBefore(Instant.parse((String) w.parameters().get(6))));
  }

  @Test
  void brokenAssignerGivesNearlyEverybodyTheControl() {
    List<Write> assignments =
        of(Kind.INSERT_ASSIGNMENT, writes(TrafficPlan.bounded(1, 60_000, NOW))).stream()
            .filter(w -> w.parameters().get(1).equals(103L))
            .toList();
    long control = assignments.stream().filter(w -> w.parameters().get(3).equals(1031L)).count();
    assertThat(assignments).hasSizeGreaterThan(1_000);
    assertThat((double) control / assignments.size()).isCloseTo(0.997, within(0.003));
  }

  @Test
  void endlessPlanSendsFewEventsFromTheFuture() {
    Lane lane = TrafficPlan.continuous(1, 1, NOW).load(InstantSource.fixed(NOW)).lanes().get(0);
    List<Write> events = new ArrayList<>();
    while (events.size() < 10_000) {
      events.addAll(of(Kind.INSERT_EVENT, lane.next()));
    }
    long future = events.stream().filter(w -> time(w).isAfter(NOW)).count();
    assertThat(future).isBetween(1L, 50L);
  }

  @Test
  void writesNameOnlyExistingUsers() {
    for (List<Write> lane : lanes(TrafficPlan.bounded(3, 30_000, NOW))) {
      Set<Object> present = new HashSet<>();
      for (Write write : lane) {
        switch (write.kind()) {
          case INSERT_USER -> assertThat(present.add(write.parameters().get(0))).isTrue();
          case ERASE_USER -> assertThat(present.remove(write.parameters().get(0))).isTrue();
          case INSERT_ASSIGNMENT -> assertThat(present).contains(write.parameters().get(2));
          case INSERT_EVENT -> assertThat(present).contains(write.parameters().get(3));
          default -> {}
        }
      }
    }
  }

  private static List<Write> writes(TrafficPlan plan) {
    return lanes(plan).stream().flatMap(List::stream).toList();
  }

  private static List<List<Write>> lanes(TrafficPlan plan) {
    List<List<Write>> lanes = new ArrayList<>();
    for (Lane lane : plan.load(InstantSource.fixed(NOW)).lanes()) {
      List<Write> writes = new ArrayList<>();
      for (List<Write> next = lane.next(); !next.isEmpty(); next = lane.next()) {
        writes.addAll(next);
      }
      lanes.add(writes);
    }
    return lanes;
  }

  private static List<Write> of(Kind kind, List<Write> writes) {
    return writes.stream().filter(w -> w.kind() == kind).toList();
  }

  private static Set<Object> keys(List<Write> writes) {
    return writes.stream()
        .filter(w -> List.of(Kind.INSERT_USER, Kind.INSERT_ASSIGNMENT).contains(w.kind()))
        .map(w -> Arrays.asList(w.kind(), w.parameters().get(0)))
        .collect(Collectors.toCollection(HashSet::new));
  }

  private static Set<Object> properties(List<Write> events) {
    return events.stream().map(w -> w.parameters().get(7)).collect(Collectors.toSet());
  }

  private static Instant time(Write event) {
    return Instant.parse((String) event.parameters().get(1));
  }
}
