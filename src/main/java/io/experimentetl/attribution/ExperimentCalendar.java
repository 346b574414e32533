package io.experimentetl.attribution;

import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.zone.ZoneRules;
import java.util.HashMap;
import java.util.Map;

/** Days of one zone, daylight saving included. */
public final class ExperimentCalendar {
  private static final long SECONDS_PER_DAY = 86_400;
  private static final long MICROS_PER_SECOND = 1_000_000;

  private final ZoneId zone;
  private final ZoneRules rules;
  private final int fixedOffsetSeconds;

  /** Cached: every row needs the end of its day, and many rows share a day. */
  private final Map<Integer, Long> ends = new HashMap<>();

  /** The day that was asked for last, and its end. */
  private int lastDay = Integer.MIN_VALUE;

  private long lastEnd;

  public ExperimentCalendar(String zone) {
    this.zone = ZoneId.of(zone);
    this.rules = this.zone.getRules();
    this.fixedOffsetSeconds =
        rules.isFixedOffset()
            ? rules.getOffset(Instant.EPOCH).getTotalSeconds()
            : Integer.MIN_VALUE;
  }

  /** Days since 1970-01-01 of the instant, given in microseconds since 1970 in UTC. */
  public int dayOf(long micros) {
    long seconds = Math.floorDiv(micros, MICROS_PER_SECOND);
    int offset =
        fixedOffsetSeconds != Integer.MIN_VALUE
            ? fixedOffsetSeconds
            : rules.getOffset(Instant.ofEpochSecond(seconds)).getTotalSeconds();
    return Math.toIntExact(Math.floorDiv(seconds + offset, SECONDS_PER_DAY));
  }

  /** When the day ends: milliseconds since 1970 in UTC, exclusive. */
  public long endOf(int dayEpoch) {
    if (dayEpoch != lastDay) {
      lastEnd = ends.computeIfAbsent(dayEpoch, this::computeEnd);
      lastDay = dayEpoch;
    }
    return lastEnd;
  }

  private long computeEnd(int dayEpoch) {
    return LocalDate.ofEpochDay(dayEpoch + 1L).atStartOfDay(zone).toInstant().toEpochMilli();
  }
}
