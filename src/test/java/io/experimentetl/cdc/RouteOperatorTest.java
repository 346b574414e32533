package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.Cut;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import java.util.List;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class RouteOperatorTest {
  private OneInputStreamOperatorTestHarness<Either<Cut, Change>, Change> harness;

  @BeforeEach
  void open() throws Exception {
    harness = new OneInputStreamOperatorTestHarness<>(new RouteOperator());
    harness.open();
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  @Test
  void anExperimentInAStatusThatNobodyKnowsIsFlaggedAndGoesOn() throws Exception {
    harness.processElement(new StreamRecord<>(Either.Right(experiment("HELD_BACK"))));

    assertThat(findings())
        .singleElement()
        .satisfies(
            finding -> {
              assertThat(finding.code()).isEqualTo(FindingCode.S_UNKNOWN_ENUM);
              assertThat(finding.subject()).isEqualTo("experiment:7");
              assertThat(finding.experimentId()).isEqualTo(7);
              assertThat(finding.detail()).contains("status").doesNotContain("HELD_BACK");
            });
    assertThat(sideOutput(RouteOperator.EXPERIMENTS)).hasSize(1);
    assertThat(sideOutput(RouteOperator.DIMENSIONS)).hasSize(1);
  }

  @Test
  void anExperimentInAKnownStatusIsNotFlagged() throws Exception {
    harness.processElement(new StreamRecord<>(Either.Right(experiment("ARCHIVED"))));

    assertThat(findings()).isEmpty();
    assertThat(sideOutput(RouteOperator.EXPERIMENTS)).hasSize(1);
  }

  private static Change experiment(String status) {
    return new Change(
        SourceTable.EXPERIMENTS,
        ChangeKind.INSERT,
        100,
        new SourcePosition(0, 100, 1, 0, 1_000_000),
        null,
        new ExperimentRow(7, "key", "name", null, status, null, 1, null, null, null, 0, 0));
  }

  private List<Finding> findings() {
    return sideOutput(RouteOperator.FINDINGS);
  }

  private <T> List<T> sideOutput(OutputTag<Either<Cut, T>> tag) {
    var records = harness.getSideOutput(tag);
    return records == null
        ? List.of()
        : records.stream().map(record -> record.getValue().right()).toList();
  }
}
