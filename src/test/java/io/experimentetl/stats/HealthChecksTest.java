package io.experimentetl.stats;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.HealthConfig;
import java.time.Instant;
import java.time.LocalDate;
import java.time.temporal.ChronoUnit;
import org.junit.jupiter.api.Test;

class HealthChecksTest {
  private static final HealthConfig HEALTH = HealthConfig.defaults();
  private static final long[] WEEK = {100, 100, 100, 100, 100, 100, 100};

  @Test
  void crossoversAreReportedFromOnePercentAndTenUsers() {
    assertThat(HealthChecks.areManyCrossovers(10, 1_000, HEALTH)).isTrue();
    assertThat(HealthChecks.areManyCrossovers(10, 1_001, HEALTH)).isFalse();
    assertThat(HealthChecks.areManyCrossovers(9, 9, HEALTH)).isFalse();
  }

  @Test
  void variantIsMissingIfItExpectsTenUsersAndHasNone() {
    assertThat(HealthChecks.withoutUsers(new long[] {10, 0}, new double[] {50, 50}, 10))
        .containsExactly(false, false);
    assertThat(HealthChecks.withoutUsers(new long[] {20, 0}, new double[] {50, 50}, 10))
        .containsExactly(false, true);
    assertThat(HealthChecks.withoutUsers(new long[] {99, 1}, new double[] {50, 50}, 10))
        .containsExactly(false, false);
  }

  @Test
  void smallVariantIsMissingLater() {
    assertThat(HealthChecks.withoutUsers(new long[] {999, 0}, new double[] {99, 1}, 10)[1])
        .isFalse();
    assertThat(HealthChecks.withoutUsers(new long[] {1_000, 0}, new double[] {99, 1}, 10)[1])
        .isTrue();
  }

  @Test
  void variantWithoutAllocationIsNotMissing() {
    assertThat(HealthChecks.withoutUsers(new long[] {1_000, 0}, new double[] {100, 0}, 10))
        .containsExactly(false, false);
  }

  @Test
  void usersOfAVariantWithoutAllocationRaiseNoExpectation() {
    assertThat(HealthChecks.withoutUsers(new long[] {1_000, 0, 1}, new double[] {0, 50, 50}, 10))
        .containsExactly(false, false, false);
  }

  @Test
  void dayIsUnusualBelowHalfOrAboveTwiceTheWeekBefore() {
    assertThat(HealthChecks.isUnusual(50, WEEK, 100)).isFalse();
    assertThat(HealthChecks.isUnusual(49, WEEK, 100)).isTrue();
    assertThat(HealthChecks.isUnusual(200, WEEK, 100)).isFalse();
    assertThat(HealthChecks.isUnusual(201, WEEK, 100)).isTrue();
    assertThat(HealthChecks.isUnusual(0, WEEK, 101)).isFalse();
  }

  @Test
  void quietSundayIsUsualAfterAQuietSunday() {
    long[] sinceSunday = {20, 100, 100, 100, 100, 100, 100};
    assertThat(HealthChecks.isUnusual(20, sinceSunday, 100)).isFalse();
    assertThat(HealthChecks.isUnusual(9, sinceSunday, 100)).isTrue();
  }

  @Test
  void secondDayOfAnOutageIsUnusualToo() {
    assertThat(HealthChecks.isUnusual(0, new long[] {100, 100, 100, 100, 100, 100, 0}, 100))
        .isTrue();
  }

  private static long micros(String instant) {
    return ChronoUnit.MICROS.between(Instant.EPOCH, Instant.parse(instant));
  }

  @Test
  void runningExperimentIsCheckedAnHourAfterEachDay() {
    ExperimentRun run = new ExperimentRun("e", "ACTIVE", "Europe/Berlin", null, null, 0);
    assertThat(HealthChecks.nextChangeAt(run, micros("2026-03-10T22:30:00Z")))
        .isEqualTo(micros("2026-03-11T00:00:00Z"));
    assertThat(HealthChecks.nextChangeAt(run, micros("2026-03-11T00:00:00Z")))
        .isEqualTo(micros("2026-03-12T00:00:00Z"));
  }

  @Test
  void experimentIsCheckedAtItsStartAndAfterItsEnd() {
    long start = micros("2026-03-10T12:00:00Z");
    long end = micros("2026-03-10T13:00:00Z");
    ExperimentRun run = new ExperimentRun("e", "ACTIVE", "UTC", start, end, 0);
    assertThat(HealthChecks.nextChangeAt(run, start - 1)).isEqualTo(start);
    assertThat(HealthChecks.nextChangeAt(run, start)).isEqualTo(end + 1);
    assertThat(HealthChecks.nextChangeAt(run, end + 1))
        .isEqualTo(micros(LocalDate.of(2026, 3, 11) + "T01:00:00Z"));
    ExperimentRun paused = new ExperimentRun("e", "PAUSED", "UTC", start, end, 0);
    assertThat(HealthChecks.nextChangeAt(paused, start - 1)).isEqualTo(Long.MAX_VALUE);
  }
}
