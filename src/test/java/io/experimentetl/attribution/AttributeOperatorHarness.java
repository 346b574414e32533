package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.at;

import io.experimentetl.cdc.RouteOperator;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.JobConfig;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.DailyContribution;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TransactionEnd;
import io.experimentetl.model.VariantRow;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.stream.Stream;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.state.KeyedStateBackend;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** The operator in Flink's test harness, with one user and one experiment. */
abstract class AttributeOperatorHarness {
  static final String JAN_8 = UserScenario.JAN_8;

  KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<ProgressMarker, Change>, Either<ProgressMarker, EventProcessed>>
      harness;
  long lsn = 1000;
  long txId = 1;

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

  static KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<ProgressMarker, Change>, Either<ProgressMarker, EventProcessed>>
      newHarness(CrossoverPolicy policy) throws Exception {
    return newHarness(UserScenario.config(policy));
  }

  static KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<ProgressMarker, Change>, Either<ProgressMarker, EventProcessed>>
      newHarness(JobConfig config) throws Exception {
    return newHarness(new AttributeOperator(config));
  }

  static KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<ProgressMarker, Change>, Either<ProgressMarker, EventProcessed>>
      newHarness(AttributeOperator operator) throws Exception {
    var harness =
        new KeyedTwoInputStreamOperatorTestHarness<>(
            operator, RouteOperator::userOf, null, Types.STRING, 128, 1, 0);
    harness.setup(AttributeOperator.EVENTS_TYPE.createSerializer(new SerializerConfigImpl()));
    return harness;
  }

  Change change(SourceTable table, ChangeKind kind, SourceRow before, SourceRow after) {
    lsn += 10;
    return new Change(
        table,
        kind,
        lsn,
        new SourcePosition(lsn - 10, lsn, txId++, 0, at("2026-01-08T12:00:00Z")),
        before,
        after);
  }

  void send(SourceTable table, SourceRow row) throws Exception {
    harness.processElement1(new StreamRecord<>(change(table, ChangeKind.INSERT, null, row)));
  }

  /** Deletes a row in a transaction of its own. */
  void delete(SourceTable table, SourceRow row) throws Exception {
    harness.processElement1(new StreamRecord<>(change(table, ChangeKind.DELETE, row, null)));
    commit(UserScenario.USER, false);
  }

  /** Ends the transaction of the last change. */
  void commit(String key, boolean ofAllUsers) throws Exception {
    harness.processElement1(
        new StreamRecord<>(
            new Change(
                null,
                ChangeKind.COMMIT,
                lsn,
                new SourcePosition(lsn - 10, lsn + 5, txId - 1, 0, at("2026-01-08T12:00:00Z")),
                null,
                new TransactionEnd(key, ofAllUsers))));
  }

  void sendDimensions() throws Exception {
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

  void sendDates(String endsAt) throws Exception {
    sendDates(EXPERIMENT, endsAt);
  }

  /**
   * Edits an experiment's dates.
   *
   * @param endsAt null: it has no end
   */
  void sendDates(long experiment, String endsAt) throws Exception {
    Long end = endsAt == null ? null : at(endsAt);
    ExperimentRow row =
        new ExperimentRow(experiment, "exp", "Exp", null, "ACTIVE", null, 1, null, null, end, 0, 0);
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(change(SourceTable.EXPERIMENTS, ChangeKind.UPDATE, row, row))));
  }

  void marker() throws Exception {
    harness.processElement2(
        new StreamRecord<>(
            Either.Left(new ProgressMarker(lsn, lsn, at("2026-01-08T12:00:00Z"), true, true))));
    harness.prepareSnapshotPreBarrier(1);
  }

  void barrier(long checkpoint, String committedAt) throws Exception {
    harness.processElement2(
        new StreamRecord<>(Either.Left(new ProgressMarker(lsn, lsn, at(committedAt), true, true))));
    harness.prepareSnapshotPreBarrier(checkpoint);
  }

  @SuppressWarnings("unchecked")
  List<EventProcessed> events() {
    List<EventProcessed> rows = new ArrayList<>();
    for (Object record : harness.getOutput()) {
      Object value = ((StreamRecord<Object>) record).getValue();
      if (((Either<ProgressMarker, EventProcessed>) value).isRight()) {
        rows.add(((Either<ProgressMarker, EventProcessed>) value).right());
      }
    }
    return rows;
  }

  List<AssignmentProcessed> assignments() {
    return side(AttributeOperator.ASSIGNMENTS).stream()
        .filter(Either::isRight)
        .map(Either::right)
        .toList();
  }

  @SuppressWarnings("unchecked")
  List<ProgressMarker> markers() {
    List<ProgressMarker> markers = new ArrayList<>();
    for (Object record : harness.getOutput()) {
      Object value = ((StreamRecord<Object>) record).getValue();
      if (((Either<ProgressMarker, EventProcessed>) value).isLeft()) {
        markers.add(((Either<ProgressMarker, EventProcessed>) value).left());
      }
    }
    return markers;
  }

  <T> List<T> side(OutputTag<T> tag) {
    Queue<StreamRecord<T>> queue = harness.getSideOutput(tag);
    return queue == null ? List.of() : queue.stream().map(StreamRecord::getValue).toList();
  }

  List<DailyContribution> contributions() {
    return side(AttributeOperator.CONTRIBUTIONS);
  }

  /** The number of keys that have an entry in a keyed state. */
  long keysIn(String state) {
    KeyedStateBackend<?> backend =
        ((AttributeOperator) harness.getOperator()).getKeyedStateBackend();
    try (Stream<?> keys = backend.getKeys(state, VoidNamespace.INSTANCE)) {
      return keys.count();
    }
  }

  Finding lastOf(FindingCode code) {
    return harness.getSideOutput(AttributeOperator.FINDINGS).stream()
        .map(StreamRecord::getValue)
        .filter(Either::isRight)
        .map(Either::right)
        .filter(finding -> finding.code() == code)
        .reduce((first, second) -> second)
        .orElseThrow();
  }

  void restore(OperatorSubtaskState snapshot, AttributeOperator operator) throws Exception {
    harness = newHarness(operator);
    harness.initializeState(snapshot);
    harness.open();
  }
}
