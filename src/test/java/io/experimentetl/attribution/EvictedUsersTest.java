package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.config.DeliveryMode;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.StateConfig;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import io.experimentetl.warehouse.EventEncoder;
import java.math.BigInteger;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.Test;

/** Evictions by the operator. */
class EvictedUsersTest extends AttributeOperatorHarness {
  /** What the warehouse shows. */
  private final List<EventProcessed> rows = new ArrayList<>();

  private final List<AssignmentProcessed> assignments = new ArrayList<>();

  /** An operator that evicts facts, in front of the warehouse. */
  private AttributeOperator evicting() {
    return evicting(DeliveryConfig.defaults());
  }

  private AttributeOperator evicting(DeliveryConfig delivery) {
    JobConfig config =
        ConfigBuilder.defaults()
            .with(JobConfig::delivery, delivery)
            .with(StateConfig::evictAfter, Duration.ofDays(2))
            .build();
    return new AttributeOperator(config, Set.of(), () -> new StoredRows(rows, assignments));
  }

  /** Opens the operator, in which the experiment is over soon. */
  private void openEvicting(DeliveryConfig delivery) throws Exception {
    harness.close();
    harness = newHarness(evicting(delivery));
    harness.open();
    sendDimensions();
    sendDates("2026-01-09T00:00:00Z");
  }

  @Test
  void factsAreEvictedBeforeABarrierAndRehydratedAfterARestart() throws Exception {
    openEvicting(DeliveryConfig.defaults());
    harness.setProcessingTime(1_000);
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    send(SourceTable.EVENTS, event(2, "purchase", CONTROL, JAN_8, "{\"revenue\": 3}"));
    for (int i = 3; i < 200; i++) {
      send(SourceTable.EVENTS, event(i, "page_view", CONTROL, JAN_8, null));
    }
    barrier(1, "2026-01-14T00:00:00Z");
    long whole = harness.snapshot(1, 1).getStateSize();
    rows.addAll(events());
    assignments.addAll(assignments());
    barrier(2, "2026-01-14T00:00:00Z");
    assertThat(harness.snapshot(2, 2).getStateSize())
        .as("lateness and evict-after are not over")
        .isEqualTo(whole);

    barrier(3, "2026-01-14T00:00:01Z");
    OperatorSubtaskState snapshot = harness.snapshot(3, 3);
    assertThat(snapshot.getStateSize()).isLessThan(whole - 197 * 40);
    assertThat(harness.numKeyedStateEntries()).as("the user, and two of the index").isEqualTo(3);
    assertThat(harness.numProcessingTimeTimers()).isZero();
    harness.close();

    harness = newHarness(evicting());
    harness.initializeState(snapshot);
    harness.open();
    send(SourceTable.EVENTS, event(200, "purchase", CONTROL, JAN_8, "{\"revenue\": 2}"));
    assertThat(new EventEncoder().isReplayStable(events().get(0)))
        .as("no checkpoint holds the facts that are needed again")
        .isFalse();
    barrier(4, "2026-01-14T00:00:01Z");
    assertThat(contributions())
        .extracting(contribution -> contribution.sums().dSumSq())
        .contains(BigInteger.valueOf((2 * 3 * 2 + 4) * 1_000_000_000_000L));
    send(SourceTable.EVENTS, event(201, "page_view", CONTROL, JAN_8, null));
    harness.notifyOfCompletedCheckpoint(4);
    send(SourceTable.EVENTS, event(202, "page_view", CONTROL, JAN_8, null));
    assertThat(events())
        .extracting(row -> new EventEncoder().isReplayStable(row))
        .containsExactly(false, false, true);
  }

  @Test
  void earlyWritesDelayEvictionsAfterARestart() throws Exception {
    DeliveryConfig lowLatency = new DeliveryConfig(DeliveryMode.LOW_LATENCY, Duration.ofMillis(50));
    openEvicting(lowLatency);
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    for (int i = 1; i < 200; i++) {
      send(SourceTable.EVENTS, event(i, "page_view", CONTROL, JAN_8, null));
    }
    barrier(1, "2026-01-13T00:00:00Z");
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    rows.addAll(events());
    assignments.addAll(assignments());
    harness.close();

    harness = newHarness(evicting(lowLatency));
    harness.initializeState(snapshot);
    harness.setProcessingTime(at("2026-01-14T00:00:01Z") / 1000);
    harness.open();
    barrier(2, "2026-01-14T00:10:00Z");
    assertThat(harness.snapshot(2, 2).getStateSize()).isEqualTo(snapshot.getStateSize());
    barrier(3, "2026-01-14T00:10:02Z");
    assertThat(harness.snapshot(3, 3).getStateSize())
        .isLessThan(snapshot.getStateSize() - 197 * 40);
  }

  @Test
  void changedDatesRestateUsersWithEvictedFacts() throws Exception {
    openEvicting(DeliveryConfig.defaults());
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    for (int i = 2; i < 100; i++) {
      send(SourceTable.EVENTS, event(i, "page_view", CONTROL, JAN_8, null));
    }
    barrier(1, "2026-01-14T00:00:00Z");
    long whole = harness.snapshot(1, 1).getStateSize();
    rows.addAll(events());
    assignments.addAll(assignments());
    barrier(2, "2026-01-20T00:00:00Z");
    int sent = contributions().size();
    assertThat(sent).isPositive();
    assertThat(harness.snapshot(2, 2).getStateSize())
        .as("they are evicted")
        .isLessThan(whole - 98 * 40);

    sendDates("2026-01-07T00:00:00Z");
    barrier(3, "2026-01-20T00:00:00Z");
    assertThat(contributions().subList(sent, contributions().size()))
        .hasSize(2)
        .allMatch(contribution -> contribution.sums().newUsers() == -1);
  }

  @Test
  void factsOfAUserInTwoExperimentsAreEvictedOnce() throws Exception {
    long other = EXPERIMENT + 1;
    openEvicting(DeliveryConfig.defaults());
    sendDates(other, "2026-01-09T00:00:00Z");
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    long variant = 77;
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(
                change(
                    SourceTable.VARIANTS,
                    ChangeKind.INSERT,
                    null,
                    new VariantRow(variant, other, "c", "C", null, 50, true, null, 0, 0)))));
    send(
        SourceTable.ASSIGNMENTS,
        new AssignmentRow(
            9, other, UserScenario.USER, variant, 1, "hash", null, at(JAN_8), null, 0, 0));
    barrier(1, "2026-01-14T00:00:00Z");
    rows.addAll(events());
    assignments.addAll(assignments());
    barrier(2, "2026-01-20T00:00:00Z");
    assertThat(keysIn("user-experiments")).as("both are evicted").isZero();

    send(SourceTable.EVENTS, event(3, "conversion", CONTROL, JAN_8, null));
    barrier(3, "2026-01-20T00:00:00Z");
    rows.clear();
    rows.addAll(events());
    harness.setProcessingTime(60_000);
    barrier(4, "2026-01-20T00:00:00Z");
    assertThat(keysIn("user-experiments")).as("they are evicted again").isZero();
    int sent = contributions().size();
    sendDates("2026-01-07T00:00:00Z");
    barrier(5, "2026-01-20T00:00:00Z");
    assertThat(contributions().subList(sent, contributions().size()))
        .hasSize(2)
        .allMatch(contribution -> contribution.sums().newUsers() == -1);
  }

  @Test
  void evictionsGoOnBetweenBarriers() throws Exception {
    int users = 1_200;
    openEvicting(DeliveryConfig.defaults());
    harness.setProcessingTime(1_000);
    for (int i = 0; i < users; i++) {
      String user = "u" + i;
      send(SourceTable.USERS, UserScenario.userRow().withUserId(user));
      send(
          SourceTable.ASSIGNMENTS,
          new AssignmentRow(i, EXPERIMENT, user, CONTROL, 1, "hash", null, at(JAN_8), null, 0, 0));
    }
    barrier(1, "2026-01-14T00:00:00Z");
    assignments.addAll(assignments());
    barrier(2, "2026-01-20T00:00:00Z");
    assertThat(keysIn("user-experiments")).isBetween(1L, users - 1L);
    for (int i = 0; i < 10; i++) {
      harness.setProcessingTime(harness.getProcessingTime() + 1_000);
    }
    assertThat(keysIn("user-experiments")).isZero();
    assertThat(keysIn("user")).isEqualTo(users);
  }
}
