package io.experimentetl.clickhouse;

import java.time.LocalDate;

/**
 * Values of partition expressions, for {@link RowEncoder#partition}. They are bounded: no id and no
 * time makes more than a fixed number of partitions, because an INSERT writes one partition and a
 * merge joins the rows of one. Each function is the ClickHouse expression in its comment.
 */
public final class PartitionOf {
  private static final long MICROS_PER_DAY = 86_400_000_000L;

  /** The years of ordinary rows. Earlier and later times, most of them mistakes, share decades. */
  private static final int FIRST_YEAR = 2015;

  private static final int LAST_YEAR = 2044;
  private static final int BUCKETS = 4;

  private PartitionOf() {}

  /**
   * {@code if(toYear(timestamp) BETWEEN 2015 AND 2044, toYYYYMM(timestamp),
   * intDiv(toYear(timestamp), 10) * 10)}, in UTC: 398 partitions of 1900 to 2299.
   *
   * @param micros microseconds since 1970 in UTC
   */
  public static long monthOrDecade(long micros) {
    LocalDate day = LocalDate.ofEpochDay(Math.floorDiv(micros, MICROS_PER_DAY));
    return isOrdinary(day) ? day.getYear() * 100L + day.getMonthValue() : decade(day);
  }

  /**
   * {@code if(toYear(day) BETWEEN 2015 AND 2044, toYear(day), intDiv(toYear(day), 10) * 10)}: 67
   * partitions of 1900 to 2299.
   *
   * @param dayEpoch days since 1970-01-01
   */
  public static long yearOrDecade(int dayEpoch) {
    LocalDate day = LocalDate.ofEpochDay(dayEpoch);
    return isOrdinary(day) ? day.getYear() : decade(day);
  }

  private static boolean isOrdinary(LocalDate day) {
    return day.getYear() >= FIRST_YEAR && day.getYear() <= LAST_YEAR;
  }

  private static long decade(LocalDate day) {
    return day.getYear() / 10 * 10L;
  }

  /** {@code intHash64(id) % 4}: four partitions, whatever the ids are. */
  public static long bucket(long id) {
    long hash = id ^ 0x4CF2D2BAAE6DA887L;
    hash = (hash ^ (hash >>> 33)) * 0xFF51AFD7ED558CCDL;
    hash = (hash ^ (hash >>> 33)) * 0xC4CEB9FE1A85EC53L;
    return Long.remainderUnsigned(hash ^ (hash >>> 33), BUCKETS);
  }
}
