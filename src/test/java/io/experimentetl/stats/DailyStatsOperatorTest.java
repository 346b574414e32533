package io.experimentetl.stats;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.Change;
import io.experimentetl.model.DailyContribution;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailyStats;
import io.experimentetl.model.DailySums;
import java.math.BigInteger;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class DailyStatsOperatorTest {
  private static final DailyKey KEY = new DailyKey(1, 11, "revenue/eur", 20_000);
  private static final long DAY_ENDS_AT = 20_001L * 86_400_000;
  private static final Duration LATENESS = Duration.ofDays(1);
  private static final StatisticsConfig STATISTICS =
      ConfigBuilder.defaults()
          .with(StatisticsConfig::allowedLateness, LATENESS)
          .withMetrics(
              MetricConfig.count(KEY.metric(), "purchase"),
              MetricConfig.mean("revenue", "purchase", "revenue"))
          .build()
          .statistics();

  private KeyedTwoInputStreamOperatorTestHarness<
          String,
          DailyContribution,
          Either<ProgressMarker, Change>,
          Either<ProgressMarker, DailyStats>>
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

  private static KeyedTwoInputStreamOperatorTestHarness<
          String,
          DailyContribution,
          Either<ProgressMarker, Change>,
          Either<ProgressMarker, DailyStats>>
      newHarness() throws Exception {
    return newHarness(STATISTICS);
  }

  private static KeyedTwoInputStreamOperatorTestHarness<
          String,
          DailyContribution,
          Either<ProgressMarker, Change>,
          Either<ProgressMarker, DailyStats>>
      newHarness(StatisticsConfig statistics) throws Exception {
    var harness =
        new KeyedTwoInputStreamOperatorTestHarness<>(
            new DailyStatsOperator(statistics),
            DailyStatsOperator::keyOf,
            null,
            Types.STRING,
            128,
            1,
            0);
    harness.setup(DailyStatsOperator.TYPE.createSerializer(new SerializerConfigImpl()));
    return harness;
  }

  private static DailySums users(long number) {
    return new DailySums(0, 0, 0, 0, BigInteger.ZERO, number, 0, BigInteger.ZERO, BigInteger.ZERO);
  }

  private void contribute(long users) throws Exception {
    harness.processElement1(
        new StreamRecord<>(new DailyContribution(KEY, users(users), DAY_ENDS_AT)));
  }

  private void barrier(long sequenceNumber) throws Exception {
    harness.processElement2(
        new StreamRecord<>(
            Either.Left(new ProgressMarker(sequenceNumber, sequenceNumber, 0, true, true))));
    harness.prepareSnapshotPreBarrier(1);
  }

  private void watermark(long millis) throws Exception {
    harness.processWatermark1(new Watermark(millis));
    harness.processWatermark2(new Watermark(millis));
  }

  @SuppressWarnings("unchecked")
  private List<DailyStats> rows() {
    List<DailyStats> rows = new ArrayList<>();
    for (Object element : harness.getOutput()) {
      if (element instanceof StreamRecord<?> record
          && ((Either<ProgressMarker, DailyStats>) record.getValue()).isRight()) {
        rows.add(((Either<ProgressMarker, DailyStats>) record.getValue()).right());
      }
    }
    return rows;
  }

  @Test
  void dayIsSentOncePerBarrierWithItsTotal() throws Exception {
    contribute(2);
    contribute(3);
    assertThat(rows()).isEmpty();
    barrier(100);
    contribute(1);
    barrier(200);
    assertThat(rows()).extracting(row -> row.sums().newUsers()).containsExactly(5L, 6L);
    assertThat(rows().get(0).key()).isEqualTo(KEY);
    assertThat(rows().get(0).kind()).isEqualTo("count");
    assertThat(rows().get(0).version().version()).isLessThan(rows().get(1).version().version());
  }

  @Test
  void daysOfAnEndedMetricStay() throws Exception {
    contribute(2);
    barrier(100);
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();

    harness = newHarness(STATISTICS.withMetrics(STATISTICS.metrics().get(1)));
    harness.initializeState(snapshot);
    harness.open();
    watermark(DAY_ENDS_AT + LATENESS.toMillis());
    barrier(200);
    assertThat(rows()).isEmpty();
    assertThat(harness.numKeyedStateEntries()).isZero();
  }

  @Test
  void dayWithoutFiguresIsATombstone() throws Exception {
    contribute(2);
    barrier(100);
    contribute(-2);
    barrier(100);
    assertThat(rows().get(1).version().deleted()).isTrue();
    assertThat(rows().get(1).version().version()).isGreaterThan(rows().get(0).version().version());
  }

  @Test
  void dayClosesWhenTheWatermarkPassesItsEndByTheLateness() throws Exception {
    contribute(2);
    barrier(100);
    watermark(DAY_ENDS_AT + LATENESS.toMillis() - 1);
    assertThat(rows()).hasSize(1);
    watermark(DAY_ENDS_AT + LATENESS.toMillis());
    assertThat(rows()).extracting(DailyStats::closed).containsExactly(false, true);
    assertThat(rows().get(1).key()).isEqualTo(KEY);
    assertThat(harness.numEventTimeTimers()).isZero();
  }

  @Test
  void closedDayIsStillRestated() throws Exception {
    contribute(2);
    barrier(100);
    watermark(DAY_ENDS_AT + LATENESS.toMillis());
    contribute(1);
    barrier(200);
    assertThat(rows().get(2).sums().newUsers()).isEqualTo(3);
    assertThat(rows().get(2).closed()).isTrue();
  }

  @Test
  void dayThatClosesWithoutFiguresLeavesNoState() throws Exception {
    contribute(2);
    barrier(100);
    contribute(-2);
    barrier(200);
    watermark(DAY_ENDS_AT + LATENESS.toMillis());
    assertThat(harness.numKeyedStateEntries()).isZero();
    assertThat(harness.numEventTimeTimers()).isZero();
  }

  @Test
  void restoredDayContinues() throws Exception {
    contribute(2);
    barrier(100);
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();
    harness = newHarness();
    harness.initializeState(snapshot);
    harness.open();
    contribute(5);
    barrier(200);
    assertThat(rows()).extracting(row -> row.sums().newUsers()).containsExactly(7L);
  }
}
