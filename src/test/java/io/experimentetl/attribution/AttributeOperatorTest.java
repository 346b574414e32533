package io.experimentetl.attribution;

import static io.experimentetl.attribution.History.CONTROL;
import static io.experimentetl.attribution.History.EXPERIMENT;
import static io.experimentetl.attribution.History.TREATMENT;
import static io.experimentetl.attribution.History.assignment;
import static io.experimentetl.attribution.History.at;
import static io.experimentetl.attribution.History.event;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.cdc.RouteOperator;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.JobConfig;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.Cut;
import io.experimentetl.model.DailyContribution;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.apache.flink.streaming.util.OperatorSnapshotUtil;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class AttributeOperatorTest {
  private static final String JAN_8 = "2026-01-08T10:00:00Z";

  private KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<Cut, Change>, Either<Cut, EventProcessed>>
      harness;
  private long lsn = 1000;
  private long txId = 1;

  @BeforeEach
  void open() throws Exception {
    harness = newHarness(CrossoverPolicy.EXCLUDE);
    harness.open();
    harness.setProcessingTime(1_000);
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  private static KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<Cut, Change>, Either<Cut, EventProcessed>>
      newHarness(CrossoverPolicy policy) throws Exception {
    return newHarness(UserAttributionTest.config(policy));
  }

  private static KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<Cut, Change>, Either<Cut, EventProcessed>>
      newHarness(JobConfig config) throws Exception {
    var harness =
        new KeyedTwoInputStreamOperatorTestHarness<>(
            new AttributeOperator(config), RouteOperator::userOf, null, Types.STRING, 128, 1, 0);
    harness.setup(AttributeOperator.EVENTS_TYPE.createSerializer(new SerializerConfigImpl()));
    return harness;
  }

  private Change change(SourceTable table, ChangeKind kind, SourceRow before, SourceRow after) {
    lsn += 10;
    return new Change(
        table,
        kind,
        lsn,
        new SourcePosition(lsn - 10, lsn, txId++, 0, at("2026-01-08T12:00:00Z")),
        before,
        after);
  }

  private void send(SourceTable table, SourceRow row) throws Exception {
    harness.processElement1(new StreamRecord<>(change(table, ChangeKind.INSERT, null, row)));
  }

  private void sendDimensions() throws Exception {
    for (SourceRow row :
        List.of(
            new ExperimentRow(
                EXPERIMENT, "exp", "Exp", null, "ACTIVE", null, 1, null, null, null, 0, 0),
            new VariantRow(CONTROL, EXPERIMENT, "c", "C", null, 50, true, null, 0, 0),
            new VariantRow(TREATMENT, EXPERIMENT, "t", "T", null, 50, false, null, 0, 0))) {
      SourceTable table =
          row instanceof ExperimentRow ? SourceTable.EXPERIMENTS : SourceTable.VARIANTS;
      harness.processElement2(
          new StreamRecord<>(Either.Right(change(table, ChangeKind.INSERT, null, row))));
    }
  }

  private void cut() throws Exception {
    harness.processElement2(
        new StreamRecord<>(Either.Left(new Cut(lsn, lsn, at("2026-01-08T12:00:00Z"), true, true))));
    harness.prepareSnapshotPreBarrier(1);
  }

  @SuppressWarnings("unchecked")
  private List<EventProcessed> events() {
    List<EventProcessed> rows = new ArrayList<>();
    for (Object record : harness.getOutput()) {
      Object value = ((StreamRecord<Object>) record).getValue();
      if (((Either<Cut, EventProcessed>) value).isRight()) {
        rows.add(((Either<Cut, EventProcessed>) value).right());
      }
    }
    return rows;
  }

  @SuppressWarnings("unchecked")
  private List<Cut> cuts() {
    List<Cut> cuts = new ArrayList<>();
    for (Object record : harness.getOutput()) {
      Object value = ((StreamRecord<Object>) record).getValue();
      if (((Either<Cut, EventProcessed>) value).isLeft()) {
        cuts.add(((Either<Cut, EventProcessed>) value).left());
      }
    }
    return cuts;
  }

  private <T> List<T> side(OutputTag<T> tag) {
    Queue<StreamRecord<T>> queue = harness.getSideOutput(tag);
    return queue == null ? List.of() : queue.stream().map(StreamRecord::getValue).toList();
  }

  private List<DailyContribution> contributions() {
    return side(AttributeOperator.CONTRIBUTIONS);
  }

  @Test
  void contributionsGoOutAddedUpBeforeTheBarrier() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, History.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    send(SourceTable.EVENTS, event(2, "conversion", CONTROL, JAN_8, null));
    assertThat(contributions()).isEmpty();
    cut();
    assertThat(contributions()).hasSize(2);
    assertThat(cuts()).hasSize(1);
  }

  @Test
  void anErasedUserLeavesNeitherStateNorTimer() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, History.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    cut();
    assertThat(harness.numKeyedStateEntries()).isOne();
    harness.processElement1(
        new StreamRecord<>(change(SourceTable.USERS, ChangeKind.DELETE, History.userRow(), null)));
    harness.setProcessingTime(100_000);
    cut();
    assertThat(harness.numKeyedStateEntries()).isZero();
    assertThat(harness.numProcessingTimeTimers()).isZero();
  }

  @Test
  void whatWaitsGoesOutByItsTimerAndTheTimerIsGone() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, History.userRow());
    cut();
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    assertThat(events()).isEmpty();
    assertThat(harness.numProcessingTimeTimers()).isOne();
    harness.setProcessingTime(20_000);
    assertThat(events()).hasSize(1);
    assertThat(harness.numProcessingTimeTimers()).isZero();
  }

  @Test
  void duringTheSnapshotAMissingReferenceIsOnlyLate() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, History.userRow());
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    harness.setProcessingTime(60_000);
    assertThat(events()).isEmpty();
    cut();
    harness.setProcessingTime(120_000);
    assertThat(events()).hasSize(1);
  }

  @Test
  void aRestoredOperatorKnowsItsUsersAndItsDimensions() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, History.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    cut();
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();

    harness = newHarness(CrossoverPolicy.EXCLUDE);
    harness.initializeState(snapshot);
    harness.open();
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    assertThat(events()).as("the same row again").isEmpty();
    send(SourceTable.EVENTS, event(2, "conversion", CONTROL, JAN_8, null));
    assertThat(events().get(0).experimentKey()).isEqualTo("exp");
    cut();
    assertThat(contributions()).hasSize(1);
    assertThat(contributions().get(0).sums().newConverters()).isOne();
    assertThat(contributions().get(0).sums().newUsers()).isZero();
  }

  @Test
  void whatWasSpilledIsCorrectedAfterARestartAndLeavesNoState() throws Exception {
    harness.close();
    harness = newHarness(UserAttributionTest.holding(1));
    harness.open();
    sendDimensions();
    send(SourceTable.USERS, History.userRow());
    cut();
    for (int i = 1; i <= 4; i++) {
      send(SourceTable.EVENTS, event(i, "exposure", CONTROL, JAN_8, null));
    }
    assertThat(events()).hasSize(3);
    cut();
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();

    harness = newHarness(UserAttributionTest.holding(1));
    harness.initializeState(snapshot);
    harness.open();
    assertThat(harness.numKeyedStateEntries()).as("the user, and its events").isEqualTo(2);
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    assertThat(events())
        .hasSize(4)
        .allMatch(row -> row.inconsistencies().length == 0 && row.assignedVariantId() == CONTROL);
    cut();
    assertThat(harness.numKeyedStateEntries()).isOne();
  }

  @Test
  void aCutIsLoweredAfterARestartUntilWhatWaitedHasGoneOut() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, History.userRow());
    long before = lsn;
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    cut();
    assertThat(cuts().get(0).lsn()).isEqualTo(before);
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();

    harness = newHarness(CrossoverPolicy.EXCLUDE);
    harness.setProcessingTime(1_000);
    harness.initializeState(snapshot);
    harness.open();
    cut();
    assertThat(cuts().get(0).lsn()).isEqualTo(before);
    harness.setProcessingTime(60_000);
    cut();
    assertThat(cuts().get(1).lsn()).isEqualTo(lsn);
  }

  @Test
  void otherStatisticsSettingsThanTheSavepointsAreRefused() throws Exception {
    cut();
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    try (var other = newHarness(CrossoverPolicy.FIRST)) {
      assertThatThrownBy(() -> other.initializeState(snapshot)).hasRootCauseMessage(expected());
    }
  }

  private static String expected() {
    return "The statistics settings differ from those of the savepoint: statistics.crossover was EXCLUDE and is FIRST"
        + ". Restore the old settings, or start without the savepoint and into an empty ClickHouse database, so that"
        + " everything is counted again (./etl resync does that beside the old tables).";
  }

  @Test
  void anExperimentThatComesAfterItsOnlyEventWasDeletedIsResolvedAllTheSame() throws Exception {
    cut();
    send(SourceTable.USERS, History.userRow());
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    harness.setProcessingTime(120_000);
    EventRow gone = event(1, "exposure", CONTROL, JAN_8, null);
    harness.processElement1(
        new StreamRecord<>(change(SourceTable.EVENTS, ChangeKind.DELETE, gone, null)));
    assertThat(lastOf(FindingCode.R_ORPHAN_EXPERIMENT).open()).isTrue();
    sendDimensions();
    assertThat(lastOf(FindingCode.R_ORPHAN_EXPERIMENT).open()).isFalse();
    assertThat(lastOf(FindingCode.R_ORPHAN_VARIANT).open()).isFalse();
  }

  private Finding lastOf(FindingCode code) {
    return harness.getSideOutput(AttributeOperator.FINDINGS).stream()
        .map(StreamRecord::getValue)
        .filter(Either::isRight)
        .map(Either::right)
        .filter(finding -> finding.code() == code)
        .reduce((first, second) -> second)
        .orElseThrow();
  }

  @Test
  void anExperimentWhoseDatesChangeRestatesItsUsers() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, History.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    cut();
    int sent = contributions().size();
    ExperimentRow later =
        new ExperimentRow(
            EXPERIMENT,
            "exp",
            "Exp",
            null,
            "ACTIVE",
            null,
            2,
            null,
            at("2026-01-09T00:00:00Z"),
            null,
            0,
            0);
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(change(SourceTable.EXPERIMENTS, ChangeKind.UPDATE, later, later))));
    cut();
    assertThat(contributions().subList(sent, contributions().size()))
        .hasSize(2)
        .allMatch(contribution -> contribution.sums().newUsers() == -1);
    assertThat(events()).as("no row is sent again").hasSize(1);
  }

  /** The file is what the operator of commit 930ba3f kept of one user and the default catalogue. */
  @Test
  void stateOfBeforeRatiosAndCovariatesIsRestored() throws Exception {
    harness.close();
    harness = newHarness(CrossoverPolicy.EXCLUDE);
    harness.initializeState(
        OperatorSnapshotUtil.readStateHandle("src/test/resources/state/attribute-930ba3f"));
    harness.open();
    lsn = 2000;
    send(
        SourceTable.EVENTS,
        event(3, "purchase", CONTROL, "2026-01-08T11:30:00Z", "{\"revenue\": 2}"));
    cut();

    // 2 * 1.5 * 2 + 2 * 2
    assertThat(harness.getSideOutput(AttributeOperator.CONTRIBUTIONS))
        .extracting(record -> record.getValue().sums().dSumSq())
        .containsExactly(BigInteger.valueOf(10_000_000_000_000L));
  }

  private void sendStatus(String status) throws Exception {
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(
                change(
                    SourceTable.EXPERIMENTS,
                    ChangeKind.UPDATE,
                    null,
                    new ExperimentRow(
                        EXPERIMENT,
                        "exp",
                        "Exp",
                        null,
                        status,
                        null,
                        1,
                        null,
                        null,
                        null,
                        0,
                        0)))));
  }

  @Test
  void anEventOfAPausedExperimentIsFoundByAStatusThatOutlivesARestart() throws Exception {
    sendDimensions();
    sendStatus("PAUSED");
    OperatorSubtaskState saved = harness.snapshot(1, 1);
    harness.close();
    harness = newHarness(CrossoverPolicy.EXCLUDE);
    harness.initializeState(saved);
    harness.open();
    send(SourceTable.USERS, History.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "page_view", CONTROL, "2026-01-08T12:00:00Z", null));
    send(SourceTable.EVENTS, event(2, "page_view", CONTROL, JAN_8, null));
    assertThat(events())
        .extracting(row -> List.of(row.inconsistencies()).contains("T-NOT-RUNNING"))
        .containsExactly(true, false);
  }
}
