package io.experimentetl.maintenance;

import java.time.DayOfWeek;
import java.time.Instant;
import java.time.LocalTime;
import java.time.Period;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.temporal.TemporalAdjusters;
import java.util.Locale;

/** The tasks that the schedule runs, all in UTC. */
public enum ScheduledTask {
  /** Partitions, clean-up, what erased users left on disk, sizes. */
  DAILY("0 2 * * *", LocalTime.of(2, 0), Period.ofDays(1)),
  /** {@code verify --record}. */
  WEEKLY("0 3 * * 0", LocalTime.of(3, 0), Period.ofWeeks(1)),
  /** {@code archive --execute}. */
  MONTHLY("0 4 1 * *", LocalTime.of(4, 0), Period.ofMonths(1));

  private final String cron;
  private final LocalTime time;
  private final Period period;

  ScheduledTask(String cron, LocalTime time, Period period) {
    this.cron = cron;
    this.time = time;
    this.period = period;
  }

  /** The name in {@code etl_schedule} and on the command line. */
  public String text() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** When it is due, as cron writes it. */
  public String cron() {
    return cron;
  }

  /** The last time at which it was due, which may be now. */
  Instant lastDue(Instant now) {
    return last(now).toInstant();
  }

  private ZonedDateTime last(Instant now) {
    ZonedDateTime due = now.atZone(ZoneOffset.UTC).with(time);
    if (this == WEEKLY) {
      due = due.with(TemporalAdjusters.previousOrSame(DayOfWeek.SUNDAY));
    } else if (this == MONTHLY) {
      due = due.withDayOfMonth(1);
    }
    return due.toInstant().isAfter(now) ? due.minus(period) : due;
  }

  /** The first time at which it is due after now. */
  Instant nextDue(Instant now) {
    return last(now).plus(period).toInstant();
  }
}
