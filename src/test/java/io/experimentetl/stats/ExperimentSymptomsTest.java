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

import io.experimentetl.model.GreatestTotals;
import io.experimentetl.model.HealthContribution;
import io.experimentetl.model.MetricKey;
import io.experimentetl.model.MetricTotals;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.junit.jupiter.api.Test;

/** The findings that open and close. */
class ExperimentSymptomsTest extends ExperimentHealthHarness {
  @Test
  void designWithoutControlIsReportedBeforeAnyAssignment() throws Exception {
    experiment(1, "ACTIVE", NOON);
    variant(11, 50, false);
    variant(12, 40, false);
    barrier(NOON);
    assertThat(reported()).as("the rest of the change may arrive").isEmpty();
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
  void symptomThatEndsWithinTheGraceIsNotReported() throws Exception {
    experiment(1, "ACTIVE", NOON);
    barrier(NOON);
    variant(11, 100, true);
    barrier(NOON + GRACE - 1);
    barrier(NOON + GRACE);
    assertThat(reported()).isEmpty();
  }

  @Test
  void partOfATransactionIsNotJudged() throws Exception {
    sound(1);
    barrier(NOON);
    // One INSERT of 800 users, sorted by variant.
    count(11, TODAY, 400, 400, 0);
    barrierInTransaction(NOON + 1);
    barrierInTransaction(NOON + 1);
    assertThat(reported()).isEmpty();
    count(12, TODAY, 400, 400, 0);
    barrier(NOON + 1);
    assertThat(reported()).isEmpty();
  }

  @Test
  void mismatchOfATransactionIsReportedAfterItsEnd() throws Exception {
    sound(1);
    barrier(NOON);
    count(11, TODAY, 400, 400, 0);
    count(12, TODAY, 200, 200, 0);
    barrierInTransaction(NOON + 1);
    assertThat(reported()).isEmpty();
    barrier(NOON + 1);
    assertThat(reported()).containsExactly(opened(H_SRM, "experiment:1"));
    count(12, TODAY, 180, 180, 0);
    barrierInTransaction(NOON + 2);
    assertThat(reported()).as("it stays as it was").isEmpty();
    barrier(NOON + 2);
    assertThat(reported()).containsExactly(resolved(H_SRM, "experiment:1"));
  }

  @Test
  void nothingIsReportedInTheSnapshot() throws Exception {
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
  void experimentWithoutExposuresIsReportedAfterAnHour() throws Exception {
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
  void hourWithoutExposuresBeginsWithTheCommitThatStartedTheExperiment() throws Exception {
    experiment(1, "DRAFT", NOON - 5 * HOUR);
    variant(11, 50, true);
    variant(12, 50, false);
    experiment(1, "ACTIVE", NOON);
    barrier(NOON + HOUR - 1);
    assertThat(reported()).isEmpty();
    // A later change of another column begins no new hour.
    experiment(1, "ACTIVE", NOON + HOUR - 1);
    barrier(NOON + HOUR);
    assertThat(reported()).containsExactly(opened(H_NO_EXPOSURES, "experiment:1"));
  }

  @Test
  void pausedExperimentNeedsNoUsers() throws Exception {
    experiment(1, "ACTIVE", 0);
    variant(11, 100, true);
    barrier(NOON);
    assertThat(reported()).containsExactly(opened(H_NO_EXPOSURES, "experiment:1"));
    experiment(1, "PAUSED", NOON);
    barrier(NOON + 1);
    assertThat(reported()).containsExactly(resolved(H_NO_EXPOSURES, "experiment:1"));
  }

  @Test
  void crossoversAndMissingVariantOpenAndResolve() throws Exception {
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
  void metricWithoutEventsOpensWithTheThousandthUser() throws Exception {
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
  void userWithATenthOfTheSumIsReported() throws Exception {
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
                    -1,
                    BigInteger.valueOf(-50_000_000),
                    BigInteger.valueOf(50_000_000).pow(2).negate(),
                    GreatestTotals.of("u7", BigInteger.valueOf(50_000_000), BigInteger.ZERO)))));
    barrier(NOON + 1);
    assertThat(reported()).containsExactly(resolved(H_OUTLIER, "experiment-metric:1/revenue"));
  }

  @Test
  void unusualVolumeIsReportedAnHourAfterTheDay() throws Exception {
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
  void lagOfMoreThanFiveMinutesIsReported() throws Exception {
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
    barrier(NOON + SECOND);
    assertThat(reported()).containsExactly(resolved(H_FRESHNESS, "pipeline:"));
  }

  @Test
  void rowsOfACheckpointThatHangsAreNotFresh() throws Exception {
    barrier(NOON);
    harness.setProcessingTime(NOON / 1000 + 300_001);
    barrierOfCheckpointThatHangs(NOON + 300 * SECOND, true);
    assertThat(reported()).containsExactly(opened(H_FRESHNESS, "pipeline:"));
    barrier(NOON + 300 * SECOND);
    barrier(NOON + 300 * SECOND);
    assertThat(reported()).containsExactly(resolved(H_FRESHNESS, "pipeline:"));
  }

  /** A 50/50 test whose assigner gives 99.7 % of the users one variant. */
  @Test
  void brokenAssignerIsReportedWithinAHundredUsers() throws Exception {
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
}
