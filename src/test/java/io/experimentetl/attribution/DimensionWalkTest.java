package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.at;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.cdc.RouteOperator;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TestEvent;
import io.experimentetl.model.UserRow;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.contrib.streaming.state.EmbeddedRocksDBStateBackend;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.Test;

/** An edit of an experiment reaches its users in slices, on RocksDB. */
class DimensionWalkTest extends AttributeOperatorHarness {
  private static final int USERS_OF_SEVERAL_SLICES = 1_200;
  private static final String BEFORE_ALL_EXPOSURES = "2026-01-07T00:00:00Z";

  private final Map<DailyKey, DailySums> totals = new HashMap<>();

  /** An operator that counts one batch of users in a slice. */
  private static AttributeOperator slow() {
    return new AttributeOperator(UserScenario.config(CrossoverPolicy.EXCLUDE), 1);
  }

  private static KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<ProgressMarker, Change>, Either<ProgressMarker, EventProcessed>>
      onRocksDb(int parallelism, int subtask) throws Exception {
    var harness =
        new KeyedTwoInputStreamOperatorTestHarness<>(
            slow(), RouteOperator::userOf, null, Types.STRING, 128, parallelism, subtask);
    harness.setStateBackend(new EmbeddedRocksDBStateBackend());
    harness.setup(AttributeOperator.EVENTS_TYPE.createSerializer(new SerializerConfigImpl()));
    return harness;
  }

  private void openWithUsers(int count) throws Exception {
    harness.close();
    harness = onRocksDb(1, 0);
    harness.open();
    harness.setProcessingTime(1_000);
    sendDimensions();
    for (int i = 0; i < count; i++) {
      send(SourceTable.USERS, new UserRow("u" + i, null, null, null, true, 0, 0));
      send(
          SourceTable.ASSIGNMENTS,
          new AssignmentRow(
              i + 1, EXPERIMENT, "u" + i, CONTROL, 1, "hash", null, at(JAN_8), null, 0, 0));
      exposure(i, i);
    }
    takeTotals();
    assertThat(newUsers()).isEqualTo(count);
  }

  private void exposure(int id, int user) throws Exception {
    send(
        SourceTable.EVENTS,
        TestEvent.of(UserScenario.id(id), at(JAN_8), EXPERIMENT, "u" + user, "exposure")
            .with("variant_id", CONTROL)
            .row());
  }

  /** Ends a checkpoint interval, and adds its contributions to the totals. */
  private void takeTotals() throws Exception {
    marker();
    contributions().forEach(sent -> totals.merge(sent.key(), sent.sums(), DailySums::plus));
    if (harness.getSideOutput(AttributeOperator.CONTRIBUTIONS) != null) {
      harness.getSideOutput(AttributeOperator.CONTRIBUTIONS).clear();
    }
  }

  private long newUsers() {
    return totals.entrySet().stream()
        .filter(entry -> entry.getKey().metric().equals("conversion"))
        .mapToLong(entry -> entry.getValue().newUsers())
        .sum();
  }

  private long visibleLsn() {
    return markers().get(markers().size() - 1).lsn();
  }

  private void runTimers() throws Exception {
    for (int i = 0; i < 20; i++) {
      harness.setProcessingTime(harness.getProcessingTime() + 10);
    }
  }

  @Test
  void progressStaysBeforeTheEditUntilAllUsersAreCounted() throws Exception {
    openWithUsers(USERS_OF_SEVERAL_SLICES);
    long before = lsn;
    sendDates(BEFORE_ALL_EXPOSURES);
    takeTotals();
    assertThat(newUsers()).isBetween(1L, USERS_OF_SEVERAL_SLICES - 1L);
    assertThat(visibleLsn()).isEqualTo(before);

    runTimers();
    takeTotals();
    assertThat(newUsers()).isZero();
    assertThat(visibleLsn()).isEqualTo(lsn);
  }

  @Test
  void editOfFewUsersIsCompleteAtTheNextBarrier() throws Exception {
    openWithUsers(100);
    sendDates(BEFORE_ALL_EXPOSURES);
    runTimers();
    takeTotals();
    assertThat(newUsers()).isZero();
    assertThat(visibleLsn()).isEqualTo(lsn);
  }

  @Test
  void secondEditDuringTheFirstCountsEachUserByTheSecond() throws Exception {
    openWithUsers(USERS_OF_SEVERAL_SLICES);
    sendDates(BEFORE_ALL_EXPOSURES);
    takeTotals();
    sendDates(null);
    takeTotals();
    runTimers();
    takeTotals();
    assertThat(newUsers()).isEqualTo(USERS_OF_SEVERAL_SLICES);
    assertThat(totals.values()).noneMatch(sums -> sums.newUsers() < 0);
    assertThat(visibleLsn()).isEqualTo(lsn);
  }

  @Test
  void factIsCountedByTheEditWhereverTheWalkIs() throws Exception {
    openWithUsers(USERS_OF_SEVERAL_SLICES);
    sendDates(BEFORE_ALL_EXPOSURES);
    for (int i = 0; i < USERS_OF_SEVERAL_SLICES; i++) {
      exposure(10_000 + i, i);
    }
    takeTotals();
    assertThat(newUsers()).isZero();
    assertThat(totals.values()).allMatch(DailySums::isZero);
    runTimers();
    takeTotals();
    assertThat(totals.values()).allMatch(DailySums::isZero);
  }

  @Test
  void walkGoesOnAfterARestartWithMoreSubtasks() throws Exception {
    openWithUsers(USERS_OF_SEVERAL_SLICES);
    long before = lsn;
    sendDates(BEFORE_ALL_EXPOSURES);
    takeTotals();
    assertThat(newUsers()).isPositive();
    OperatorSubtaskState snapshot = harness.snapshot(2, 2);
    harness.close();
    for (int subtask = 0; subtask < 2; subtask++) {
      harness = onRocksDb(2, subtask);
      harness.initializeState(
          AbstractStreamOperatorTestHarness.repartitionOperatorState(snapshot, 128, 1, 2, subtask));
      harness.open();
      takeTotals();
      assertThat(visibleLsn()).isLessThanOrEqualTo(before);
      runTimers();
      takeTotals();
      harness.close();
    }
    assertThat(newUsers()).isZero();
    assertThat(totals.values()).allMatch(DailySums::isZero);
    open();
  }
}
