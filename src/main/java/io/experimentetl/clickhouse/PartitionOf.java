package io.experimentetl.clickhouse;

import java.time.LocalDate;

/** Values of common partition expressions, for {@link RowEncoder#partition}. */
public final class PartitionOf {
  private static final long MICROS_PER_DAY = 86_400_000_000L;

  private PartitionOf() {}

  /**
   * {@code toYYYYMM(timestamp)}, in UTC.
   *
   * @param micros microseconds since 1970 in UTC
   */
  public static long month(long micros) {
    LocalDate day = LocalDate.ofEpochDay(Math.floorDiv(micros, MICROS_PER_DAY));
    return day.getYear() * 100L + day.getMonthValue();
  }

  /**
   * {@code toYear(day)}.
   *
   * @param dayEpoch days since 1970-01-01
   */
  public static long year(int dayEpoch) {
    return LocalDate.ofEpochDay(dayEpoch).getYear();
  }

  /** {@code intDiv(id, 100000000)}. */
  public static long hundredMillion(long id) {
    return id / 100_000_000;
  }
}
