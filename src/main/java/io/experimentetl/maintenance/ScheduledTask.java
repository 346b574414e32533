package io.experimentetl.maintenance;

import java.time.DayOfWeek;
import java.time.Instant;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.temporal.TemporalAdjusters;
import java.util.Locale;

/** The tasks that the schedule runs, all in UTC. */
public enum ScheduledTask {
  /** Partitions, clean-up, what erased users left on disk, sizes. */
  DAILY("0 2 * * *", LocalTime.of(2, 0), null),
  /** {@code verify --record}. */
  WEEKLY("0 3 * * 0", LocalTime.of(3, 0), DayOfWeek.SUNDAY);

  private final String cron;
  private final LocalTime time;
  private final DayOfWeek day;

  ScheduledTask(String cron, LocalTime time, DayOfWeek day) {
    this.cron = cron;
    this.time = time;
    this.day = day;
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
    ZonedDateTime due = now.atZone(ZoneOffset.UTC).with(time);
    if (day != null) {
      due = due.with(TemporalAdjusters.previousOrSame(day));
    }
    return due.toInstant().isAfter(now)
        ? due.minusDays(day == null ? 1 : 7).toInstant()
        : due.toInstant();
  }

  /** The first time at which it is due after now. */
  Instant nextDue(Instant now) {
    return lastDue(now).atZone(ZoneOffset.UTC).plusDays(day == null ? 1 : 7).toInstant();
  }
}
