package io.experimentetl.stats;

import static io.experimentetl.model.FindingCode.H_NO_EXPOSURES;
import static io.experimentetl.model.FindingCode.R_ALLOCATION_SUM;
import static io.experimentetl.model.FindingCode.R_NO_CONTROL;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.Test;

/** Rows, state and restarts of the operator. */
class ExperimentHealthOperatorTest extends ExperimentHealthHarness {
  @Test
  void restartNeitherRepeatsNorForgetsAFinding() throws Exception {
    experiment(1, "ACTIVE", NOON);
    variant(11, 100, false);
    experiment(2, "ACTIVE", 0);
    variant(21, 100, true);
    barrier(NOON);
    assertThat(reported()).containsExactly(opened(H_NO_EXPOSURES, "experiment:2"));
    restart();
    barrier(NOON + GRACE - 1);
    assertThat(reported()).isEmpty();
    restart();
    barrier(NOON + GRACE);
    assertThat(reported()).containsExactly(opened(R_NO_CONTROL, "experiment:1"));
    restart();
    variant(11, 100, true);
    count(21, TODAY, 1, 1, 0);
    barrier(NOON + GRACE + 1);
    assertThat(reported())
        .containsExactlyInAnyOrder(
            resolved(R_NO_CONTROL, "experiment:1"), resolved(H_NO_EXPOSURES, "experiment:2"));
  }

  @Test
  void versionGrowsWithEveryReportAboutAnExperiment() throws Exception {
    experiment(1, "ACTIVE", 0);
    variant(11, 100, true);
    barrier(NOON);
    count(11, TODAY, 1, 1, 0);
    harness.prepareSnapshotPreBarrier(1);
    restart();
    harness.processElement2(
        new StreamRecord<>(
            Either.Left(new ProgressMarker(sequenceNumber, sequenceNumber, NOON, true, true))));
    count(11, TODAY, -1, -1, 0);
    harness.prepareSnapshotPreBarrier(1);
    List<Long> versions = new ArrayList<>();
    harness
        .getSideOutput(ExperimentHealthOperator.FINDINGS)
        .forEach(
            record -> {
              if (record.getValue().isRight()) {
                versions.add(record.getValue().right().version());
              }
            });
    assertThat(versions).containsExactly(RowVersion.ofSequenceNumber(sequenceNumber) + 2);
  }

  @Test
  void deletedExperimentResolvesItsFindingsAndLeavesNoState() throws Exception {
    experiment(1, "ACTIVE", 0);
    variant(11, 99, false);
    barrier(NOON);
    barrier(NOON + GRACE);
    assertThat(reported()).hasSize(3);
    change(SourceTable.VARIANTS, ChangeKind.DELETE, variantRow(11, 99, false), null);
    change(SourceTable.EXPERIMENTS, ChangeKind.DELETE, experimentRow(1, "ACTIVE"), null);
    barrier(NOON + GRACE + 1);
    assertThat(reported())
        .containsExactlyInAnyOrder(
            resolved(H_NO_EXPOSURES, "experiment:1"),
            resolved(R_NO_CONTROL, "experiment:1"),
            resolved(R_ALLOCATION_SUM, "experiment:1"));
    assertThat(harness.numKeyedStateEntries()).isZero();
  }

  @Test
  void newAllocationRestatesTheRowOfTheLastDay() throws Exception {
    sound(1);
    count(11, TODAY - 1, 10, 10, 0);
    count(12, TODAY, 10, 10, 0);
    barrier(NOON);
    assertThat(rows()).hasSize(2);
    variant(12, 40, false);
    barrier(NOON + 1);
    assertThat(rows()).hasSize(3);
    assertThat(rows().get(2).dayEpoch()).isEqualTo(TODAY);
    assertThat(rows().get(2).weights()).containsExactly(50, 40);
  }

  @Test
  void experimentIsCheckedByItsOwnerAfterARescale() throws Exception {
    for (int id = 1; id <= 20; id++) {
      experiment(id, "ACTIVE", NOON);
      variant(10 * id + 1, 100, false);
    }
    barrier(NOON);
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    List<OperatorSubtaskState> states = new ArrayList<>();
    List<String> reported = new ArrayList<>();
    for (int subtask = 0; subtask < 3; subtask++) {
      harness.close();
      harness = newHarness(3, subtask);
      harness.initializeState(
          AbstractStreamOperatorTestHarness.repartitionOperatorState(snapshot, 128, 1, 3, subtask));
      harness.open();
      barrier(NOON + GRACE);
      List<String> ofSubtask = reported();
      assertThat(ofSubtask).hasSizeBetween(1, 19);
      reported.addAll(ofSubtask);
      states.add(harness.snapshot(2, 2));
    }
    assertThat(reported)
        .containsExactlyInAnyOrderElementsOf(
            Stream.iterate(1, id -> id + 1)
                .limit(20)
                .map(id -> opened(R_NO_CONTROL, "experiment:" + id))
                .toList());
    OperatorSubtaskState all =
        AbstractStreamOperatorTestHarness.repackageState(
            states.toArray(OperatorSubtaskState[]::new));
    harness.close();
    harness = newHarness(1, 0);
    harness.initializeState(
        AbstractStreamOperatorTestHarness.repartitionOperatorState(all, 128, 3, 1, 0));
    harness.open();
    barrier(NOON + 2 * GRACE);
    assertThat(reported()).isEmpty();
    variant(51, 100, true);
    barrier(NOON + 2 * GRACE + 1);
    assertThat(reported()).containsExactly(resolved(R_NO_CONTROL, "experiment:5"));
  }
}
