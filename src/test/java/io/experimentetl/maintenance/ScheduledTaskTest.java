package io.experimentetl.maintenance;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScheduledTaskTest {
  @ParameterizedTest
  @CsvSource({
    "DAILY, 2026-11-30T01:59:59Z, 2026-11-29T02:00:00Z, 2026-11-30T02:00:00Z",
    "DAILY, 2026-11-30T02:00:00Z, 2026-11-30T02:00:00Z, 2026-12-01T02:00:00Z",
    "DAILY, 2026-12-31T23:00:00Z, 2026-12-31T02:00:00Z, 2027-01-01T02:00:00Z",
    // 2026-11-29 is a Sunday.
    "WEEKLY, 2026-11-29T02:59:00Z, 2026-11-22T03:00:00Z, 2026-11-29T03:00:00Z",
    "WEEKLY, 2026-11-29T03:00:00Z, 2026-11-29T03:00:00Z, 2026-12-06T03:00:00Z",
    "WEEKLY, 2026-12-03T12:00:00Z, 2026-11-29T03:00:00Z, 2026-12-06T03:00:00Z",
    "MONTHLY, 2026-12-01T03:59:59Z, 2026-11-01T04:00:00Z, 2026-12-01T04:00:00Z",
    "MONTHLY, 2026-12-01T04:00:00Z, 2026-12-01T04:00:00Z, 2027-01-01T04:00:00Z",
    "MONTHLY, 2027-02-28T12:00:00Z, 2027-02-01T04:00:00Z, 2027-03-01T04:00:00Z",
  })
  void taskIsDueAtItsTimesInUtc(ScheduledTask task, Instant now, Instant last, Instant next) {
    assertThat(task.lastDue(now)).isEqualTo(last);
    assertThat(task.nextDue(now)).isEqualTo(next);
  }

  @Test
  void variableSwitchesTheDailyTaskOff() {
    Map<String, String> off = Map.of("ENABLE_PARTITION_MAINTENANCE", "false");
    assertThat(Scheduler.isEnabled(ScheduledTask.DAILY, off)).isFalse();
    assertThat(Scheduler.isEnabled(ScheduledTask.WEEKLY, off)).isTrue();
    assertThat(Scheduler.isEnabled(ScheduledTask.DAILY, Map.of())).isTrue();
    assertThat(
            Scheduler.isEnabled(
                ScheduledTask.DAILY, Map.of("ENABLE_PARTITION_MAINTENANCE", "true")))
        .isTrue();
  }

  /** February to April has 89 days, so three months could be shorter than 90 days. */
  @ParameterizedTest
  @CsvSource({"1, 1", "28, 1", "29, 2", "89, 3", "90, 4", "365, 12", "366, 13", "730, 24"})
  void monthsOfAPolicyAreNeverShorter(int days, int months) {
    assertThat(PolicyMonths.of(Duration.ofDays(days))).isEqualTo(months);
  }
}
