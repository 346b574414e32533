package io.experimentetl.maintenance;

import java.time.Duration;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoUnit;

/** A retention in whole months, in which partitions are counted. */
final class PolicyMonths {
  private static final YearMonth FIRST = YearMonth.of(2025, 1);

  /** Four years, with one February of a leap year. */
  private static final int CYCLE = 48;

  private PolicyMonths() {}

  /** The least number of months that is never shorter than the age: 4 for 90 days. */
  static int of(Duration age) {
    int months = 1;
    while (shortest(months).compareTo(age) < 0) {
      months++;
    }
    return months;
  }

  private static Duration shortest(int months) {
    long days = Long.MAX_VALUE;
    for (int i = 0; i < CYCLE; i++) {
      YearMonth begin = FIRST.plusMonths(i);
      days =
          Math.min(
              days, ChronoUnit.DAYS.between(begin.atDay(1), begin.plusMonths(months).atDay(1)));
    }
    return Duration.ofDays(days);
  }

  /** The beginning of the month that lies the months before the present one, in UTC. */
  static ZonedDateTime before(ZonedDateTime now, int months) {
    return YearMonth.from(now.withZoneSameInstant(ZoneOffset.UTC))
        .minusMonths(months)
        .atDay(1)
        .atStartOfDay(ZoneOffset.UTC);
  }
}
