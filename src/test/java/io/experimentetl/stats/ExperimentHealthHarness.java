package io.experimentetl.stats;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentAllocation;
import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.GreatestTotals;
import io.experimentetl.model.HealthContribution;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.model.MetricKey;
import io.experimentetl.model.MetricTotals;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** The operator in Flink's test harness. */
abstract class ExperimentHealthHarness {
  static final int TODAY = 20_000;
  static final long SECOND = 1_000_000;
  static final long HOUR = 3_600 * SECOND;
  static final long NOON = TODAY * 24L * HOUR + 12 * HOUR;
  static final long GRACE = 10 * SECOND;

  KeyedTwoInputStreamOperatorTestHarness<
          Long,
          HealthContribution,
          Either<ProgressMarker, Change>,
          Either<ProgressMarker, ExperimentHealth>>
      harness;
  long sequenceNumber = 100;
  private long checkpoint;

  @BeforeEach
  void open() throws Exception {
    harness = newHarness(1, 0);
    harness.open();
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  static KeyedTwoInputStreamOperatorTestHarness<
          Long,
          HealthContribution,
          Either<ProgressMarker, Change>,
          Either<ProgressMarker, ExperimentHealth>>
      newHarness(int parallelism, int subtask) throws Exception {
    return newHarness(parallelism, subtask, Map.of());
  }

  static KeyedTwoInputStreamOperatorTestHarness<
          Long,
          HealthContribution,
          Either<ProgressMarker, Change>,
          Either<ProgressMarker, ExperimentHealth>>
      newHarness(int parallelism, int subtask, Map<Long, Long> corrected) throws Exception {
    var harness =
        new KeyedTwoInputStreamOperatorTestHarness<>(
            new ExperimentHealthOperator(
                ConfigBuilder.defaults()
                    .with(FindingsConfig::allocationsArePercent, true)
                    .build()
                    .findings(),
                StatisticsConfig.defaults(),
                Map.of(),
                corrected),
            HealthContribution::experimentId,
            null,
            Types.LONG,
            128,
            parallelism,
            subtask);
    harness.setup(ExperimentHealthOperator.TYPE.createSerializer(new SerializerConfigImpl()));
    harness.setProcessingTime(NOON / 1000);
    return harness;
  }

  void restart() throws Exception {
    restart(Map.of());
  }

  /** Restarts with corrected allocations. */
  void restart(Map<Long, Long> corrected) throws Exception {
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();
    harness = newHarness(1, 0, corrected);
    harness.initializeState(snapshot);
    harness.open();
  }

  void change(SourceTable table, ChangeKind kind, SourceRow before, SourceRow after)
      throws Exception {
    change(table, kind, before, after, 0);
  }

  private void change(
      SourceTable table, ChangeKind kind, SourceRow before, SourceRow after, long committedAt)
      throws Exception {
    sequenceNumber++;
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(
                new Change(
                    table,
                    kind,
                    sequenceNumber,
                    new SourcePosition(0, 0, 0, 0, committedAt),
                    before,
                    after))));
  }

  /** Its updated_at is not kept by the platform. */
  static ExperimentRow experimentRow(long id, String status) {
    return new ExperimentRow(id, "e" + id, "E", null, status, null, 1, null, null, null, 0, 0);
  }

  void experiment(long id, String status, long committedAt) throws Exception {
    change(
        SourceTable.EXPERIMENTS, ChangeKind.UPDATE, null, experimentRow(id, status), committedAt);
  }

  static VariantRow variantRow(long id, double allocation, boolean control) {
    return new VariantRow(id, id / 10, "v" + id, "V", null, allocation, control, null, 0, 0);
  }

  void variant(long id, double allocation, boolean control) throws Exception {
    change(SourceTable.VARIANTS, ChangeKind.INSERT, null, variantRow(id, allocation, control));
  }

  /** An ACTIVE experiment with two equal variants; exposures are not due yet. */
  void sound(long id) throws Exception {
    experiment(id, "ACTIVE", NOON);
    variant(10 * id + 1, 50, true);
    variant(10 * id + 2, 50, false);
  }

  /** Changes a variant's weight in the stream. */
  void allocate(long variantId, double weight, boolean control) throws Exception {
    sequenceNumber += 8;
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(
                new Change(
                    SourceTable.VARIANTS,
                    ChangeKind.UPDATE,
                    sequenceNumber,
                    new SourcePosition(1, sequenceNumber, 5, 0, NOON),
                    null,
                    variantRow(variantId, weight, control)))));
  }

  /** Counts assigned users of a phase of the allocation. */
  void assign(long variantId, int day, int phase, long users) throws Exception {
    harness.processElement1(
        new StreamRecord<>(
            new HealthContribution(
                new HealthKey(variantId / 10, variantId, day, phase),
                new HealthCounts(users, 0, 0, 0))));
  }

  /** The phases that were sent, as {@code phase>judged_as weights}. */
  List<String> phases() {
    List<String> phases = new ArrayList<>();
    var output = harness.getSideOutput(ExperimentHealthOperator.ALLOCATIONS);
    while (output != null && !output.isEmpty()) {
      Either<ProgressMarker, ExperimentAllocation> element = output.poll().getValue();
      if (element.isRight()) {
        ExperimentAllocation row = element.right();
        phases.add(
            "%d>%d %s%s"
                .formatted(
                    row.phase().number(),
                    row.judgedAs(),
                    Allocations.text(row.phase()),
                    row.version().deleted() ? " deleted" : ""));
      }
    }
    return phases;
  }

  void count(long variantId, int day, long assigned, long exposed, long crossovers)
      throws Exception {
    harness.processElement1(
        new StreamRecord<>(
            new HealthContribution(
                new HealthKey(variantId / 10, variantId, day, 1),
                new HealthCounts(assigned, exposed, crossovers, exposed))));
  }

  void metric(long variantId, String name, long... perUser) throws Exception {
    BigInteger sum = BigInteger.ZERO;
    BigInteger squares = BigInteger.ZERO;
    for (long y : perUser) {
      sum = sum.add(BigInteger.valueOf(y));
      squares = squares.add(BigInteger.valueOf(y).pow(2));
    }
    harness.processElement1(
        new StreamRecord<>(
            new HealthContribution(
                new MetricKey(variantId / 10, variantId, name),
                new MetricTotals(
                    perUser.length,
                    perUser.length,
                    perUser.length,
                    sum,
                    squares,
                    greatest(perUser)))));
  }

  private static GreatestTotals greatest(long... perUser) {
    GreatestTotals greatest = GreatestTotals.NONE;
    for (int i = 0; i < perUser.length; i++) {
      greatest =
          greatest.plus(
              GreatestTotals.of("u" + i, BigInteger.ZERO, BigInteger.valueOf(perUser[i])));
    }
    return greatest;
  }

  void barrier(long committedAt) throws Exception {
    barrier(committedAt, true);
  }

  void barrier(long committedAt, boolean snapshotDone) throws Exception {
    barrierOfCheckpointThatHangs(committedAt, snapshotDone);
    harness.notifyOfCompletedCheckpoint(checkpoint);
  }

  void barrierOfCheckpointThatHangs(long committedAt, boolean snapshotDone) throws Exception {
    prepareBarrier(committedAt, snapshotDone, false);
  }

  /** A barrier between rows of one transaction. */
  void barrierInTransaction(long committedAt) throws Exception {
    prepareBarrier(committedAt, true, true);
    harness.notifyOfCompletedCheckpoint(checkpoint);
  }

  private void prepareBarrier(long committedAt, boolean snapshotDone, boolean inTransaction)
      throws Exception {
    sequenceNumber++;
    harness.processElement2(
        new StreamRecord<>(
            Either.Left(
                new ProgressMarker(
                    sequenceNumber,
                    sequenceNumber,
                    committedAt,
                    snapshotDone,
                    true,
                    inTransaction))));
    harness.prepareSnapshotPreBarrier(++checkpoint);
  }

  /** The findings since the last call. */
  List<String> reported() {
    return reported(harness);
  }

  static List<String> reported(AbstractStreamOperatorTestHarness<?> harness) {
    var output = harness.getSideOutput(ExperimentHealthOperator.FINDINGS);
    List<String> reported = new ArrayList<>();
    while (output != null && !output.isEmpty()) {
      Either<ProgressMarker, Finding> element = output.poll().getValue();
      if (element.isRight()) {
        reported.add(text(element.right()));
      }
    }
    return reported;
  }

  static String text(Finding finding) {
    return line(finding.code(), finding.open(), finding.subject().toString());
  }

  static String line(FindingCode code, boolean open, String subject) {
    return code.code() + (open ? " open " : " resolved ") + subject;
  }

  static String opened(FindingCode code, String subject) {
    return line(code, true, subject);
  }

  static String resolved(FindingCode code, String subject) {
    return line(code, false, subject);
  }

  @SuppressWarnings("unchecked")
  List<ExperimentHealth> rows() {
    List<ExperimentHealth> rows = new ArrayList<>();
    for (Object element : harness.getOutput()) {
      if (element instanceof StreamRecord<?> record
          && ((Either<ProgressMarker, ExperimentHealth>) record.getValue()).isRight()) {
        rows.add(((Either<ProgressMarker, ExperimentHealth>) record.getValue()).right());
      }
    }
    return rows;
  }
}
