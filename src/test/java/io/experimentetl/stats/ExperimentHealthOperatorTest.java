package io.experimentetl.stats;

import static io.experimentetl.model.FindingCode.H_CROSSOVER_RATE;
import static io.experimentetl.model.FindingCode.H_FRESHNESS;
import static io.experimentetl.model.FindingCode.H_METRIC_MISSING;
import static io.experimentetl.model.FindingCode.H_MISSING_VARIANT;
import static io.experimentetl.model.FindingCode.H_NO_EXPOSURES;
import static io.experimentetl.model.FindingCode.H_OUTLIER;
import static io.experimentetl.model.FindingCode.H_SRM;
import static io.experimentetl.model.FindingCode.H_VOLUME;
import static io.experimentetl.model.FindingCode.R_ALLOCATION_SUM;
import static io.experimentetl.model.FindingCode.R_MULTI_CONTROL;
import static io.experimentetl.model.FindingCode.R_NO_CONTROL;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HealthContribution;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.model.MetricKey;
import io.experimentetl.model.MetricTotals;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ExperimentHealthOperatorTest {
  private static final int TODAY = 20_000;
  private static final long SECOND = 1_000_000;
  private static final long HOUR = 3_600 * SECOND;
  private static final long NOON = TODAY * 24L * HOUR + 12 * HOUR;
  private static final long GRACE = 10 * SECOND;

  private KeyedTwoInputStreamOperatorTestHarness<
          Long,
          HealthContribution,
          Either<ProgressMarker, Change>,
          Either<ProgressMarker, ExperimentHealth>>
      harness;
  private long sequenceNumber = 100;

  @BeforeEach
  void open() throws Exception {
    harness = newHarness(1, 0);
    harness.open();
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  private static KeyedTwoInputStreamOperatorTestHarness<
          Long,
          HealthContribution,
          Either<ProgressMarker, Change>,
          Either<ProgressMarker, ExperimentHealth>>
      newHarness(int parallelism, int subtask) throws Exception {
    var harness =
        new KeyedTwoInputStreamOperatorTestHarness<>(
            new ExperimentHealthOperator(FindingsConfig.defaults(), StatisticsConfig.defaults()),
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

  private void restart() throws Exception {
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();
    harness = newHarness(1, 0);
    harness.initializeState(snapshot);
    harness.open();
  }

  private void change(SourceTable table, ChangeKind kind, SourceRow before, SourceRow after)
      throws Exception {
    sequenceNumber++;
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(
                new Change(
                    table,
                    kind,
                    sequenceNumber,
                    new SourcePosition(0, 0, 0, 0, 0),
                    before,
                    after))));
  }

  private static ExperimentRow experimentRow(long id, String status, long updatedAt) {
    return new ExperimentRow(
        id, "e" + id, "E", null, status, null, 1, null, null, null, 0, updatedAt);
  }

  private void experiment(long id, String status, long updatedAt) throws Exception {
    change(SourceTable.EXPERIMENTS, ChangeKind.INSERT, null, experimentRow(id, status, updatedAt));
  }

  private static VariantRow variantRow(long id, int allocationPct, boolean control) {
    return new VariantRow(id, id / 10, "v" + id, "V", null, allocationPct, control, null, 0, 0);
  }

  private void variant(long id, int allocationPct, boolean control) throws Exception {
    change(SourceTable.VARIANTS, ChangeKind.INSERT, null, variantRow(id, allocationPct, control));
  }

  /** Of status ACTIVE, with two halves, not asked for exposures yet. */
  private void sound(long id) throws Exception {
    experiment(id, "ACTIVE", NOON);
    variant(10 * id + 1, 50, true);
    variant(10 * id + 2, 50, false);
  }

  private void count(long variantId, int day, long assigned, long exposed, long crossovers)
      throws Exception {
    harness.processElement1(
        new StreamRecord<>(
            new HealthContribution(
                new HealthKey(variantId / 10, variantId, day),
                new HealthCounts(assigned, exposed, crossovers, exposed))));
  }

  private void metric(long variantId, String name, long... perUser) throws Exception {
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
                new MetricTotals(perUser.length, perUser.length, sum, squares))));
  }

  private void barrier(long committedAt) throws Exception {
    barrier(committedAt, true);
  }

  private void barrier(long committedAt, boolean snapshotDone) throws Exception {
    sequenceNumber++;
    harness.processElement2(
        new StreamRecord<>(
            Either.Left(
                new ProgressMarker(
                    sequenceNumber, sequenceNumber, committedAt, snapshotDone, true))));
    harness.prepareSnapshotPreBarrier(1);
  }

  /** What was found since it was last asked. */
  private List<String> reported() {
    return reported(harness);
  }

  private static List<String> reported(AbstractStreamOperatorTestHarness<?> harness) {
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

  private static String text(Finding finding) {
    return line(finding.code(), finding.open(), finding.subject().toString());
  }

  private static String line(FindingCode code, boolean open, String subject) {
    return code.code() + (open ? " open " : " resolved ") + subject;
  }

  private static String opened(FindingCode code, String subject) {
    return line(code, true, subject);
  }

  private static String resolved(FindingCode code, String subject) {
    return line(code, false, subject);
  }

  @SuppressWarnings("unchecked")
  private List<ExperimentHealth> rows() {
    List<ExperimentHealth> rows = new ArrayList<>();
    for (Object element : harness.getOutput()) {
      if (element instanceof StreamRecord<?> record
          && ((Either<ProgressMarker, ExperimentHealth>) record.getValue()).isRight()) {
        rows.add(((Either<ProgressMarker, ExperimentHealth>) record.getValue()).right());
      }
    }
    return rows;
  }

  @Test
  void aDesignWithoutControlIsFoundThoughNobodyWasAssigned() throws Exception {
    experiment(1, "ACTIVE", NOON);
    variant(11, 50, false);
    variant(12, 40, false);
    barrier(NOON);
    assertThat(reported()).as("the rest of the change may come").isEmpty();
    barrier(NOON + GRACE);
    assertThat(reported())
        .containsExactlyInAnyOrder(
            opened(R_NO_CONTROL, "experiment:1"), opened(R_ALLOCATION_SUM, "experiment:1"));
    variant(11, 60, true);
    barrier(NOON + GRACE + 1);
    assertThat(reported())
        .containsExactlyInAnyOrder(
            resolved(R_NO_CONTROL, "experiment:1"), resolved(R_ALLOCATION_SUM, "experiment:1"));
    variant(12, 40, true);
    barrier(NOON + GRACE + 2);
    barrier(NOON + 2 * GRACE + 2);
    assertThat(reported()).containsExactly(opened(R_MULTI_CONTROL, "experiment:1"));
  }

  @Test
  void whatIsMendedWithinTheGraceIsNeverFound() throws Exception {
    experiment(1, "ACTIVE", NOON);
    barrier(NOON);
    variant(11, 100, true);
    barrier(NOON + GRACE - 1);
    barrier(NOON + GRACE);
    assertThat(reported()).isEmpty();
  }

  @Test
  void nothingIsFoundInTheSnapshot() throws Exception {
    experiment(1, "ACTIVE", 0);
    variant(11, 50, false);
    variant(12, 50, false);
    count(11, TODAY, 100, 100, 50);
    barrier(0, false);
    barrier(NOON, false);
    barrier(NOON + GRACE, false);
    assertThat(reported()).isEmpty();
    barrier(NOON + GRACE + 1, true);
    assertThat(reported())
        .containsExactlyInAnyOrder(
            opened(H_SRM, "experiment:1"),
            opened(H_CROSSOVER_RATE, "experiment:1"),
            opened(H_MISSING_VARIANT, "experiment-variant:1/12"));
  }

  @Test
  void anExperimentThatNobodyEntersIsFoundAnHourAfterItsStart() throws Exception {
    sound(1);
    barrier(NOON);
    barrier(NOON + HOUR - 1);
    assertThat(reported()).isEmpty();
    barrier(NOON + HOUR);
    assertThat(reported()).containsExactly(opened(H_NO_EXPOSURES, "experiment:1"));
    count(11, TODAY, 1, 1, 0);
    barrier(NOON + HOUR + 1);
    assertThat(reported()).containsExactly(resolved(H_NO_EXPOSURES, "experiment:1"));
  }

  @Test
  void aPausedExperimentNeedsNoUsers() throws Exception {
    experiment(1, "ACTIVE", 0);
    variant(11, 100, true);
    barrier(NOON);
    assertThat(reported()).containsExactly(opened(H_NO_EXPOSURES, "experiment:1"));
    change(SourceTable.EXPERIMENTS, ChangeKind.UPDATE, null, experimentRow(1, "PAUSED", NOON));
    barrier(NOON + 1);
    assertThat(reported()).containsExactly(resolved(H_NO_EXPOSURES, "experiment:1"));
  }

  @Test
  void crossoversAndAMissingVariantOpenAndResolve() throws Exception {
    sound(1);
    count(11, TODAY, 500, 500, 10);
    count(12, TODAY, 500, 0, 0);
    barrier(NOON);
    assertThat(reported())
        .containsExactlyInAnyOrder(
            opened(H_CROSSOVER_RATE, "experiment:1"),
            opened(H_MISSING_VARIANT, "experiment-variant:1/12"));
    count(12, TODAY, 0, 1, 0);
    count(11, TODAY, 0, 0, -1);
    barrier(NOON + 1);
    assertThat(reported())
        .containsExactlyInAnyOrder(
            resolved(H_CROSSOVER_RATE, "experiment:1"),
            resolved(H_MISSING_VARIANT, "experiment-variant:1/12"));
  }

  @Test
  void aMetricWithoutEventsOpensWithTheThousandthUserAndResolvesWithTheFirstEvent()
      throws Exception {
    sound(1);
    metric(11, "revenue", 5);
    count(11, TODAY, 500, 500, 0);
    count(12, TODAY, 500, 499, 0);
    barrier(NOON);
    assertThat(reported()).isEmpty();
    count(12, TODAY, 0, 1, 0);
    barrier(NOON + 1);
    assertThat(reported())
        .containsExactly(opened(H_METRIC_MISSING, "experiment-metric:1/conversion"));
    metric(12, "conversion", 1);
    barrier(NOON + 2);
    assertThat(reported())
        .containsExactly(resolved(H_METRIC_MISSING, "experiment-metric:1/conversion"));
  }

  @Test
  void aUserWhoHoldsATenthOfTheSumIsFound() throws Exception {
    sound(1);
    long[] users = new long[100];
    Arrays.fill(users, 1_000_000);
    users[7] = 50_000_000;
    metric(11, "revenue", users);
    metric(11, "conversion", users);
    barrier(NOON);
    assertThat(reported()).containsExactly(opened(H_OUTLIER, "experiment-metric:1/revenue"));
    harness.processElement1(
        new StreamRecord<>(
            new HealthContribution(
                new MetricKey(1, 11, "revenue"),
                new MetricTotals(
                    -1,
                    -1,
                    BigInteger.valueOf(-50_000_000),
                    BigInteger.valueOf(50_000_000).pow(2).negate()))));
    barrier(NOON + 1);
    assertThat(reported()).containsExactly(resolved(H_OUTLIER, "experiment-metric:1/revenue"));
  }

  @Test
  void aDayOfHalfTheUsualVolumeIsFoundWhenItHasEndedForAnHour() throws Exception {
    sound(1);
    for (int day = TODAY - 8; day < TODAY; day++) {
      count(11, day, 100, 100, 0);
      count(12, day, 100, 100, 0);
    }
    count(11, TODAY, 49, 49, 0);
    count(12, TODAY, 50, 50, 0);
    metric(11, "conversion", 1);
    metric(11, "revenue", 1);
    barrier(NOON);
    assertThat(reported()).isEmpty();
    long midnight = NOON + 12 * HOUR;
    barrier(midnight + HOUR - 1);
    assertThat(reported()).isEmpty();
    barrier(midnight + HOUR);
    assertThat(reported()).containsExactly(opened(H_VOLUME, "experiment:1"));
    // Late exposures restate the day.
    count(11, TODAY, 1, 1, 0);
    barrier(midnight + HOUR + 1);
    assertThat(reported()).containsExactly(resolved(H_VOLUME, "experiment:1"));
  }

  @Test
  void aLagOfMoreThanFiveMinutesIsFoundOfThePipeline() throws Exception {
    harness.setProcessingTime(NOON / 1000 + 300_000);
    barrier(NOON);
    assertThat(reported()).isEmpty();
    harness.setProcessingTime(NOON / 1000 + 300_001);
    barrier(NOON);
    assertThat(reported()).containsExactly(opened(H_FRESHNESS, "pipeline:"));
    restart();
    harness.setProcessingTime(NOON / 1000 + 300_001);
    barrier(NOON);
    assertThat(reported()).isEmpty();
    barrier(NOON + SECOND);
    assertThat(reported()).containsExactly(resolved(H_FRESHNESS, "pipeline:"));
  }

  @Test
  void aRestartNeitherRepeatsNorForgetsAFinding() throws Exception {
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
  void everyStatementAboutAnExperimentHasAGreaterVersion() throws Exception {
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
  void aDeletedExperimentResolvesItsFindingsAndLeavesNoState() throws Exception {
    experiment(1, "ACTIVE", 0);
    variant(11, 99, false);
    barrier(NOON);
    barrier(NOON + GRACE);
    assertThat(reported()).hasSize(3);
    change(SourceTable.VARIANTS, ChangeKind.DELETE, variantRow(11, 99, false), null);
    change(SourceTable.EXPERIMENTS, ChangeKind.DELETE, experimentRow(1, "ACTIVE", 0), null);
    barrier(NOON + GRACE + 1);
    assertThat(reported())
        .containsExactlyInAnyOrder(
            resolved(H_NO_EXPOSURES, "experiment:1"),
            resolved(R_NO_CONTROL, "experiment:1"),
            resolved(R_ALLOCATION_SUM, "experiment:1"));
    assertThat(harness.numKeyedStateEntries()).isZero();
  }

  @Test
  void aVariantsNewAllocationRestatesTheLastDaysRow() throws Exception {
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

  /** A 50/50 test whose assigner gives 99.7 % of the users one variant. */
  @Test
  void theBrokenAssignerIsFlaggedWithinItsFirstHundredUsers() throws Exception {
    for (int seed = 0; seed < 20; seed++) {
      long experiment = 100L + seed;
      sound(experiment);
      Random random = new Random(seed);
      int users = 0;
      List<String> reported = List.of();
      while (reported.isEmpty() && users < 100) {
        count(10 * experiment + (random.nextDouble() < 0.997 ? 1 : 2), TODAY, 1, 0, 0);
        users++;
        barrier(NOON + users);
        reported = reported().stream().filter(line -> line.startsWith("H-SRM")).toList();
      }
      assertThat(reported).containsExactly(opened(H_SRM, "experiment:" + experiment));
    }
  }

  @Test
  void afterARescaleEachExperimentIsJudgedOnceByTheSubtaskThatOwnsIt() throws Exception {
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
