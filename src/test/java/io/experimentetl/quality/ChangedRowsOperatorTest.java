package io.experimentetl.quality;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.ChangedRows;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ChangedRowsOperatorTest {
  private KeyedOneInputStreamOperatorTestHarness<
          String, ChangedRows, Either<ProgressMarker, Finding>>
      harness;

  @BeforeEach
  void open() throws Exception {
    harness = newHarness();
    harness.open();
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  private static KeyedOneInputStreamOperatorTestHarness<
          String, ChangedRows, Either<ProgressMarker, Finding>>
      newHarness() throws Exception {
    var harness =
        new KeyedOneInputStreamOperatorTestHarness<>(
            new ChangedRowsOperator(), ChangedRowsOperator::keyOf, Types.STRING);
    harness.setup(ChangedRowsOperator.TYPE.createSerializer(new SerializerConfigImpl()));
    return harness;
  }

  private void change(long experimentId, long commitBefore, long lsn) throws Exception {
    harness.processElement(
        new StreamRecord<>(
            new ChangedRows(
                FindingCode.C_UPDATE_IMMUTABLE,
                experimentId,
                lsn,
                commitBefore,
                commitBefore,
                lsn,
                lsn,
                1,
                new Subject[] {Subject.assignment(lsn)})));
  }

  private List<String> barrier() throws Exception {
    harness.prepareSnapshotPreBarrier(1);
    List<String> findings = new ArrayList<>();
    for (Object element : harness.getOutput()) {
      @SuppressWarnings("unchecked")
      Either<ProgressMarker, Finding> record =
          ((StreamRecord<Either<ProgressMarker, Finding>>) element).getValue();
      findings.add(record.right().subject() + " " + record.right().detail());
    }
    harness.getOutput().clear();
    return findings;
  }

  @Test
  void rowsOfATransactionMakeOneFindingPerExperiment() throws Exception {
    for (long lsn = 104; lsn < 904; lsn += 8) {
      change(1 + lsn / 8 % 2, 100, lsn);
    }
    assertThat(barrier())
        .containsExactlyInAnyOrder(
            "experiment-change:1/0/70 50 rows, such as assignment:112, assignment:128, assignment:144; the statistics were restated",
            "experiment-change:2/0/68 50 rows, such as assignment:104, assignment:120, assignment:136; the statistics were restated");
    assertThat(barrier()).isEmpty();
  }

  @Test
  void longTransactionKeepsItsFinding() throws Exception {
    change(1, 100, 112);
    barrier();
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();
    harness = newHarness();
    harness.initializeState(snapshot);
    harness.open();
    change(1, 100, 120);
    assertThat(barrier()).singleElement().asString().startsWith("experiment-change:1/0/70 2 rows");
    change(1, 200, 208);
    assertThat(barrier()).singleElement().asString().startsWith("experiment-change:1/0/D0 1 row,");
  }

  @Test
  void correctionThatCommitsRowByRowIsGathered() throws Exception {
    change(1, 200, 208);
    change(1, 100, 112);
    change(1, 300, 312);
    assertThat(barrier()).singleElement().asString().startsWith("experiment-change:1/0/70 3 rows");
  }
}
